"""Readers of packages, and those who meet them (ingest_watch/package_readers.py).

A package that kills its reader, and a machine that cannot confine one.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from ingest_watch.check_profile import CheckRule, Content, shipped_profile
from ingest_watch.confinement import Confinement
from ingest_watch.findings import PackageRejected
from ingest_watch.format_identification import (
    FormatService,
    IdentifierAway,
    OwnIdentifier,
    identifier_kind,
)
from ingest_watch.limits import MEBIBYTE
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Acceptable, Job, Profile, Unacceptable, Undecided
from ingest_watch.reader_kind import reader_kind
from ingest_watch.reader_services import ReaderServices
from ingest_watch.workers import WorkerDied, Workers
from tests.bags import bag_files, write_files
from tests.carrier_packages import carrier_files
from tests.case_packages import CODE, Batch, case_zip
from tests.clamd_server import running_clamd
from tests.conftest import PROJECT
from tests.content_samples import EICAR, ofd, png
from tests.csip_packages import write_csip
from tests.eep_packages import original, written
from tests.seccomp_lacking import WITHOUT_SECCOMP

KIND = reader_kind(4)
# What is left when no package may be larger than nothing: enough for its listing.
LITTLE = replace(KIND.allowance, output_bytes=MEBIBYTE, content_bytes_max=0)

# Run in a process of its own, whose kernel takes no filter of system calls any more.
TRIED_WITHOUT_SECCOMP = """
import asyncio
from ingest_watch.package_readers import PackageReaders
from ingest_watch.reader_kind import reader_kind
from ingest_watch.workers import Workers, WorkersUnconfined

async def main():
    workers = Workers(1, reader_kind(4))
    readers = PackageReaders(workers)
    try:
        await readers.begin(unconfined_allowed=False)
    except WorkersUnconfined as refusal:
        print("refused:", refusal)
    await readers.begin(unconfined_allowed=True)
    print("status:", readers.status)
    workers.close()

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    write_files(tmp_path / "drop" / "small", bag_files())
    write_files(tmp_path / "drop" / "large", bag_files({"data/scan.tif": bytes(4 * MEBIBYTE)}))
    return tmp_path


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2, replace(KIND, allowance=LITTLE))
    yield made
    made.close()


def job(place: Path, name: str) -> Job:
    return Job(
        archive="馆",
        source="portal",
        name_raw=name.encode(),
        name=name,
        drop=place / "drop",
        work=place / f"work-{name}",
        received_at="2026-11-22T08:00:00Z",
        profile=Profile(("bagit",), "name"),
    )


async def test_a_package_that_kills_its_reader_is_refused_for_it_and_no_other_notices(
    place: Path, workers: Workers
) -> None:
    """Here by its output; twice, the second time in a process that has seen nothing else."""
    readers = PackageReaders(workers)
    large, small = await asyncio.gather(
        readers.prepare(job(place, "large")), readers.prepare(job(place, "small"))
    )
    assert isinstance(small, Acceptable)
    assert isinstance(large, Unacceptable)
    (reason,) = large.reasons
    assert reason.code == "opening-killed-the-reader"
    assert "output limit" in reason.message
    assert "异常终止" in reason.message_zh
    assert workers.deaths == 2


async def test_a_package_that_was_accepted_before_is_not_refused_when_its_reader_dies(
    place: Path, workers: Workers
) -> None:
    with pytest.raises(WorkerDied):
        await PackageReaders(workers).take_up(job(place, "large"))


def write_bag(drop: Path) -> Path:
    return write_files(drop / "good", bag_files())


def write_carrier(drop: Path) -> Path:
    return write_files(drop / "good", carrier_files())


def write_batch(drop: Path) -> Path:
    return write_files(drop / "good", Batch().files())


def write_case(drop: Path) -> Path:
    (drop / f"{CODE}.zip").write_bytes(case_zip())
    return drop / f"{CODE}.zip"


def write_eep(drop: Path) -> Path:
    (drop / "good.eep").write_bytes(written(original()))
    return drop / "good.eep"


def write_sip(drop: Path) -> Path:
    return write_csip(drop / "good")


