"""Names are bytes: what is kept of them, and what is said of them (docs/formats/package.md)."""

import base64
import json
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ingest_watch.names import encoding_of
from ingest_watch.preparation import Acceptable, Job, Preparation, Profile, Unacceptable
from ingest_watch.prepare import prepare
from storage.file_list import read_file_list
from tests.bags import ZipPart, bag_files, manifest, write_files, zip_bytes

LONG = "档" * 85  # 255 bytes
Prepare = Callable[[str], Preparation]


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def prepared(drop: Path, name: str, names_encoding: str | None = None) -> Preparation:
    return prepare(
        Job(
            archive="馆",
            source="portal",
            name_raw=name.encode(),
            name=name,
            drop=drop,
            work=drop.parent / f"work-{name}",
            received_at="2026-11-22T08:00:00Z",
            profile=Profile(("bagit",), "name", names_encoding),
        )
    )


def accepted(drop: Path, name: str, names_encoding: str | None = None) -> Acceptable:
    package = prepared(drop, name, names_encoding)
    assert isinstance(package, Acceptable), package
    return package


def listed(path: str) -> str:
    """A path as RFC 8493 has it in a manifest."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def bag_of(names: Iterable[str]) -> dict[str, bytes]:
    payload = {f"data/{name}": name.encode() for name in names}
    content = manifest("sha256", {listed(path): data for path, data in payload.items()})
    return bag_files(payload, changed={"manifest-sha256.txt": content})


def naughty_names(corpora: Path) -> set[str]:
    """The big list of naughty strings, but for what cannot be one name of a file."""
    strings = json.loads((corpora / "big-list-of-naughty-strings.json").read_text())
    names = {text.replace("/", "∕").replace("\0", "") for text in strings} - {"", ".", ".."}
    return {name for name in names if len(name.encode("utf-8", "surrogatepass")) <= 255}


def without_twins(names: set[str]) -> set[str]:
    """One of each that nobody could tell apart."""
    return set({unicodedata.normalize("NFC", name): name for name in sorted(names)}.values())


def payload_of(package: Acceptable) -> dict[bytes, bytes]:
    """Names and contents as they lie in the object."""
    folder = bytes(package.work / "content" / "received" / "data")
    found = {}
    for path in Path(folder.decode()).iterdir():
        found[bytes(path).removeprefix(folder + b"/")] = path.read_bytes()
    return found


@pytest.mark.needs_corpora
def test_naughty_names_are_kept_to_the_byte_in_a_folder_and_in_a_zip(
    drop: Path, corpora: Path
) -> None:
    """Every name is kept as it came and listed so; the folder and its zip are one package."""
    names = without_twins(naughty_names(corpora))
    assert len(names) > 400
    files = bag_of(names)
    write_files(drop / "case", files)
    (drop / "case.zip").write_bytes(
        zip_bytes(ZipPart(path.encode(), content, flags=0) for path, content in files.items())
    )
    folder, archive = accepted(drop, "case"), accepted(drop, "case.zip")
    wanted = {name.encode(): name.encode() for name in names}
    for package in (folder, archive):
        assert payload_of(package) == wanted
        paths = {entry.path for entry in read_file_list(package.work / "file-list.jsonl")}
        assert {f"received/data/{name}" for name in names} <= paths
        assert not (package.work / "content/lantai/names.jsonl").exists()
    assert folder.facts.identity == archive.facts.identity


@pytest.mark.needs_corpora
def test_naughty_names_are_refused_only_where_two_cannot_be_told_apart_or_one_is_too_long(
    drop: Path, corpora: Path
) -> None:
    names = naughty_names(corpora)
    left_out = names - without_twins(names)
    write_files(drop / "case", bag_of({*names, "é", "e\u0301"}))
    refused = prepared(drop, "case")
    assert isinstance(refused, Unacceptable)
    assert [reason.code for reason in refused.reasons] == ["name-twins"] * (len(left_out) + 1)


def zip_of(drop: Path, names: dict[bytes, str]) -> Path:
    """A bag's zip with payload of these raw names, which its manifest lists as this text."""
    payload = {f"data/{text}": b"x" for text in names.values()}
    content = manifest("sha256", {listed(path): data for path, data in payload.items()})
    tags = bag_files(payload, changed={"manifest-sha256.txt": content})
    parts = [ZipPart(path.encode(), tags[path]) for path in tags if path not in payload]
    parts += [ZipPart(b"data/" + raw, b"x", flags=0) for raw in names]
    (drop / "case.zip").write_bytes(zip_bytes(parts))
    return drop / "case.zip"


def name_lines(package: Acceptable) -> dict[str, tuple[bytes, str | None]]:
    lines = (package.work / "content/lantai/names.jsonl").read_text().splitlines()
    read = [json.loads(line) for line in lines]
    assert [line["path"].encode() for line in read] == sorted(
        line["path"].encode() for line in read
    )
    return {
        line["path"]: (base64.b64decode(line["raw_base64"]), line.get("encoding")) for line in read
    }


def test_how_each_name_of_a_zip_was_read_is_on_record_with_its_bytes(drop: Path) -> None:
    """UTF-8 needs no line; GB18030 has its bytes and its encoding; what is neither is escaped."""
    gbk = f"申请{'表' * 70}.pdf".encode("gbk")
    raw = b"\xff\xfe.txt"
    zip_of(drop, {"说明.txt".encode(): "说明.txt", gbk: gbk.decode("gbk"), raw: "%FF%FE.txt"})
    package = accepted(drop, "case.zip")
    assert name_lines(package) == {
        f"received/data/{gbk.decode('gbk')}": (b"received/data/" + gbk, "gb18030"),
        "received/data/%FF%FE.txt": (b"received/data/" + raw, None),
    }
    assert set(payload_of(package)) == {
        "说明.txt".encode(), gbk.decode("gbk").encode(), b"%FF%FE.txt",
    }  # fmt: skip


def test_a_source_may_say_how_its_zips_are_read_when_nothing_else_fits(drop: Path) -> None:
    """ "許功" in Big5 and the like are GB18030, too, and read as that: the rule comes last."""
    raw = b"\xff\x80.txt"
    text = raw.decode("cp437")
    zip_of(drop, {raw: text})
    package = accepted(drop, "case.zip", "cp437")
    assert name_lines(package) == {f"received/data/{text}": (b"received/data/" + raw, "cp437")}
    assert b"name-from-encoding" in b"".join(package.checks)


def test_names_of_255_bytes_in_chinese_are_kept_and_longer_ones_refused(drop: Path) -> None:
    write_files(drop / "case", bag_of([LONG]))
    assert set(payload_of(accepted(drop, "case"))) == {LONG.encode()}
    zip_of(drop, {(LONG + "案").encode("gbk"): LONG + "案"})
    refused = prepared(drop, "case.zip")
    assert isinstance(refused, Unacceptable)
    assert [reason.code for reason in refused.reasons] == ["name-too-long"]


@pytest.mark.parametrize(
    ("path", "raw", "encoding"),
    [
        ("a/申请", "a/申请".encode("gbk"), "gb18030"),
        ("a/%C9%EA", "a/申".encode("gbk"), None),
        ("申/%FF", "申".encode() + b"/\xff", None),
        ("許", "許".encode("big5"), "big5"),
        ("申请", b"other", "unicode-path"),
    ],
)
def test_the_encoding_on_record_is_the_one_that_made_the_path_of_the_bytes(
    path: str, raw: bytes, encoding: str | None
) -> None:
    assert encoding_of(path, raw, ("gb18030", "big5")) == encoding
