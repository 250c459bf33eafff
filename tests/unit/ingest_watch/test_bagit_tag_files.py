"""What BagIt asks of metadata, encodings, fetch files and tag manifests (A41, A42, A44, A45)."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ingest_watch.findings import Severity
from tests.bags import PAYLOAD, bag_files, errors_of, judged, manifest, warnings_of, write_files

OLD = ["0.93", "0.94", "0.95", "0.96", "0.97"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def bag(tmp_path: Path, **arguments: Any) -> Path:
    return write_files(tmp_path / "bag", bag_files(**arguments))


def lines(*entries: tuple[str, str]) -> bytes:
    return "".join(f"{digest}  {path}\n" for digest, path in entries).encode()


def good_lines() -> list[tuple[str, str]]:
    return [(sha256(content), path) for path, content in sorted(PAYLOAD.items())]


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ("Payload-Oxum: 22.2\n", None),
        ("payload-oxum: 22.2\n", None),
        ("Payload-Oxum: 22.3\n", "payload-oxum-mismatch"),
        ("Payload-Oxum: 23.2\n", "payload-oxum-mismatch"),
        ("Payload-Oxum: 22\n", "payload-oxum-invalid"),
        ("Payload-Oxum: \n", "payload-oxum-invalid"),
        ("Payload-Oxum: 22.2\nPayload-Oxum: 22.2\n", "payload-oxum-invalid"),
    ],
)
def test_payload_oxum_is_held(tmp_path: Path, info: str, code: str | None) -> None:
    assert sum(len(content) for content in PAYLOAD.values()) == 22
    assert errors_of(bag(tmp_path, info=info)) == ({code} if code else set())


@pytest.mark.parametrize(
    ("info", "is_error"),
    [
        ("Label: a\n continued\n\tand more\n", False),
        ("Label: a\nlabel: b\nLABEL: c\n", False),
        ("Label: https://example.org:8080/\n", False),
        ("Label: 申请\n", False),
        ("no colon here\n", True),
        (": no label\n", True),
        ("Label : a\n", True),
        ("Label:a\n", True),
    ],
)
def test_metadata_lines_are_labels_and_values(tmp_path: Path, info: str, *, is_error: bool) -> None:
    assert errors_of(bag(tmp_path, info=info)) == ({"metadata-line"} if is_error else set())


def test_loose_white_space_around_labels_is_fine_before_1_0(tmp_path: Path) -> None:
    folder = bag(tmp_path, version="0.97", info="Test-Tag : 1\nTest-Tag:2\nPayload-Oxum  :  22.2\n")
    assert errors_of(folder) == set()


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("External-Identifier: 案件-1\n", ("案件-1",)),
        ("external-identifier: a\nExternal-Identifier: b\n", ("a", "b")),
        ("External-Identifier: a\n b\n", ("a b",)),
        ("Contact-Name: x\n", ()),
    ],
)
def test_external_identifiers_are_handed_on(
    tmp_path: Path, info: str, expected: tuple[str, ...]
) -> None:
    assert judged(bag(tmp_path, info=info)).external_identifiers == expected


def test_package_info_is_the_metadata_of_the_first_versions(tmp_path: Path) -> None:
    wrong = {"package-info.txt": b"Payload-Oxum: 1.1\n"}
    assert errors_of(bag(tmp_path / "a", version="0.95", info="", changed=wrong)) == {
        "payload-oxum-mismatch"
    }
    assert errors_of(bag(tmp_path / "b", version="0.96", info="", changed=wrong)) == set()


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1", "GB18030", "GBK", "utf-8"])
def test_the_declared_encoding_is_honoured_in_every_tag_file(tmp_path: Path, encoding: str) -> None:
    name = "é" if encoding.startswith("ISO") else "申请"
    declaration = f"BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n"
    payload = {f"data/{name}.txt": b"x"}
    changed = {
        "bagit.txt": declaration.encode(),
        "bag-info.txt": f"External-Identifier: {name}\n".encode(encoding),
        "manifest-sha256.txt": manifest("sha256", payload).decode().encode(encoding),
    }
    folder = bag(tmp_path, payload=payload, changed=changed, tag_manifests=False)
    report = judged(folder)
    assert report.findings(Severity.ERROR) == ()
    assert report.external_identifiers == (name,)


def test_names_in_the_tag_files_own_encoding_are_found(tmp_path: Path) -> None:
    declaration = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: GBK\n"
    content = f"{sha256(b'x')}  data/申请.txt\n".encode("gbk")
    folder = bag(
        tmp_path,
        payload={"data/placeholder": b""},
        changed={"bagit.txt": declaration, "manifest-sha256.txt": content},
        tag_manifests=False,
    )
    (folder / "data/placeholder").unlink()
    with open(bytes(folder) + "/data/申请.txt".encode("gbk"), "wb") as file:
        file.write(b"x")
    assert errors_of(folder) == set()
    assert warnings_of(folder) >= {"path-in-tag-encoding", "name-not-utf8"}


@pytest.mark.parametrize(
    ("name", "content", "codes"),
    [
        ("manifest-sha256.txt", "申请".encode("gbk"), {"tag-file-unreadable", "payload-unlisted"}),
        ("bag-info.txt", "Label: 申请\n".encode("gbk"), {"tag-file-unreadable"}),
        ("bag-info.txt", b"\xef\xbb\xbfLabel: a\n", {"byte-order-mark"}),
        ("bag-info.txt", b"Label: " + b"a" * 70_000 + b"\n", {"tag-file-unreadable"}),
        ("fetch.txt", b"\xff\xfe", {"tag-file-unreadable"}),
    ],
)
def test_tag_files_that_cannot_be_read_are_refused_in_words(
    tmp_path: Path, name: str, content: bytes, codes: set[str]
) -> None:
    assert errors_of(bag(tmp_path, changed={name: content})) == codes


def test_other_line_ends_of_unicode_are_part_of_a_name(tmp_path: Path) -> None:
    folder = bag(tmp_path, payload={"data/a\u2028b\x0bc\x85d": b"x"})
    assert errors_of(folder) == set()


def fetch(*entries: str) -> dict[str, bytes | None]:
    return {"fetch.txt": "".join(f"{entry}\n" for entry in entries).encode()}


def test_a_fetch_file_whose_files_are_all_here_changes_nothing(tmp_path: Path) -> None:
    folder = bag(tmp_path, changed=fetch("http://127.0.0.1:9/x - data/scan/1.txt"))
    assert errors_of(folder) == set()
    assert warnings_of(folder) == set()


@pytest.mark.parametrize(
    ("entry", "codes"),
    [
        ("file:///etc/passwd 10 data/missing", {"fetch-not-allowed", "fetch-unlisted"}),
        ("http://a/b - ../outside", {"path-traversal"}),
        ("http://a/b - /etc/outside", {"path-traversal"}),
        ("http://a/b - bag-info.txt", {"fetch-outside-payload"}),
        ("http://a/b data/scan/1.txt", {"fetch-line"}),
        ("/no/scheme - data/scan/1.txt", {"fetch-line"}),
        ("http://a/b many data/scan/1.txt", {"fetch-line"}),
    ],
)
def test_a_fetch_file_can_only_name_payload_that_the_manifests_list(
    tmp_path: Path, entry: str, codes: set[str]
) -> None:
    assert errors_of(bag(tmp_path, changed=fetch(entry))) == codes


def test_a_listed_file_that_is_only_to_be_fetched_is_refused_with_advice(tmp_path: Path) -> None:
    folder = bag(tmp_path, changed=fetch("http://169.254.169.254/x - data/scan/1.txt"))
    (folder / "data/scan/1.txt").unlink()
    assert errors_of(folder) == {"fetch-not-allowed"}


def test_a_fetched_length_that_is_wrong_is_told(tmp_path: Path) -> None:
    folder = bag(tmp_path, changed=fetch("http://a/b 1 data/scan/1.txt"))
    assert errors_of(folder) == set()
    assert "fetch-length" in warnings_of(folder)


def test_tag_manifests_prove_every_tag_file(tmp_path: Path) -> None:
    folder = bag(tmp_path)
    (folder / "bag-info.txt").write_bytes(b"External-Identifier: case-0002\n")
    report = judged(folder)
    assert {check.code for check in report.checks if check.outcome == "failed"} == {"YJ-1-14"}


@pytest.mark.parametrize(
    ("listed", "error", "warning"),
    [
        ({"bagit.txt"}, "tag-manifest-incomplete", "tag-file-unlisted"),
        ({"bagit.txt", "bag-info.txt"}, "tag-manifest-incomplete", None),
        ({"bagit.txt", "manifest-sha256.txt"}, None, "tag-file-unlisted"),
        ({"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "none.txt"},
         "tag-file-missing", None),
        ({"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "data/scan/1.txt"},
         "tag-manifest-payload", None),
        ({"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "../x"}, "path-traversal", None),
    ],
)  # fmt: skip
def test_a_tag_manifest_lists_manifests_and_tag_files_only(
    tmp_path: Path, listed: set[str], error: str | None, warning: str | None
) -> None:
    files = bag_files()
    tags = {path: files.get(path, b"") for path in listed}
    files["tagmanifest-sha256.txt"] = manifest("sha256", tags)
    folder = write_files(tmp_path / "bag", files)
    assert errors_of(folder) == ({error} if error else set())
    assert warnings_of(folder) == ({warning} if warning else set())


def test_a_tag_manifest_that_lists_a_tag_manifest_is_rejected_in_1_0(tmp_path: Path) -> None:
    for version, expected in (("1.0", {"tag-manifest-listed"}), ("0.97", set())):
        files = bag_files(version=version, algorithms=("sha256", "md5"))
        del files["tagmanifest-md5.txt"]
        md5 = files["tagmanifest-sha256.txt"]
        tags = {path: files[path] for path in files if not path.startswith("data/")}
        files["tagmanifest-md5.txt"] = manifest("md5", tags)
        assert files["tagmanifest-sha256.txt"] == md5
        assert errors_of(write_files(tmp_path / version, files)) == expected


def test_a_bag_without_tag_manifests_is_acceptable_and_told_so(tmp_path: Path) -> None:
    folder = bag(tmp_path, tag_manifests=False)
    assert errors_of(folder) == set()
    assert warnings_of(folder) == {"tag-manifest-none"}


def test_other_tag_files_and_folders_are_allowed(tmp_path: Path) -> None:
    changed = {"metadata/mets.xml": b"<mets/>", "notes.txt": b"\xff not text"}
    folder = bag(tmp_path, changed=changed)
    assert errors_of(folder) == set()
    assert warnings_of(folder) == set()
