"""Prepare good packages again and again, each time with one system call made to fail.

A zip, a tar.gz and a tar are staged, unpacked, judged and packed. A call below the folder fails
(tests/failing_calls.py says how): a package may have to be prepared again later, or a person be
called, but nothing is found wrong with it. Arguments: FOLDER HOW ERRNO FIRST STRIDE.
Prints a line of JSON for each k; the last says that no call failed any more.
"""

import tarfile
import zipfile
from pathlib import Path

from ingest_watch.preparation import Acceptable, Changed, Job, NoRoom, Profile
from ingest_watch.prepare import prepare
from tests.bags import bag_files, write_files
from tests.failing_calls import FailingCalls, How
from tests.faults import call_runs
from tests.faults.call_runs import Told

NAME = "case-1"
SUFFIXES = {"zip": "", "tar": "w", "tar.gz": "w:gz"}


def tell(folder: Path, told: Told, how: How, error: int) -> None:
    """One run."""
    lay_out(folder)
    calls = FailingCalls()
    calls.arm(folder, how, told.step, error)
    try:
        ends = [end_of(folder, f"{NAME}.{suffix}", told) for suffix in SUFFIXES]
    finally:
        told.hit = calls.hit
        calls.disarm()
    told.state = next((end for end in ends if end != "Acceptable"), "Acceptable")
    told.answers = {f"{at}": "" for at, end in enumerate(ends) if end == "Acceptable"}


def end_of(folder: Path, name: str, told: Told) -> str:
    """What became of one package."""
    try:
        prepared = prepare(job(folder, name))
    except OSError as failure:
        told.error = repr(failure)
        return "failed"
    assert isinstance(prepared, Acceptable | Changed | NoRoom), prepared
    return type(prepared).__name__


def lay_out(folder: Path) -> None:
    """The same bag in each serialisation."""
    files = folder / NAME
    write_files(files, bag_files())
    drop = folder / "drop"
    drop.mkdir()
    for suffix, mode in SUFFIXES.items():
        archive = drop / f"{NAME}.{suffix}"
        if not mode:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
                for path in sorted(files.rglob("*")):
                    target.write(path, path.relative_to(folder))
        else:
            with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload] # modes by name
                tar.add(files, NAME)


def job(folder: Path, name: str) -> Job:
    return Job(
        archive="馆",
        source="portal",
        name_raw=name.encode(),
        name=name,
        drop=folder / "drop",
        work=folder / f"work-{name}",
        received_at="2026-11-22T08:00:00Z",
        profile=Profile(("bagit",), "name"),
    )


def begin() -> None:
    """From the command line."""
    call_runs.begin(tell)
