"""Zips that lie, climb, explode or contradict themselves (attack catalogue A1-A28)."""

import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.staging import stage_file, staged_files
from tests.bags import (
    ZipPart,
    bag_files,
    bag_parts,
    deflated,
    errors_of,
    judged,
    warnings_of,
    with_part,
    zip_bytes,
)

SIGNATURE = b"PK\x05\x06"


def rejected_for(tmp_path: Path, content: bytes, limits: IntakeLimits | None = None) -> str:
    archive = tmp_path / "case.zip"
    archive.write_bytes(content)
    with pytest.raises(PackageRejected) as refusal:
        stage_file(archive, tmp_path / "target", tmp_path / "listing", limits or IntakeLimits())
    assert not (tmp_path / "target.archive").exists()
    (finding,) = refusal.value.findings
    assert finding.message
    assert finding.message_zh
    return finding.code


def test_a_zip_written_byte_by_byte_is_accepted(tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes(bag_parts()))
    assert errors_of(archive) == set()


def test_a_zip_with_data_descriptors_is_accepted(tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    parts = [ZipPart(part.name, part.content, with_descriptor=True) for part in bag_parts()]
    archive.write_bytes(zip_bytes(parts))
    assert errors_of(archive) == set()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_ordinary_zips_are_accepted_with_zip64_fields_or_without(
    tmp_path: Path, method: int
) -> None:
    archive = tmp_path / "case.zip"
    with zipfile.ZipFile(archive, "w", method) as target:
        for path, content in bag_files().items():
            with target.open(path, "w", force_zip64=path.startswith("data")) as entry:
                entry.write(content)
    assert errors_of(archive) == set()


def test_a_zip64_end_record_that_agrees_is_accepted(tmp_path: Path) -> None:
    content = zip_bytes(bag_parts())
    end = content.rindex(SIGNATURE)
    entries, size, start = struct.unpack_from("<2x6xH2L", content, end + 2)
    long_end = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    archive = tmp_path / "case.zip"
    archive.write_bytes(content[:end] + long_end + locator + content[end:])
    assert errors_of(archive) == set()
    forged = long_end[:32] + struct.pack("<Q", entries + 1) + long_end[40:]
    other = tmp_path / "other"
    other.mkdir()
    forged_zip = content[:end] + forged + locator + content[end:]
    assert rejected_for(other, forged_zip) in {"zip-inconsistent", "zip-unsupported"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"../evil.txt", "path-traversal"),
        (b"data/../../evil.txt", "path-traversal"),
        (b"..\\evil.txt", "path-traversal"),
        (b"/etc/evil.txt", "path-absolute"),
        (b"C:\\evil.txt", "path-absolute"),
        (b"\\\\server\\share\\evil.txt", "path-absolute"),
        (b"data//evil.txt", "path-unclear"),
        (b"data/./evil.txt", "path-unclear"),
        (b"data/evil\0.txt", "path-unclear"),
        (b"data/" + b"n" * 256, "name-too-long"),
        (b"data/" + b"/".join([b"n" * 200] * 6), "name-too-long"),
        (b"d/" * 70 + b"evil.txt", "depth"),
        (b"data/scan", "conflict"),
        (b"data/scan/1.txt/evil.txt", "conflict"),
        (b"data/scan/1.txt", "duplicate"),
        (b"./data/scan/1.txt", "duplicate"),
    ],
)
def test_a_name_that_may_not_be_written_rejects_the_zip(
    tmp_path: Path, name: bytes, code: str
) -> None:
    assert rejected_for(tmp_path, zip_bytes([*bag_parts(), ZipPart(name, b"evil")])) == code
    assert {path.name for path in tmp_path.iterdir()} == {"case.zip", "target", "listing"}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (ZipPart(b"data/link", b"/etc/passwd", mode=0o120777), "link"),
        (ZipPart(b"data/pipe", mode=0o010644), "special-file"),
        (ZipPart(b"data/device", mode=0o020644), "special-file"),
        (ZipPart(b"data/secret", b"x", flags=0x801), "encrypted"),
        (ZipPart(b"data/strong", b"x", flags=0x841), "encrypted"),
        (ZipPart(b"data/lzma", b"x", method=14), "zip-unsupported"),
        (ZipPart(b"data/unknown", b"x", method=99), "zip-unsupported"),
        (ZipPart(b"data/folder/", b"content"), "zip-inconsistent"),
        (ZipPart(b"data/folder", mode=0o040755), "zip-inconsistent"),
        (ZipPart(b"data/\xff\xfe", b"x"), "zip-inconsistent"),
        (ZipPart(b"data/x", b"x", extra=b"\x01\x00\xff\x00x"), "zip-inconsistent"),
        (ZipPart(b"data\\x", b"x", made_on=0, mode=0), "path-unclear"),
    ],
)
def test_an_entry_that_is_not_an_ordinary_file_rejects_the_zip(
    tmp_path: Path, part: ZipPart, code: str
) -> None:
    assert rejected_for(tmp_path, zip_bytes([*bag_parts(), part])) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"local_name": b"data/another"}, "zip-inconsistent"),
        ({"local_size": 1}, "zip-inconsistent"),
        ({"local_crc": 1}, "zip-inconsistent"),
        ({"local_method": 0}, "zip-inconsistent"),
        ({"crc": 1}, "archive-damaged"),
        ({"size": 1}, "zip-inconsistent"),
        ({"size": 10_000}, "zip-inconsistent"),
        ({"compressed": b"\xff\xff not deflate"}, "archive-damaged"),
        ({"compressed": deflated(b"%PDF-1.4 form") + b"hidden"}, "zip-inconsistent"),
        ({"compressed": deflated(b"%PDF-1.4 form")[:-2]}, "zip-inconsistent"),
        ({"start": 7}, "zip-overlap"),
        ({"start": 2**31}, "archive-trailing-data"),
        ({"start": 0}, "zip-overlap"),
    ],
)
def test_a_zip_that_contradicts_itself_is_rejected(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    parts = bag_parts()
    index = next(i for i, part in enumerate(parts) if part.name.endswith(b".pdf"))
    assert rejected_for(tmp_path, zip_bytes(with_part(parts, index, **changes))) == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"before": b"#!/bin/sh\n"}, "archive-trailing-data"),
        ({"after": b"more"}, "archive-trailing-data"),
        ({"gap": b"hidden"}, "archive-trailing-data"),
        ({"comment": b"x" + SIGNATURE + bytes(18)}, "zip-inconsistent"),
        ({"entry_count": 1}, "zip-inconsistent"),
        ({"entry_count": 100}, "archive-damaged"),
    ],
)
def test_bytes_that_belong_to_no_entry_reject_the_zip(
    tmp_path: Path, arguments: dict[str, Any], code: str
) -> None:
    assert rejected_for(tmp_path, zip_bytes(bag_parts(), **arguments)) == code


