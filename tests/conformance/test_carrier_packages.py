"""The table of docs/formats/carrier.md: carriers that are right, and one flaw at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ingest_watch.findings import Severity
from ingest_watch.formats.carrier import OpenedCarriers
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.listing import Listing
from ingest_watch.staging import inspect_folder
from tests.bags import ZipPart, write_files, zip_bytes
from tests.carrier_packages import (
    DESCRIPTION,
    FIRST,
    PAGE,
    RECORDS,
    SECOND,
    carrier_files,
    catalogue,
    description,
    record,
    small_pdf,
    tally,
)
from tests.judging import checks_finding, codes_as, codes_of, report_as

Files = dict[str, bytes]
Kind = TypeVar("Kind")
_BOM = b"\xef\xbb\xbf"
_WITHOUT_CATALOGUE = {"文件目录.XML": None}
_VOLUMES = catalogue(
    [record(1, "电子档案/2021/BGS")], root="案卷目录", entry="案卷", encoding="UTF-8"
)


def changed(path: str, content: bytes | None) -> Files:
    return carrier_files({path: content})


def listing(*records: dict[str, str]) -> Files:
    return carrier_files({"文件目录.XML": catalogue(records)})


def named(first: str, **columns: str | None) -> Files:
    """A carrier whose first record names its content as `first`."""
    return listing(record(1, first, **columns), RECORDS[1])


def batch(others: Files | None = None, second: Files | None = None) -> Files:
    two = carrier_files(
        {"说明文件.TXT": description({"载体编号": "J001-2021-0002"})}, below="光盘2/"
    )
    return {**carrier_files(below="光盘1/"), **(second or two), **(others or {})}


# What it is, the files, and the warnings that it must give: none besides.
GOOD: dict[str, tuple[Files, set[str]]] = {
    "as the annex has it, in GB18030": (carrier_files(), set()),
    "in GB2312": (
        carrier_files({"文件目录.XML": catalogue([record(1, FIRST), record(2, SECOND)],
                                                encoding="GB2312", codec="GB18030")}), set()),
    "in UTF-8": (changed("文件目录.XML", catalogue(encoding="UTF-8")), set()),
    "with a byte-order mark": (
        changed("文件目录.XML", _BOM + catalogue(encoding="UTF-8")), {"carrier-byte-order-mark"}),
    "in GBK": (changed("文件目录.XML", catalogue(encoding="GBK")), {"carrier-encoding-other"}),
    "description in UTF-8": (changed("说明文件.TXT", description(codec="utf-8")), set()),
    "description with a byte-order mark": (
        changed("说明文件.TXT", description(codec="utf-8-sig")), {"carrier-byte-order-mark"}),
    "names in lower case": (
        carrier_files({"说明文件.TXT": None, "说明文件.txt": description(),
                       "文件目录.XML": None, "文件目录.xml": catalogue()}),
        {"carrier-name-variant"}),
    "root 目录": (changed("文件目录.XML", catalogue(root="目录")), {"carrier-root-variant"}),
    "further columns": (
        listing(*({**each, "件号": "1", "保管期限": "D30"} for each in RECORDS)),
        {"carrier-column-extra"}),
    "no 备注": (
        listing(*(record(n, each["电子档案名称"], 备注=None) for n, each in enumerate(RECORDS, 1))),
        {"carrier-column-missing"}),
    "volumes instead of files": (
        carrier_files({**_WITHOUT_CATALOGUE, "案卷目录.XML": _VOLUMES}), set()),
    "files and volumes": (changed("案卷目录.XML", _VOLUMES), set()),
    "volumes that name nothing beside files": (
        changed("案卷目录.XML", catalogue([record(1, "")], root="案卷目录", entry="案卷")), set()),
    "path below 电子档案/": (named("2021/BGS/0001.pdf"), set()),
    "plain name": (named("0001.pdf"), set()),
    "plain name and 路径": (
        named("0001.pdf", 路径="2021/BGS"), {"carrier-column-extra"}),
    "backslashes": (named(FIRST.replace("/", "\\")), {"carrier-content-backslash"}),
    "other letters": (named("0001.PDF"), {"carrier-content-similar"}),
    "no extension": (named("电子档案/2021/BGS/0001"), {"carrier-content-no-extension"}),
    "two names in one": (
        listing(record(1, f"{FIRST}；{SECOND}")), {"carrier-names-several"}),
    "a folder of files": (listing(record(1, "2021/BGS")), set()),
    "one file of two records": (
        listing(*RECORDS, record(3, SECOND)), {"carrier-content-shared"}),
    "metadata beside records": (
        carrier_files({"电子档案/2021/BGS/0001.xml": b"<a/>", SECOND + ".XML": b"<a/>"}), set()),
    "metadata that are called so": (
        carrier_files({"电子档案/2021/BGS/0001_元数据.xml": b"<a/>",
                       "电子档案/2021/BGS/Metadata.xml": b"<a/>"}), set()),
    "no 其他/": (changed("其他/元数据方案.TXT", None), {"carrier-others-missing"}),
    "其它/ for 其他/": (
        carrier_files({"其他/元数据方案.TXT": None, "其它/元数据方案.TXT": b"a"}),
        {"carrier-name-variant"}),
    "environment left empty": (
        changed("说明文件.TXT", description({"读取本载体内档案所需要的软硬件环境": ""})),
        {"carrier-field-empty"}),
    "capacity and kind apart": (
        changed("说明文件.TXT", description({
            "载体参数（容量、类型）": None, "载体容量": "4.7GB", "载体类型": "DVD-R"})), set()),
    "software and hardware apart": (
        changed("说明文件.TXT", description({
            "读取本载体内档案所需要的软硬件环境": None,
            "软件环境": "OFD", "硬件环境": "PC"})), set()),
    "a tally that agrees": (changed("其他/登记表.xml", tally("2件", "0.000GB")), set()),
    "two carriers side by side": (batch(), set()),
    "two carriers and a tally of both": (batch({"光盘1/其他/登记表.xml": tally("4")}), set()),
    "a tally beside two carriers": (batch({"登记表.xml": tally("4"), "交接单.txt": b"1"}), set()),
    "what a system left behind": (
        changed("电子档案/2021/Thumbs.db", b"x"), {"carrier-surplus", "system-file"}),
}  # fmt: skip

# What is wrong, the files, the code it must be rejected for, and the check that says so.
BROKEN: dict[str, tuple[Files, str, str]] = {
    "no description": (changed("说明文件.TXT", None), "carrier-description-missing", "1-12"),
    "two descriptions": (
        changed("说明文件.txt", description()), "carrier-description-twice", "1-12"),
    "description in Big5": (
        changed("说明文件.TXT", b"\x81\x20\xff\xff"), "carrier-description-unreadable", "3-1"),
    "description with NUL": (
        changed("说明文件.TXT", b"\0" + description()), "carrier-description-unreadable", "3-1"),
    "description of over 1 MiB": (
        changed("说明文件.TXT", description() + b" " * 1024 * 1024),
        "carrier-description-unreadable", "3-1"),
    "no number": (
        changed("说明文件.TXT", description({"载体编号": None})), "carrier-number-missing", "1-12"),
    "empty number": (
        changed("说明文件.TXT", description({"载体编号": ""})), "carrier-number-missing", "1-12"),
    "two numbers": (
        changed("说明文件.TXT", description() + "载体编号：J2\r\n".encode("gb18030")),
        "carrier-field-twice", "1-12"),
    **{
        f"no {label}": (
            changed("说明文件.TXT", description({label: None})), "carrier-field-missing", "1-12")
        for label in list(DESCRIPTION)[2:6]
    },
    "empty description": (
        changed("说明文件.TXT", b""), "carrier-number-missing carrier-field-missing", "1-12"),
    "no catalogue": (changed("文件目录.XML", None), "carrier-catalogue-missing", "1-12"),
    "two catalogues": (changed("文件目录.xml", catalogue()), "carrier-catalogue-twice", "1-12"),
    "catalogue cut short": (
        changed("文件目录.XML", catalogue()[:-10]), "xml-not-well-formed", "3-1"),
    "empty catalogue file": (changed("文件目录.XML", b""), "xml-not-well-formed", "3-1"),
    "document type": (
        changed("文件目录.XML", b'<!DOCTYPE a [<!ENTITY b "c">]>' + catalogue(encoding="UTF-8")
                .partition(b"\n")[2]), "xml-document-type", "3-1"),
    "declared UTF-8, written GB18030": (
        changed("文件目录.XML", catalogue(encoding="UTF-8", codec="GB18030")),
        "xml-encoding", "3-1"),
    "declared GB18030, written UTF-8": (
        changed("文件目录.XML", catalogue(codec="UTF-8")), "carrier-encoding-wrong", "3-1"),
    "declared Big5": (
        changed("文件目录.XML", catalogue(encoding="Big5", codec="GB18030")),
        "xml-encoding", "3-1"),
    "endless column": (
        changed("文件目录.XML", catalogue([record(1, FIRST, 题名="长" * 70000)])),
        "xml-limit", "3-1"),
    "countless columns": (
        changed("文件目录.XML", catalogue([{f"a{n}": "" for n in range(2000)}])),
        "xml-limit", "3-1"),
    "foreign root": (
        changed("文件目录.XML", catalogue(root="catalogue")), "carrier-root", "1-12"),
    "root of the other kind": (
        changed("文件目录.XML", catalogue(root="案卷目录", entry="案卷")), "carrier-root", "1-12"),
    "records of the other kind": (
        changed("文件目录.XML", catalogue(entry="案卷")), "carrier-entry-name", "1-12"),
    "no records": (changed("文件目录.XML", catalogue([])), "carrier-catalogue-empty", "1-12"),
    **{
        f"no {column}": (
            listing(record(1, FIRST, **{column: None}), RECORDS[1]),
            "carrier-column-missing", "1-12")
        for column in ("顺序号", "档号", "责任者", "题名", "日期", "密级")
    },
    "column twice": (
        changed("文件目录.XML", catalogue().replace(
            "<密级>".encode("gb18030"), "<密级>公开</密级><密级>".encode("gb18030"), 1)),
        "carrier-column-twice", "1-12"),
    "column with elements": (
        changed("文件目录.XML", catalogue().replace(
            "<密级>公开".encode("gb18030"), "<密级><b>公开</b>".encode("gb18030"), 1)),
        "carrier-column-nested", "1-12"),
    "no name of content": (
        listing(record(1, "2021/BGS"), record(2, "")), "carrier-content-unnamed", "2-11"),
    "no column for content": (
        listing(record(1, "2021/BGS"), record(2, "", 电子档案名称=None)),
        "carrier-column-missing carrier-content-unnamed", "1-12"),
    "content missing": (
        listing(*RECORDS, record(3, "0003.pdf")), "carrier-content-missing", "2-11"),
    "one of several names missing": (
        listing(record(1, f"{FIRST};{SECOND};0003.pdf")), "carrier-content-missing", "2-11"),
    "content that is no record": (
        listing(*RECORDS, record(3, "其他/元数据方案.TXT")), "carrier-content-missing", "2-11"),
    "content in two places": (
        carrier_files({"电子档案/2020/0001.pdf": small_pdf(), "文件目录.XML": catalogue(
            [record(1, "0001.pdf"), record(2, "2020"), record(3, "2021")])}),
        "carrier-content-ambiguous", "2-11"),
    "content above the carrier": (
        listing(*RECORDS, record(3, "../0003.pdf")), "carrier-content-outside", "2-11"),
    "content at an absolute path": (
        listing(*RECORDS, record(3, "/etc/passwd")), "carrier-content-outside", "2-11"),
    "content on a drive": (
        listing(*RECORDS, record(3, "D:\\档案\\0003.pdf")), "carrier-content-outside", "2-11"),
    "unlisted record": (changed("电子档案/2021/0003.txt", PAGE), "carrier-surplus", "4-3"),
    "unlisted XML": (changed("电子档案/2021/BGS/0003.xml", b"<a/>"), "carrier-surplus", "4-3"),
    "metadata of nothing": (
        changed("电子档案/2021/BGS/0003_元数据.xml", b"<a/>"), "carrier-surplus", "4-3"),
    "metadata in a folder without records": (
        changed("电子档案/1999/元数据.xml", b"<a/>"), "carrier-surplus", "4-3"),
    "file beside the layout": (changed("autorun.inf", b"x"), "carrier-surplus", "4-3"),
    "folder beside the layout": (changed("软件/setup.bin", b"x"), "carrier-surplus", "4-3"),
    "no 电子档案/": (
        carrier_files({FIRST: None, SECOND: None}),
        "carrier-records-missing carrier-content-missing", "1-13"),
    "metadata that is no XML": (
        changed("电子档案/2021/BGS/0001.xml", b"<a>"), "xml-not-well-formed", "3-1"),
    "names that differ in form only": (
        carrier_files({"其他/caf\u00e9.txt": b"", "其他/cafe\u0301.txt": b""}),
        "name-twins", "1-13"),
    "more records than stated": (changed("其他/登记表.xml", tally("1")), "carrier-count", "2-1"),
    "fewer volumes than stated": (
        carrier_files({"案卷目录.XML": _VOLUMES, "其他/登记表.xml": tally("3卷2件")}),
        "carrier-count", "2-1"),
    "a count that is none": (
        changed("其他/登记表.xml", tally("若干")), "carrier-tally-unclear", "2-1"),
    "less data than stated": (
        changed("其他/登记表.xml", tally("2", "1.250")), "carrier-bytes", "2-2"),
    "an amount that is none": (
        changed("其他/登记表.xml", tally("2", "很多")), "carrier-tally-unclear", "2-2"),
    "a tally that is no XML": (changed("其他/登记表.xml", b"2"), "xml-not-well-formed", "3-1"),
    "a folder beside carriers": (batch({"资料/a.txt": b"a"}), "carrier-not-one", "1-13"),
    "two carriers of one number": (
        batch(second=carrier_files(below="光盘2/")), "carrier-number-twice", "1-12"),
    "a file beside carriers": (batch({"readme.txt": b"a"}), "carrier-surplus", "4-3"),
    "a tally of one beside two carriers": (
        batch({"登记表.xml": tally("2")}), "carrier-count", "2-1"),
    "a tally beside carriers that is no XML": (
        batch({"登记表.xml": b"2"}), "xml-not-well-formed", "3-1"),
    "a flaw in the second carrier": (
        batch({"光盘2/autorun.inf": b"x"}), "carrier-surplus", "4-3"),
    "content of another carrier": (
        {**batch(), "光盘2/文件目录.XML": catalogue([*RECORDS, record(3, "电子档案/3.txt")]),
         "光盘1/电子档案/3.txt": PAGE, "光盘1/文件目录.XML": catalogue(
             [*RECORDS, record(3, "3.txt")])}, "carrier-content-missing", "2-11"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_carrier_is_acceptable_and_its_deviations_are_told(
    tmp_path: Path, name: str
) -> None:
    files, warnings = GOOD[name]
    folder = write_files(tmp_path / "carrier", files)
    report = report_as(folder, "carrier")
    assert codes_of(report) == set()
    assert codes_of(report, Severity.WARNING) == warnings


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_carrier_is_rejected_for_its_own_reason(tmp_path: Path, name: str) -> None:
    files, codes, check = BROKEN[name]
    folder = write_files(tmp_path / "carrier", files)
    report = report_as(folder, "carrier")
    assert codes_of(report) == set(codes.split())
    assert check in checks_finding(report, codes.split()[0])


def opened(tmp_path: Path, files: Files) -> OpenedCarriers:
    folder = write_files(tmp_path / "carrier", files)
    staged = inspect_folder(folder, tmp_path / "listing")
    return OpenedCarriers(staged.folder, Listing.open(staged.listing))


def sequence(answer: Iterator[Kind] | NotApplicable) -> list[Kind]:
    assert not isinstance(answer, NotApplicable)
    return list(answer)


def test_every_entry_of_every_catalogue_is_a_record_with_its_columns_as_fields(
    tmp_path: Path,
) -> None:
    carriers = opened(tmp_path, {**batch(), "光盘2/案卷目录.XML": _VOLUMES})
    records = sequence(carriers.records())
    assert [each.place for each in records] == [
        "光盘1/文件目录.XML, 文件 1",
        "光盘1/文件目录.XML, 文件 2",
        "光盘2/文件目录.XML, 文件 1",
        "光盘2/文件目录.XML, 文件 2",
        "光盘2/案卷目录.XML, 案卷 1",
    ]
    assert {each.name: each.value for each in records[1].fields} == RECORDS[1]
    assert [each.path for each in records[3:]] == ["光盘2/文件目录.XML", "光盘2/案卷目录.XML"]
    assert carriers.external_identifiers == ("J001-2021-0001", "J001-2021-0002")


def test_what_records_name_is_stated_with_the_file_that_it_means(tmp_path: Path) -> None:
    carriers = opened(tmp_path, listing(record(1, "2021"), record(2, "0002.TXT"), record(3, "no")))
    assert [(each.stated_path, each.path) for each in sequence(carriers.stated_files())] == [
        ("2021", FIRST),
        ("2021", SECOND),
        ("0002.TXT", SECOND),
        ("no", None),
    ]


@pytest.mark.parametrize("top", ["", "移交/"])
def test_carriers_side_by_side_in_an_archive_are_a_batch(tmp_path: Path, top: str) -> None:
    archive = tmp_path / "batch.zip"
    parts = [ZipPart(f"{top}{path}".encode(), content) for path, content in batch().items()]
    archive.write_bytes(zip_bytes(parts))
    assert codes_as(archive, "carrier") == set()


def test_folders_none_of_which_is_a_carrier_are_no_batch(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "batch", {"a/b.txt": b"", "c/d.txt": b""})
    assert codes_as(folder, "carrier") == {"format-unknown"}
