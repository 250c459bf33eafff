"""BagIt's rules one by one, each broken in a bag that is otherwise right (RFC 8493; A41-A46)."""

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


@pytest.mark.parametrize("version", [*OLD, "1.0"])
def test_a_bag_of_every_version_is_acceptable_without_a_warning(
    tmp_path: Path, version: str
) -> None:
    folder = bag(tmp_path, version=version)
    assert errors_of(folder) == set()
    assert warnings_of(folder) == set()


@pytest.mark.parametrize(
    "algorithm",
    ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "sm3"],
)
def test_every_algorithm_is_verified_and_not_only_named(tmp_path: Path, algorithm: str) -> None:
    name = f"manifest-{algorithm.replace('_', '')}.txt"
    files = bag_files(algorithms=(), changed={name: manifest(algorithm, PAYLOAD)})
    folder = write_files(tmp_path / "bag", files)
    assert errors_of(folder) == set()
    (folder / "data/scan/1.txt").write_bytes(b"page 0ne\n")
    assert errors_of(folder) == {"digest-mismatch"}


def test_weak_algorithms_alone_are_accepted_and_warned_about(tmp_path: Path) -> None:
    assert "algorithm-weak" in warnings_of(bag(tmp_path, algorithms=("md5",)))
    assert "algorithm-weak" not in warnings_of(bag(tmp_path, algorithms=("md5", "sha256")))