def test_two_zips_behind_one_another_are_rejected(tmp_path: Path) -> None:
    content = zip_bytes(bag_parts())
    assert rejected_for(tmp_path, content + content) == "archive-trailing-data"


def test_many_directory_entries_over_one_local_entry_are_rejected_before_unpacking(
    tmp_path: Path,
) -> None:
    """CVE-2024-0450, Fifield's overlap: 12 kB that would become 500 MB."""
    kernel = ZipPart(b"data/0", bytes(10_000_000))
    copies = [ZipPart(f"data/{i}".encode(), kernel.content, start=0, is_local=False)
              for i in range(1, 50)]  # fmt: skip
    assert rejected_for(tmp_path, zip_bytes([kernel, *copies])) == "zip-overlap"
    assert list((tmp_path / "target").iterdir()) == []


def test_entries_that_share_their_tails_are_rejected(tmp_path: Path) -> None:
    """The quoted overlap: each local entry contains the next."""
    inner = zip_bytes([ZipPart(b"b", b"payload", method=0)])
    local_inner = inner[: inner.index(b"PK\x01\x02")]
    outer = ZipPart(b"a", local_inner, method=0)
    nested = ZipPart(b"b", b"payload", method=0, start=31, is_local=False)
    assert rejected_for(tmp_path, zip_bytes([outer, nested])) == "zip-overlap"


def test_a_bomb_is_stopped_by_what_comes_out_of_it(tmp_path: Path) -> None:
    bomb = ZipPart(b"data/bomb", bytes(64 * 1024 * 1024))
    assert rejected_for(tmp_path, zip_bytes([*bag_parts(), bomb])) == "ratio"
    assert sum(f.stat().st_size for f in tmp_path.rglob("bomb")) < 16 * 1024 * 1024


def test_a_bomb_that_declares_to_be_small_is_stopped_where_it_says_it_ends(
    tmp_path: Path,
) -> None:
    bomb = bytes(64 * 1024 * 1024)
    part = ZipPart(b"data/bomb", size=10, crc=zlib.crc32(bomb), compressed=deflated(bomb))
    assert rejected_for(tmp_path, zip_bytes([*bag_parts(), part])) == "zip-inconsistent"


def test_more_files_than_allowed_are_rejected_before_any_is_written(tmp_path: Path) -> None:
    code = rejected_for(tmp_path, zip_bytes(bag_parts()), IntakeLimits(files_max=3))
    assert code == "entries"
    assert list((tmp_path / "target").iterdir()) == []


def test_more_bytes_than_allowed_are_rejected(tmp_path: Path) -> None:
    limits = IntakeLimits(content_bytes_max=1_000)
    assert rejected_for(tmp_path, zip_bytes([ZipPart(b"a", bytes(2_000))]), limits) == "too-large"


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_zip_that_is_cut_short_is_rejected(tmp_path: Path, cut: int) -> None:
    code = rejected_for(tmp_path, zip_bytes(bag_parts())[:-cut])
    assert code in {"archive-damaged", "archive-trailing-data"}


