"""The table of docs/formats/case.md: cases that are right, and one flaw at a time; hostile zips."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ingest_watch.checks.report import CheckReport
from ingest_watch.findings import Severity
from ingest_watch.formats.case import Case
from ingest_watch.formats.package_format import NotApplicable, Opening
from ingest_watch.listing import Listing
from ingest_watch.staging import stage_file
from tests.bags import ZipPart, write_files, zip_bytes
from tests.case_packages import (
    BASE_INFO,
    CODE,
    ELEMENTS,
    FILES,
    PERSONAL,
    PROCESS,
    base_info,
    case_files,
    case_parts,
    case_zip,
    fileset,
    listed,
    process,
    with_entry,
)
from tests.judging import all_findings, checks_finding, codes_as, codes_of, report_as

Kind = TypeVar("Kind")
_FORM = "申报文件/申请表.txt"
_TWO_DOCUMENTS = str(len(FILES) + 2)


def info(files: str | None = None, **changed: str | None) -> bytes:
    """The zip of a case with another 基本信息元数据.xml."""
    return case_zip(case_files({BASE_INFO: base_info(files, **changed)}))


def changed(path: str, content: bytes | None) -> bytes:
    return case_zip(case_files({path: content}))


def with_part(part: ZipPart) -> bytes:
    return zip_bytes([*case_parts(), part])


def under(folder: str) -> bytes:
    return case_zip({f"{folder}/{path}": content for path, content in case_files().items()})


def gbk(path: str) -> bytes:
    return path.encode("gbk")


# What it is, the zip, and the warnings that it must give: none besides.
GOOD: dict[str, tuple[bytes, set[str]]] = {
    "names in GBK": (case_zip(), set()),
    "names in UTF-8": (case_zip(codec="utf-8"), set()),
    "names in UTF-8, undeclared": (
        zip_bytes(ZipPart(p.encode(), c, flags=0) for p, c in case_files().items()), set()),
    "one folder around everything": (under(CODE), {"case-top-folder"}),
    "documents in GB18030": (
        case_zip(case_files({BASE_INFO: base_info().decode().replace("UTF-8", "GB18030", 1)
                             .encode("gb18030")})), set()),
    "document names in capitals": (
        case_zip(case_files({BASE_INFO: None, "基本信息元数据.XML": base_info()})),
        {"case-name-variant"}),
    "an element spelled right": (
        info(information_system_dcscription=None, information_system_description="a"), set()),
    "elements missing": (info(remarks=None, result_code=None), {"case-elements-missing"}),
    "elements of the province": (info(province_code="35"), {"case-elements-unknown"}),
    "the documents counted too": (
        info(total_number=_TWO_DOCUMENTS), {"case-count-with-documents"}),
    "a size with its unit": (
        info(with_entry(0, computer_file_size="1 KB")), {"case-size-unclear"}),
    "the other name": (
        info(with_entry(0, file_actual_name="申请表（正本）")), {"case-file-other-name"}),
    "a name in another Unicode form": (
        case_zip(case_files({"结果文件/e\u0301.txt": b"1", BASE_INFO: base_info(
            fileset(listed({**FILES, "结果文件/\u00e9.txt": b"1"})), total_number="5")}),
                 codec="utf-8"), {"case-file-similar"}),
    "a file in a folder below": (
        case_zip(case_files({"申报文件/附件/1.txt": b"1", BASE_INFO: base_info(
            fileset(listed({**FILES, "申报文件/附件/1.txt": b"1"})), total_number="5")})), set()),
    "what a system left behind": (
        changed("申报文件/Thumbs.db", b"x"), {"case-surplus", "system-file"}),
}  # fmt: skip

# What is wrong, the zip, the code it must be rejected for, and the check that says so.
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "no base info": (changed(BASE_INFO, None), "case-base-info-missing", "1-13"),
    "no process metadata": (changed(PROCESS, None), "case-process-missing", "1-13"),
    "base info cut short": (changed(BASE_INFO, base_info()[:-20]), "xml-not-well-formed", "3-1"),
    "process metadata cut short": (changed(PROCESS, process()[:-9]), "xml-not-well-formed", "3-1"),
    "document type": (
        changed(BASE_INFO, b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + base_info().partition(b"?>")[2]),
        "xml-document-type", "3-1"),
    "encoding other than declared": (
        changed(BASE_INFO, base_info().decode().encode("gb18030")), "xml-encoding", "3-1"),
    "nesting without end": (
        changed(PROCESS, b"<a>" * 200 + b"1" + b"</a>" * 200), "xml-limit", "3-1"),
    "countless elements": (
        changed(BASE_INFO, b"<base_info>" + b"<a>1</a>" * 2000 + b"</base_info>"),
        "xml-limit", "3-1"),
    "foreign root": (
        changed(BASE_INFO, base_info().replace(b"base_info>", b"info>")), "case-root", "1-12"),
    "process metadata that says nothing": (
        changed(PROCESS, b"<a><b/></a>"), "case-process-empty", "1-12"),
    "an element twice": (
        changed(BASE_INFO, base_info().replace(b"<remarks>", b"<remarks>a</remarks><remarks>")),
        "case-element-twice", "1-12"),
    "no code": (info(electronic_record_code=None), "case-code-missing", "1-12"),
    "empty code": (info(electronic_record_code=""), "case-code-missing", "1-12"),
    "the code of another": (info(electronic_record_code="another"), "case-code-name", "1-14"),
    "no fileset": (
        case_zip({BASE_INFO: base_info("", total_number="0"), PROCESS: process()}),
        "case-fileset-missing", "1-12"),
    "empty fileset": (
        case_zip({BASE_INFO: base_info("<fileset/>", total_number="0"), PROCESS: process()}),
        "case-fileset-missing", "1-12"),
    "folder of another title": (
        case_zip({**case_files({_FORM: None, BASE_INFO: base_info(with_entry(0, "附件"))}),
                  "附件/申请表.txt": FILES[_FORM]}), "case-folder-title", "1-12"),
    "file code of another folder": (info(with_entry(0, file_code="B1")), "case-file-code", "1-12"),
    "no file code": (info(with_entry(3, file_code=None)), "case-file-code", "1-12"),
    "no name": (
        case_zip(case_files({_FORM: None, BASE_INFO: base_info(
            with_entry(0, file_actual_name=None, computer_file_name=""))})),
        "case-file-unnamed", "2-11"),
    "a name that climbs": (
        case_zip(case_files({_FORM: None, BASE_INFO: base_info(
            with_entry(0, file_actual_name="../../etc/passwd"))})), "case-file-outside", "2-11"),
    "an absolute name": (
        case_zip(case_files({_FORM: None, BASE_INFO: base_info(
            with_entry(0, file_actual_name="/etc/passwd"))})), "case-file-outside", "2-11"),
    "a name on a drive": (
        case_zip(case_files({_FORM: None, BASE_INFO: base_info(
            with_entry(0, file_actual_name="D:\\申请表.txt"))})), "case-file-outside", "2-11"),
    "a file missing": (changed(_FORM, None), "case-file-missing", "2-11"),
    "a result missing": (changed("结果文件/批复.txt", None), "case-file-missing", "2-11"),
    "a file in another folder": (
        case_zip({**case_files({_FORM: None}), "过程文件/申请表.txt": FILES[_FORM]}),
        "case-file-missing case-surplus", "2-11"),
    "a name in other letters": (
        case_zip(case_files({_FORM: None, "申报文件/申请表.TXT": FILES[_FORM]})),
        "case-file-missing case-surplus", "2-11"),
    "a file listed twice": (
        info(fileset([*listed(), listed()[0]]), total_number="5"), "case-file-twice", "2-11"),
    "a file cut short": (changed(_FORM, FILES[_FORM][:-3]), "case-file-size", "2-11"),
    "a file that grew": (changed(_FORM, FILES[_FORM] + b"1"), "case-file-size", "2-11"),
    "an unlisted file": (changed("申报文件/其他.txt", b"1"), "case-surplus", "4-3"),
    "a file at the top": (changed("readme.txt", b"1"), "case-surplus", "4-3"),
    "no total": (info(total_number=None), "case-total-unclear", "2-1"),
    "a total that is none": (info(total_number="四"), "case-total-unclear", "2-1"),
    "too small a total": (info(total_number="3"), "case-count", "2-1"),
    "names that differ in form only": (
        case_zip({**case_files(), "结果文件/é": b"", "结果文件/e\u0301": b""}, codec="utf-8"),
        "name-twins case-surplus", "1-13"),
    # Hostile zips: refused before anything is written.
    "a name that leads out": (with_part(ZipPart(b"../x")), "path-traversal", "1-13"),
    "a name in GBK that leads out": (
        with_part(ZipPart(gbk("申报文件/../../../x"), flags=0)), "path-traversal", "1-13"),
    "a name that is absolute": (with_part(ZipPart(b"/etc/x")), "path-absolute", "1-13"),
    "a name with a drive": (with_part(ZipPart(b"C:x")), "path-absolute", "1-13"),
    "a name with backslashes": (
        with_part(ZipPart(gbk("申报文件\\x.txt"), flags=0, made_on=0)), "path-unclear", "1-13"),
    "a link": (
        with_part(ZipPart(gbk("申报文件/x"), b"/etc/passwd", flags=0, mode=0o120777)),
        "link", "1-13"),
    "an encrypted entry": (
        with_part(ZipPart(gbk("申报文件/x"), b"1", flags=1)), "encrypted", "1-13"),
    "a bomb": (
        with_part(ZipPart(gbk("申报文件/x"), bytes(16 * 1024 * 1024), flags=0)), "ratio", "1-13"),
    "twins in GBK": (
        with_part(ZipPart(gbk(_FORM), b"other", flags=0)), "duplicate", "1-13"),
    "twins in GBK and UTF-8": (
        with_part(ZipPart(_FORM.encode(), b"other")), "name-collision", "1-13"),
    "a wrong CRC": (
        with_part(ZipPart(gbk("申报文件/x"), b"1", flags=0, crc=1)), "archive-damaged", "1-13"),
    "a size that lies": (
        with_part(ZipPart(gbk("申报文件/x"), b"1", flags=0, size=9)), "zip-inconsistent", "1-13"),
}  # fmt: skip


def written(tmp_path: Path, content: bytes, name: str = f"{CODE}.zip") -> Path:
    archive = tmp_path / name
    archive.write_bytes(content)
    return archive


def told_of_persons(report: CheckReport) -> list[str]:
    """What stands in base_info about persons and is told in a finding all the same."""
    told = [text for each in all_findings(report) for text in (each.path, each.message)]
    return [value for value in PERSONAL if value in str(told)]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_case_is_acceptable_and_its_deviations_are_told(tmp_path: Path, name: str) -> None:
    content, warnings = GOOD[name]
    archive = written(tmp_path, content)
    report = report_as(archive, "case")
    assert codes_of(report) == set()
    assert codes_of(report, Severity.WARNING) == warnings
    assert told_of_persons(report) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_case_is_rejected_for_its_own_reason(tmp_path: Path, name: str) -> None:
    content, codes, check = BROKEN[name]
    archive = written(tmp_path, content)
    report = report_as(archive, "case")
    assert codes_of(report) == set(codes.split())
    assert check in checks_finding(report, codes.split()[0])
    assert told_of_persons(report) == []


def test_a_case_that_came_as_a_folder_is_judged_where_it_lies(tmp_path: Path) -> None:
    assert codes_as(write_files(tmp_path / CODE, case_files()), "case") == set()
    assert codes_as(write_files(tmp_path / "other", case_files()), "case") == {"case-code-name"}


@pytest.mark.parametrize(("code", "name"), [("a/b:c", "abc"), ("a/b:c", "a_b_c")])
def test_a_name_that_only_avoids_what_names_cannot_have_is_the_code(
    tmp_path: Path, code: str, name: str
) -> None:
    archive = written(tmp_path, info(electronic_record_code=code), f"{name}.zip")
    assert codes_as(archive, "case") == set()
    assert codes_as(archive, "case", Severity.WARNING) == {"case-code-escaped"}


def test_a_zip_without_a_metadata_document_is_no_case(tmp_path: Path) -> None:
    assert codes_as(written(tmp_path, case_zip({_FORM: b"1"})), "case") == {"format-unknown"}


def test_the_zip_is_kept_whole_and_opened_beside_it_under_names_that_can_be_read(
    tmp_path: Path,
) -> None:
    archive = written(tmp_path, case_zip())
    staged = stage_file(archive, tmp_path / "staged", tmp_path / "listing", formats=("case",))
    assert [path.name for path in staged.folder.iterdir()] == [archive.name]
    assert (staged.folder / archive.name).read_bytes() == case_zip()
    with Listing.open(staged.listing) as listing:
        opened = Case().open(Opening(staged.folder, listing, tmp_path, archive.name))
        assert opened.external_identifiers == (CODE,)
        assert opened.decoded is not None
        assert {
            str(path.relative_to(opened.decoded.folder)): path.read_bytes()
            for path in opened.decoded.folder.rglob("*")
            if path.is_file()
        } == case_files()
        (record,) = sequence(opened.records())
        assert {each.name: each.value for each in record.fields} == {
            **ELEMENTS,
            "total_number": "4",
        }
        stated = sequence(opened.stated_files())
        assert [each.path for each in stated] == list(FILES)
        assert [each.size for each in stated] == [str(len(each)) for each in FILES.values()]
        opened.close()
        with Listing.open(opened.decoded.listing) as decoded:
            raw = {file.path: file.raw_path for file in decoded.files()}
        assert raw == {path: gbk(path) for path in case_files()}


def test_names_of_no_encoding_are_kept_escaped_and_are_surplus(tmp_path: Path) -> None:
    archive = written(tmp_path, with_part(ZipPart(gbk("申报文件/") + b"\xff\xff", flags=0)))
    assert codes_as(archive, "case") == {"case-surplus"}
    assert "name-not-utf8" in codes_as(archive, "case", Severity.WARNING)


def test_names_of_no_encoding_are_read_by_the_sources_rule_if_it_has_one(tmp_path: Path) -> None:
    raw = b"\xff\x81.txt"
    archive = written(tmp_path, with_part(ZipPart(raw, flags=0)))
    staged = stage_file(
        archive,
        tmp_path / "staged",
        tmp_path / "listing",
        formats=("case",),
        names_encoding="cp437",
    )
    with Listing.open(staged.listing) as listing:
        opening = Opening(
            staged.folder, listing, tmp_path, staged.name, names_encoding=staged.names_encoding
        )
        opened = Case().open(opening)
        assert opened.decoded is not None
        assert (opened.decoded.folder / raw.decode("cp437")).exists()
        opened.close()


def sequence(answer: Iterator[Kind] | NotApplicable) -> list[Kind]:
    assert not isinstance(answer, NotApplicable)
    return list(answer)