@pytest.mark.parametrize(
    ("declaration", "code"),
    [
        (b"BagIt-Version: 1.0\n", "bagit-declaration-invalid"),
        (b"Tag-File-Character-Encoding: UTF-8\n", "bagit-declaration-invalid"),
        (b"", "bagit-declaration-invalid"),
        (b"BagIt-Version: 1.1\nTag-File-Character-Encoding: UTF-8\n", "bagit-version-unsupported"),
        (b"BagIt-Version: 0.92\nTag-File-Character-Encoding: UTF-8\n", "bagit-version-unsupported"),
        (b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n", "bagit-version-unsupported"),
        (b"BagIt-Version: one\nTag-File-Character-Encoding: UTF-8\n", "bagit-declaration-invalid"),
        (b"BagIt-Version : 1.0\nTag-File-Character-Encoding: UTF-8\n", "bagit-declaration-invalid"),
        (b"BagIt-Version:1.0\nTag-File-Character-Encoding: UTF-8\n", "bagit-declaration-invalid"),
        (b"BagIt-Version:  1.0\nTag-File-Character-Encoding: UTF-8\n", "bagit-declaration-invalid"),
        (b"Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 1.0\n", "bagit-declaration-invalid"),
        (b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\nMore: 1\n",
         "bagit-declaration-invalid"),
        (b"\xef\xbb\xbfBagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
         "byte-order-mark"),
        (b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-7\n", "tag-encoding-unsupported"),
        (b"BagIt-Version: 1.0\nTag-File-Character-Encoding: rot13\n", "tag-encoding-unsupported"),
        (b"BagIt-Version: 1.0\nTag-File-Character-Encoding: \xff\n", "bagit-declaration-invalid"),
        (b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" + b"\n" * 5000,
         "bagit-declaration-invalid"),
    ],
)  # fmt: skip
def test_a_declaration_that_1_0_forbids_is_rejected(
    tmp_path: Path, declaration: bytes, code: str
) -> None:
    assert code in errors_of(bag(tmp_path, changed={"bagit.txt": declaration}))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", ""])
def test_every_line_end_is_a_line_end(tmp_path: Path, end: str) -> None:
    declaration = f"BagIt-Version: 1.0{end or chr(10)}Tag-File-Character-Encoding: UTF-8{end}"
    content = (end or "\n").join(f"{digest} {path}" for digest, path in good_lines()) + end
    folder = bag(
        tmp_path,
        changed={"bagit.txt": declaration.encode(), "manifest-sha256.txt": content.encode()},
    )
    assert errors_of(folder) == set()


def test_a_loose_declaration_is_a_warning_before_1_0(tmp_path: Path) -> None:
    loose = b"BagIt-Version :  0.97\nTag-File-Character-Encoding:UTF-8\n\n"
    folder = bag(tmp_path, version="0.97", changed={"bagit.txt": loose})
    assert errors_of(folder) == set()
    assert "bagit-declaration-loose" in warnings_of(folder)


def test_without_data_or_manifest_or_declaration_there_is_no_bag(tmp_path: Path) -> None:
    assert errors_of(bag(tmp_path / "a", changed={"manifest-sha256.txt": None})) >= {
        "manifest-missing",
        "payload-unlisted",
    }
    assert "payload-folder-missing" in errors_of(bag(tmp_path / "b", payload={}))
    assert errors_of(bag(tmp_path / "c", changed={"bagit.txt": None})) == {"format-unknown"}


def test_an_empty_payload_folder_makes_a_complete_bag(tmp_path: Path) -> None:
    folder = bag(tmp_path, payload={})
    (folder / "data").mkdir()
    assert errors_of(folder) == set()


def test_a_payload_file_in_no_manifest_is_surplus(tmp_path: Path) -> None:
    folder = bag(tmp_path)
    (folder / "data/extra").write_bytes(b"")
    report = judged(folder)
    failed = {check.code for check in report.checks if check.outcome == "failed"}
    assert failed == {"YJ-4-3"}


def test_a_listed_file_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = bag(tmp_path)
    (folder / "data/scan/1.txt").unlink()
    (finding,) = judged(folder).findings(Severity.ERROR)
    assert (finding.code, finding.path) == ("payload-missing", "data/scan/1.txt")


def test_manifests_must_list_the_same_files_in_1_0_and_may_share_them_before(
    tmp_path: Path,
) -> None:
    partial = manifest("md5", {"data/scan/1.txt": PAYLOAD["data/scan/1.txt"]})
    new = bag(tmp_path / "new", changed={"manifest-md5.txt": partial})
    old = bag(tmp_path / "old", version="0.97", changed={"manifest-md5.txt": partial})
    assert errors_of(new) == {"manifests-differ"}
    assert errors_of(old) == set()
    assert "manifests-differ" in warnings_of(old)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.txt", "path-traversal"),
        ("data/../../outside.txt", "path-traversal"),
        ("data/..\\..\\outside.txt", "path-traversal"),
        ("/etc/passwd", "path-traversal"),
        ("~/outside.txt", "path-traversal"),
        ("~root/outside.txt", "path-traversal"),
        ("C:\\outside.txt", "path-traversal"),
        ("\\\\?\\UNC\\server\\outside.txt", "path-traversal"),
        ("bagit.txt", "path-outside-payload"),
        ("DATA/scan/1.txt", "path-outside-payload"),
        ("data", "path-outside-payload"),
        ("data/scan", "manifest-lists-folder"),
        ("data/scan/", "manifest-lists-folder"),
        ("data/SCAN/1.TXT", "payload-missing-similar"),
        ("data/none", "payload-missing"),
        ("data\\scan\\1.txt", "path-outside-payload"),
    ],
)
@pytest.mark.parametrize("version", ["0.97", "1.0"])
def test_a_manifest_may_only_list_payload_files_that_are_there(
    tmp_path: Path, path: str, code: str, version: str
) -> None:
    content = lines(*good_lines(), ("0" * 64, path))
    folder = bag(tmp_path, version=version, changed={"manifest-sha256.txt": content})
    assert errors_of(folder) == {code}


@pytest.mark.parametrize(
    "line",
    ["0123 data/scan/1.txt", f"{'g' * 64} data/scan/1.txt", "0" * 64, f"{'0' * 64}data/scan/1.txt",
     f"{'0' * 64} ", f"{'0' * 66} data/scan/1.txt"],
)  # fmt: skip
def test_a_line_that_is_no_digest_and_path_is_rejected(tmp_path: Path, line: str) -> None:
    content = lines(*good_lines()) + line.encode() + b"\n"
    assert errors_of(bag(tmp_path, changed={"manifest-sha256.txt": content})) == {"manifest-line"}