def test_no_single_changed_byte_brings_a_traceback(tmp_path: Path) -> None:
    """Every byte of a small zip is changed in turn: it is accepted, or rejected with a code."""
    content = zip_bytes(
        [ZipPart(b"bagit.txt", b"BagIt", method=8), ZipPart(b"data/", mode=0o040755)]
    )
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        folder = tmp_path / str(position)
        folder.mkdir()
        (folder / "case.zip").write_bytes(damaged)
        staged = None
        with suppress(PackageRejected):
            staged = stage_file(folder / "case.zip", folder / "target", folder / "listing")
        assert staged is None or staged.file_count <= 1


def names_of(archive: Path, folder: Path) -> dict[str, bytes | None]:
    staged = stage_file(archive, folder / "target", folder / "listing")
    return {file.path: file.raw_path for file in staged_files(staged)}


@pytest.mark.parametrize(
    ("raw", "flags", "path", "is_raw_kept"),
    [
        ("data/申请.txt".encode(), 0x800, "data/申请.txt", False),
        ("data/申请.txt".encode(), 0, "data/申请.txt", False),
        ("data/申请.txt".encode("gbk"), 0, "data/申请.txt", True),
        ("data/㐀.txt".encode("gb18030"), 0, "data/㐀.txt", True),
        (b"data/\xff.txt", 0, "data/%FF.txt", True),
    ],
)
def test_names_are_read_as_utf8_or_gb18030_and_their_bytes_kept(
    tmp_path: Path, raw: bytes, flags: int, path: str, *, is_raw_kept: bool
) -> None:
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes([ZipPart(b"a", b"a"), ZipPart(raw, b"x", flags=flags)]))
    assert names_of(archive, tmp_path) == {"a": None, path: raw if is_raw_kept else None}


def test_info_zips_own_unicode_name_is_preferred_when_it_belongs_to_the_name(
    tmp_path: Path,
) -> None:
    raw = "data/申请.txt".encode("gbk")
    field = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + "data/申請.txt".encode()
    extra = struct.pack("<2H", 0x7075, len(field)) + field
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes([ZipPart(b"a"), ZipPart(raw, flags=0, extra=extra)]))
    assert names_of(archive, tmp_path)["data/申請.txt"] == raw


def test_a_bag_with_gbk_names_is_acceptable_and_its_report_says_how_names_were_read(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "case.zip"
    archive.write_bytes(
        zip_bytes(
            ZipPart(path.encode("gbk"), content, flags=0, made_on=0, mode=0)
            for path, content in bag_files().items()
        )
    )
    assert errors_of(archive) == set()
    codes = {f.code for check in judged(archive).checks for f in check.findings}
    assert "name-from-gb18030" in codes


def test_an_escaped_name_that_meets_a_file_really_called_so_is_a_collision(
    tmp_path: Path,
) -> None:
    parts = [ZipPart(b"data/\xff.txt", b"1", flags=0), ZipPart(b"data/%FF.txt", b"2", flags=0)]
    assert rejected_for(tmp_path, zip_bytes(parts)) == "name-collision"


def test_one_top_folder_is_the_package_and_its_siblings_make_it_none(tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    inside = {f"bag/{path}": content for path, content in bag_files().items()}
    archive.write_bytes(zip_bytes(bag_parts(inside)))
    staged = stage_file(archive, tmp_path / "target", tmp_path / "listing")
    assert staged.folder == tmp_path / "target" / "bag"
    assert {file.path for file in staged_files(staged)} == bag_files().keys()
    archive.write_bytes(zip_bytes(bag_parts({**inside, "stray.txt": b""})))
    assert errors_of(archive) == {"format-unknown"}


def test_a_nested_zip_stays_closed_and_is_no_second_end_record(tmp_path: Path) -> None:
    inner = zip_bytes(bag_parts())
    files = bag_files({"data/inner.zip": inner})
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes(ZipPart(p.encode(), c, method=0) for p, c in files.items()))
    assert errors_of(archive) == set()


def test_a_zip_that_is_named_a_tar_is_rejected(tmp_path: Path) -> None:
    archive = tmp_path / "case.tar"
    archive.write_bytes(zip_bytes(bag_parts()))
    assert errors_of(archive) == {"archive-name"}


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"PK\x05\x06", b"plain text"])
def test_what_is_no_archive_is_rejected(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "case.zip"
    archive.write_bytes(content)
    assert errors_of(archive) <= {"archive-damaged", "archive-unknown", "archive-trailing-data"}
    assert errors_of(archive)


def test_the_modes_in_an_archive_are_never_applied(tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes([ZipPart(b"a", b"x", mode=0o104777), ZipPart(b"b", b"y")]))
    stage_file(archive, tmp_path / "target", tmp_path / "listing")
    assert (tmp_path / "target" / "a").stat().st_mode & 0o7777 == 0o440


def test_system_files_in_an_archive_are_warned_about(tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    payload = {"data/a.txt": b"a", "data/.DS_Store": b""}
    archive.write_bytes(zip_bytes(bag_parts(bag_files(payload))))
    assert errors_of(archive) == set()
    assert "system-file" in warnings_of(archive)