@pytest.mark.parametrize(
    ("package_format", "write"),
    [
        ("bagit", write_bag),
        ("carrier", write_carrier),
        ("case", write_case),
        ("case-batch", write_batch),
        ("csip", write_sip),
        ("eep", write_eep),
    ],
)
async def test_good_packages_of_every_format_are_read_within_the_limits(
    place: Path, package_format: str, write: Callable[[Path], Path]
) -> None:
    """In a reader as the intake has it, with formats told by a process of their own."""
    identifier = Workers(1, identifier_kind())
    workers = Workers(1, KIND, FormatService(identifier).answer)
    wanted = job(place, write(place / "drop").name)
    wanted = replace(wanted, profile=Profile((package_format,), "name"))
    try:
        package = await PackageReaders(workers).prepare(wanted)
        assert not isinstance(package, Unacceptable), package.reasons
        assert isinstance(package, Acceptable | Undecided)
        assert workers.deaths == identifier.deaths == 0
    finally:
        await asyncio.to_thread(workers.close)
        await asyncio.to_thread(identifier.close)


async def test_how_the_readers_are_confined_is_said(workers: Workers) -> None:
    readers = PackageReaders(workers)
    await readers.begin(unconfined_allowed=False)
    assert readers.status == "2 processes, confined, 0 died"


def test_a_machine_that_cannot_confine_them_opens_nothing_unless_told_to() -> None:
    """Where the kernel takes no filter, sockets can still be made: that is tried, and said."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_SECCOMP + TRIED_WITHOUT_SECCOMP],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    refused, status = (line for line in ran.stdout.splitlines() if not line.startswith("{"))
    assert refused.startswith("refused: this machine cannot give the readers of packages")
    assert "isolation from the network (seccomp)" in refused
    assert "unconfined_workers_allowed" in refused
    assert status == "status: 1 processes, WITHOUT isolation from the network (seccomp), 0 died"
    assert "intake.workers.unconfined" in ran.stderr + ran.stdout


@pytest.mark.needs_clamd
async def test_a_confined_reader_has_formats_told_and_files_scanned(place: Path) -> None:
    """By processes of others: one that tells formats, which its owner asks for it, and clamd."""
    payload = {"data/a.ofd": ofd(), "data/b.txt": EICAR, "data/c.png": png()}
    write_files(place / "drop" / "mixed", bag_files(payload))
    checks = {number: CheckRule() for number in ("3-3", "4-1", "4-2")}
    profile = structs.replace(
        shipped_profile("bagit"), checks=checks, content=Content(allowed=("OFD", "text"))
    )
    identifier = Workers(1, identifier_kind())
    try:
        with running_clamd(place / "clamd") as socket:
            services = ReaderServices(FormatService(identifier), socket)
            readers = Workers(1, KIND, services.answer)
            mixed = replace(
                job(place, "mixed"),
                profile=Profile(("bagit",), "name", checks=profile),
                has_scanner=True,
            )
            try:
                refused = await PackageReaders(readers).prepare(mixed)
            finally:
                readers.close()
    finally:
        identifier.close()
    assert isinstance(refused, Unacceptable)
    found = {(reason.code, reason.path) for reason in refused.reasons}
    assert found == {("format-not-allowed", "data/c.png"), ("virus-found", "data/b.txt")}


def test_files_that_kill_the_identifier_condemn_their_package(place: Path) -> None:
    """With memory for the library and not for its signatures it dies of any question, twice."""
    file = place / "drop" / "small" / "bagit.txt"
    (finding,) = refusal_of_a_starved_identifier(file).findings
    assert finding.code == "opening-killed-the-reader"
    assert "format identification" in finding.message


def refusal_of_a_starved_identifier(file: Path) -> PackageRejected:
    """With the least memory in which the library loads; with less it is away."""
    for size_mib in range(64, 160, 4):
        confinement = Confinement(memory_bytes=size_mib * MEBIBYTE)
        identifier = Workers(1, replace(identifier_kind(), confinement=confinement))
        try:
            OwnIdentifier(FormatService(identifier)).identify((file,))
        except IdentifierAway:
            continue
        except PackageRejected as refusal:
            return refusal
        finally:
            identifier.close()
        pytest.fail(f"it identifies within {size_mib} MiB")
    pytest.fail("the library does not load")