def test_digests_may_be_written_in_capitals_and_separated_by_any_white_space(
    tmp_path: Path,
) -> None:
    content = "".join(f"{digest.upper()} \t {path}\n" for digest, path in good_lines())
    folder = bag(tmp_path, changed={"manifest-sha256.txt": content.encode()})
    assert errors_of(folder) == set()
    assert warnings_of(folder) == set()


def test_the_same_line_twice_is_an_error_in_1_0_and_a_warning_before(tmp_path: Path) -> None:
    content = lines(*good_lines(), good_lines()[0])
    new = bag(tmp_path / "new", changed={"manifest-sha256.txt": content})
    old = bag(tmp_path / "old", version="0.97", changed={"manifest-sha256.txt": content})
    assert errors_of(new) == {"listed-twice"}
    assert errors_of(old) == set()
    assert "listed-twice" in warnings_of(old)


@pytest.mark.parametrize("version", ["0.97", "1.0"])
def test_one_file_with_two_digests_is_always_rejected(tmp_path: Path, version: str) -> None:
    content = lines(*good_lines(), ("0" * 64, "data/scan/1.txt"))
    folder = bag(tmp_path, version=version, changed={"manifest-sha256.txt": content})
    assert "listed-twice-differently" in errors_of(folder)


@pytest.mark.parametrize(
    ("version", "name", "written", "warning"),
    [
        ("1.0", "100%.txt", "100%25.txt", None),
        ("1.0", "a\nb", "a%0Ab", "name-control"),
        ("1.0", "a\rb", "a%0db", "name-control"),
        ("1.0", "a%0Ab", "a%250Ab", None),
        ("1.0", "100%.txt", "100%.txt", "path-not-encoded"),
        ("1.0", "a%20b", "a%20b", "path-not-encoded"),
        ("1.0", "a%25b", "a%25b", "path-not-encoded"),
        ("0.97", "100%.txt", "100%.txt", None),
        ("0.97", "a%25b", "a%25b", None),
        ("0.97", "a%0Ab", "a%0Ab", None),
        ("0.97", "a\nb", "a%0Ab", "name-control"),
        ("0.96", "%7Etest", "%7Etest", None),
        ("1.0", "a b", "a b", None),
        ("1.0", "a b ", "a b ", "name-forbidden"),
    ],
)
def test_percent_signs_and_line_breaks_in_names_are_read_as_each_version_asks(
    tmp_path: Path, version: str, name: str, written: str, warning: str | None
) -> None:
    payload = {f"data/{name}": b"content"}
    content = lines((sha256(b"content"), f"data/{written}"))
    folder = bag(
        tmp_path, payload=payload, version=version, changed={"manifest-sha256.txt": content}
    )
    assert errors_of(folder) == set()
    assert warnings_of(folder) == ({warning} if warning else set())


@pytest.mark.parametrize(
    ("version", "name", "written"),
    [("1.0", "a b", "a%20b"), ("0.97", "100%", "100%25"), ("0.97", "a b", "a%20b")],
)
def test_nothing_else_is_ever_decoded(
    tmp_path: Path, version: str, name: str, written: str
) -> None:
    content = lines((sha256(b"x"), f"data/{written}"))
    folder = bag(
        tmp_path,
        payload={f"data/{name}": b"x"},
        version=version,
        changed={"manifest-sha256.txt": content},
    )
    assert errors_of(folder) == {"payload-missing", "payload-unlisted"}


def test_when_both_readings_exist_each_line_means_its_own_file(tmp_path: Path) -> None:
    payload = {"data/a%25b": b"1", "data/a%b": b"2"}
    content = lines((sha256(b"1"), "data/a%2525b"), (sha256(b"2"), "data/a%25b"))
    folder = bag(tmp_path, payload=payload, changed={"manifest-sha256.txt": content})
    assert errors_of(folder) == set()


