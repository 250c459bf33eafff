"""What is kept of carriers and cases: the sender's bytes, and beside a zip what staff can open."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_watch.format_identification import FormatService, identifier_kind
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Acceptable, Job, Preparation, Profile, Unacceptable
from ingest_watch.reader_kind import reader_kind
from ingest_watch.workers import Workers
from storage.file_list import read_file_list
from tests.bags import ZipPart, write_files, zip_bytes
from tests.carrier_packages import carrier_files
from tests.case_packages import BASE_INFO, CODE, FILES, case_files, case_parts, case_zip


@pytest.fixture
def readers() -> Iterator[PackageReaders]:
    identifier = Workers(1, identifier_kind())
    workers = Workers(1, reader_kind(4), FormatService(identifier).answer)
    yield PackageReaders(workers)
    workers.close()
    identifier.close()


async def prepared(
    tmp_path: Path, readers: PackageReaders, name: str, package_format: str
) -> Preparation:
    job = Job(
        archive="馆",
        source="portal",
        name_raw=name.encode(),
        name=name,
        drop=tmp_path / "drop",
        work=tmp_path / "work",
        received_at="2026-11-22T08:00:00Z",
        profile=Profile((package_format,), "external-identifier"),
    )
    return await readers.prepare(job)


def kept(tmp_path: Path) -> set[str]:
    return {entry.path for entry in read_file_list(tmp_path / "work/content/lantai/files.jsonl")}


async def test_a_case_is_kept_as_the_zip_that_came_and_as_its_files(
    tmp_path: Path, readers: PackageReaders
) -> None:
    zip_name = f"{CODE}.zip"
    write_files(tmp_path / "drop", {zip_name: case_zip()})
    package = await prepared(tmp_path, readers, zip_name, "case")
    assert isinstance(package, Acceptable), package
    assert package.facts.identifier == CODE
    content = tmp_path / "work/content"
    assert (content / "received" / zip_name).read_bytes() == case_zip()
    for path, expected in FILES.items():
        assert (content / "content" / path).read_bytes() == expected
    files = {f"content/{path}" for path in case_files()}
    assert kept(tmp_path) == {f"received/{zip_name}", *files}
    lines = (content / "lantai/names.jsonl").read_text("utf-8").splitlines()
    names = {line["path"]: line for line in map(json.loads, lines)}
    assert names.keys() == files
    told = names[f"content/{BASE_INFO}"]
    assert base64.b64decode(told["raw_base64"]) == b"content/" + BASE_INFO.encode("gbk")
    assert told["encoding"] == "gb18030"


async def test_nothing_of_a_hostile_case_is_left_outside_of_its_work_folder(
    tmp_path: Path, readers: PackageReaders
) -> None:
    climbing = zip_bytes([*case_parts(), ZipPart("申报文件/../../../x".encode("gbk"), flags=0)])
    write_files(tmp_path / "drop", {f"{CODE}.zip": climbing})
    package = await prepared(tmp_path, readers, f"{CODE}.zip", "case")
    assert isinstance(package, Unacceptable), package
    assert [reason.code for reason in package.reasons] == ["path-traversal"]
    assert {path.name for path in tmp_path.iterdir()} <= {"drop", "work"}


async def test_a_carrier_is_kept_as_it_came(tmp_path: Path, readers: PackageReaders) -> None:
    write_files(tmp_path / "drop/disc", carrier_files())
    package = await prepared(tmp_path, readers, "disc", "carrier")
    assert isinstance(package, Acceptable), package
    assert package.facts.identifier == "J001-2021-0001"
    assert kept(tmp_path) == {f"received/{path}" for path in carrier_files()}
