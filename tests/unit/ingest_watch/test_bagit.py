"""BagIt's rules one by one, each broken in a bag that is otherwise right (RFC 8493; A41-A46)."""

import hashlib
from pathlib import Path

import pytest

from ingest_watch.findings import Severity
from tests.bags import PAYLOAD, bag_files, errors_of, judged, manifest, warnings_of, write_files

OLD = ["0.93", "0.94", "0.95", "0.96", "0.97"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def bag(tmp_path: Path, **arguments: object) -> Path:
    return write_files(tmp_path / "bag", bag_files(**arguments))  # type: ignore[arg-type]


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