def test_lines_of_md5sum_are_accepted_and_warned_about(tmp_path: Path) -> None:
    payload = {"data/a": b"a", "data/b\\c": b"b"}
    content = f"{sha256(b'a')} *data/a\n\\{sha256(b'b')}  data/b\\\\c\n".encode()
    folder = bag(tmp_path, payload=payload, changed={"manifest-sha256.txt": content})
    assert errors_of(folder) == set()
    assert "manifest-md5sum" in warnings_of(folder)


def test_a_name_in_another_unicode_form_is_found_and_told(tmp_path: Path) -> None:
    payload = {"data/é.txt": b"x"}
    content = lines((sha256(b"x"), "data/e\u0301.txt"))
    folder = bag(tmp_path, payload=payload, changed={"manifest-sha256.txt": content})
    assert errors_of(folder) == set()
    assert "path-normalised" in warnings_of(folder)


def test_two_files_that_differ_only_in_unicode_form_are_refused(tmp_path: Path) -> None:
    folder = bag(tmp_path, payload={"data/é": b"1", "data/e\u0301": b"2"})
    assert errors_of(folder) == {"name-twins"}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("A.txt", "a.txt"), "name-case-twins"),
        (("Scan/1", "scan/2"), "name-case-twins"),
        (("CON",), "name-reserved"),
        (("aux.txt",), "name-reserved"),
        (("dot.",), "name-forbidden"),
        (("what?",), "name-forbidden"),
        (("a\x1b[31m",), "name-control"),
        (("invoice\u202egpj.exe",), "name-reordering"),
        (("p\u0430ypal",), "name-mixed-scripts"),
        (("Thumbs.db",), "system-file"),
        (("._a",), "system-file"),
    ],
)
def test_names_that_other_systems_stumble_over_are_kept_and_told(
    tmp_path: Path, names: tuple[str, ...], code: str
) -> None:
    folder = bag(tmp_path, payload={f"data/{name}": b"x" for name in names})
    assert errors_of(folder) == set()
    assert warnings_of(folder) == {code}


@pytest.mark.parametrize("name", ["manifest-SHA256.txt", "manifest-sha-256.txt"])
def test_an_algorithms_name_must_be_normalised_in_1_0(tmp_path: Path, name: str) -> None:
    changed = {"manifest-sha256.txt": None, name: manifest("sha256", PAYLOAD)}
    new = bag(tmp_path / "new", changed=changed)
    old = bag(tmp_path / "old", version="0.97", changed=changed)
    assert errors_of(new) == {"manifest-name"}
    assert errors_of(old) == set()
    assert "manifest-name" in warnings_of(old)
    (old / "data/scan/1.txt").write_bytes(b"page 0ne\n")
    assert errors_of(old) == {"digest-mismatch"}


def test_an_unknown_algorithm_counts_only_beside_a_strong_one_that_proves_every_file(
    tmp_path: Path,
) -> None:
    unknown = {"manifest-crc32.txt": lines(*(("00", path) for path in PAYLOAD))}
    beside_strong = bag(tmp_path / "a", changed=unknown)
    alone = bag(tmp_path / "b", algorithms=(), changed=unknown)
    beside_weak = bag(tmp_path / "c", algorithms=("md5",), changed=unknown)
    assert errors_of(beside_strong) == set()
    assert "algorithm-unknown" in warnings_of(beside_strong)
    assert errors_of(alone) == {"algorithm-unknown"}
    assert errors_of(beside_weak) == {"algorithm-unknown"}


def test_an_unknown_algorithm_must_still_list_files_that_are_there(tmp_path: Path) -> None:
    bogus = lines(("00", "data/none"), *(("00", path) for path in PAYLOAD))
    folder = bag(tmp_path, changed={"manifest-crc32.txt": bogus})
    assert errors_of(folder) == {"payload-missing"}
