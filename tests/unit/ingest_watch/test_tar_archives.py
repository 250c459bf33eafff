"""Tars that link, lie or never end (attack catalogue A1-A8, A20, A21, A29, A30)."""

import gzip
import io
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.staging import stage_file, staged_files
from tests.bags import PAYLOAD, bag_files, errors_of, tar_bytes

BLOCK = 512


def rejected_for(
    tmp_path: Path, content: bytes, limits: IntakeLimits | None = None, name: str = "case.tar"
) -> str:
    archive = tmp_path / name
    archive.write_bytes(content)
    with pytest.raises(PackageRejected) as refusal:
        stage_file(archive, tmp_path / "target", tmp_path / "listing", limits or IntakeLimits())
    (finding,) = refusal.value.findings
    return finding.code


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def header(name: bytes, size: bytes, kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    """One header with the size field exactly as given."""
    block = bytearray(BLOCK)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_bags_in_every_tar_layout_are_accepted(
    tmp_path: Path, layout: int, *, is_compressed: bool
) -> None:
    payload = {**PAYLOAD, f"data/{'long/' * 30}{'n' * 90}.txt": b"x" * 1000}
    archive = tmp_path / ("case.tgz" if is_compressed else "case.tar")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as target:
        for path, content in bag_files(payload).items():
            info = tarfile.TarInfo(f"./{path}")
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    archive.write_bytes(gzip.compress(out.getvalue()) if is_compressed else out.getvalue())
    assert errors_of(archive) == set()


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (member("../evil"), "path-traversal"),
        (member("data/../../evil"), "path-traversal"),
        (member("/tmp/evil"), "path-absolute"),
        (member("data/link", tarfile.SYMTYPE, linkname="/etc/passwd"), "link"),
        (member("data/link", tarfile.SYMTYPE, linkname="1.txt"), "link"),
        (member("data/hard", tarfile.LNKTYPE, linkname="data/scan/1.txt"), "link"),
        (member("data/pipe", tarfile.FIFOTYPE), "special-file"),
        (member("data/disk", tarfile.BLKTYPE), "special-file"),
        (member("data/tty", tarfile.CHRTYPE), "special-file"),
        (member("data/sparse", tarfile.GNUTYPE_SPARSE), "tar-unsupported"),
        (member("data/volume", b"V"), "tar-unsupported"),
        (member("data/more", b"M"), "tar-unsupported"),
        (member("bagit.txt"), "duplicate"),
        (member("data/scan"), "conflict"),
        (member("bagit.txt", tarfile.DIRTYPE), "conflict"),
        (member("data/x", pax_headers={"GNU.sparse.size": "1"}), "tar-unsupported"),
        (member("data/x", pax_headers={"path": "../evil"}), "path-traversal"),
        (member("data/x", pax_headers={"comment": "c" * (2 * 1024 * 1024)}), "tar-unsupported"),
        (member("data/" + "n" * 300), "name-too-long"),
        (member("d/" * 70 + "x"), "depth"),
    ],
)
def test_an_entry_that_may_not_be_unpacked_rejects_the_tar(
    tmp_path: Path, extra: tarfile.TarInfo, code: str
) -> None:
    assert rejected_for(tmp_path, tar_bytes(bag_files(), extra)) == code
    assert list((tmp_path / "target").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"case.tar", "target", "listing"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (header(b"a", b"\xff" * 12) + bytes(1024), "archive-damaged"),
        (header(b"a", b"-0000000001") + bytes(1024), "archive-damaged"),
        (header(b"a", b"\x80" + b"\x7f" * 11) + bytes(1024), "too-large"),
        (header(b"a", b"77777777777") + bytes(1024), "archive-damaged"),
        (header(b"a", b"00000001000", b"5") + bytes(2048), "tar-unsupported"),
        (header(b"name", b"77777777777", b"L") + bytes(1024), "tar-unsupported"),
        (header(b"name", b"00000000005", b"x") + b"99 a=".ljust(512, b"\0") + bytes(1024),
         "archive-damaged"),
        (header(b"name", b"00000000006", b"x") + b"0 a=b\n".ljust(512, b"\0") + bytes(1024),
         "archive-damaged"),
        (header(b"name", b"00000000015", b"x") + b"13 size=-512\n".ljust(512, b"\0")
         + header(b"a", b"0") + bytes(1024), "archive-damaged"),
        (header(b"name", b"00000000013", b"g") + b"11 path=/x\n".ljust(512, b"\0")
         + header(b"a", b"0") + bytes(1024), "tar-unsupported"),
        (header(b"name", b"00000000012", b"x") + b"10 path=b\n".ljust(512, b"\0") + bytes(1024),
         "archive-damaged"),
        (header(b"a", b"0")[:148] + b"0000000\0" + header(b"a", b"0")[156:], "archive-damaged"),
        (header(b"", b"0") + bytes(1024), "path-unclear"),
    ],
)  # fmt: skip
def test_a_header_that_makes_no_sense_rejects_the_tar(
    tmp_path: Path, content: bytes, code: str
) -> None:
    assert rejected_for(tmp_path, content) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda tar: tar[:-2000], "archive-damaged"),
        (lambda tar: tar[: 4 * BLOCK], "archive-damaged"),
        (lambda tar: tar + b"hidden", "archive-trailing-data"),
        (lambda tar: tar + tar, "archive-trailing-data"),
    ],
)
def test_a_tar_that_ends_too_early_or_too_late_is_rejected(
    tmp_path: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    tar = tar_bytes()
    end = len(tar.rstrip(b"\0"))
    tight = tar[: end + (-end % BLOCK) + 2 * BLOCK]
    assert rejected_for(tmp_path, change(tight)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-1], "archive-damaged"),
        (lambda data: data[:-8] + bytes(4) + data[-4:], "archive-damaged"),
        (lambda data: data[: len(data) // 2], "archive-damaged"),
        (lambda data: data + b"hidden", "archive-trailing-data"),
    ],
)
def test_a_gzip_that_is_damaged_or_has_something_behind_it_is_rejected(
    tmp_path: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    content = change(gzip.compress(tar_bytes()))
    assert rejected_for(tmp_path, content, name="case.tar.gz") == code


def test_a_gzip_of_several_members_is_one_stream(tmp_path: Path) -> None:
    tar = tar_bytes()
    archive = tmp_path / "case.tar.gz"
    archive.write_bytes(b"".join(gzip.compress(tar[i : i + 777]) for i in range(0, len(tar), 777)))
    assert errors_of(archive) == set()


def test_a_gzip_bomb_is_stopped_before_a_file_is_written(tmp_path: Path) -> None:
    bomb = gzip.compress(tar_bytes({"data/bomb": bytes(64 * 1024 * 1024)}), 9)
    assert rejected_for(tmp_path, bomb, name="case.tar.gz") == "ratio"
    assert list((tmp_path / "target").iterdir()) == []


def test_more_entries_than_allowed_are_rejected_before_any_is_written(tmp_path: Path) -> None:
    assert rejected_for(tmp_path, tar_bytes(), IntakeLimits(files_max=3)) == "entries"
    assert list((tmp_path / "target").iterdir()) == []


def test_a_name_that_is_not_utf8_is_kept_as_a_folders_would_be(tmp_path: Path) -> None:
    archive = tmp_path / "case.tar"
    name = "data/申请.txt".encode("gbk")
    archive.write_bytes(
        header(b"a", b"0") + header(name, b"00000000001") + b"x".ljust(BLOCK, b"\0") + bytes(1024)
    )
    staged = stage_file(archive, tmp_path / "target", tmp_path / "listing")
    assert {file.path: file.raw_path for file in staged_files(staged)} == {
        "a": None,
        "data/%C9%EA%C7%EB.txt": name,
    }


def test_no_single_changed_byte_brings_a_traceback(tmp_path: Path) -> None:
    content = tar_bytes({"data/a": b"a"}, member("data/b", tarfile.DIRTYPE))
    for position in range(0, 3 * BLOCK, 3):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        folder = tmp_path / str(position)
        folder.mkdir()
        (folder / "case").write_bytes(damaged)
        with suppress(PackageRejected):
            stage_file(folder / "case", folder / "target", folder / "listing")
        assert {path.name for path in folder.iterdir()} <= {"case", "target", "listing"}
