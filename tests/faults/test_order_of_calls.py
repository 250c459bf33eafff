"""In which order a volume makes things durable, as the kernel sees it: what no crash test can show.

A journalling file system keeps the order of names by itself, so that a missing sync between two of
them is seen on other disks only. Every call of a process is logged (tests/failing_calls.py).
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from storage.signing import SigningKey
from storage.volume.events import Event
from storage.volume.journal import Journal
from storage.volume.refusals import WriteLost
from storage.volume.volume import Volume
from tests.failing_calls import FailingCalls, How, build, environment
from tests.volume_packages import again, make_package, new_volume, send, settings_for

PROJECT = Path(__file__).parents[2]
# A package that ocfl-py brings along is called `tests` as well.
PROGRAM = f"""
import sys, tests
tests.__path__.insert(0, {str(PROJECT / "tests")!r})
from tests.faults import test_order_of_calls
getattr(test_order_of_calls, sys.argv[1])(test_order_of_calls.Path(sys.argv[2]))
"""


def calls_of(tmp_path: Path, act: str) -> list[str]:
    """Every call below `tmp_path` that `act` makes, in a process of its own."""
    library = build(tmp_path)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, act, str(tmp_path)],
        check=True,
        env=environment(library),
    )
    return (tmp_path / "calls").read_text().splitlines()


def log_calls(folder: Path, below: Path) -> FailingCalls:
    calls = FailingCalls()
    calls.keep_log(os.open(folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    calls.arm(below, How.COUNT)
    return calls


def recover_a_mend(folder: Path) -> None:
    """A mend is complete in staging, and its process ended; then the volume is opened."""
    beside = folder / "beside"
    beside.mkdir()
    key = SigningKey.generate()
    child = os.fork()
    if child == 0:
        volume = new_volume(beside, key)
        package = make_package({"received/a": b"a"})
        send(volume, again(package, op_id="1" * 32, replaces_damaged=True))
        os._exit(0)
    os.waitpid(child, 0)
    calls = log_calls(folder, beside)
    Volume.open(settings_for(beside), key).close()
    calls.disarm()


def test_what_recovery_sets_aside_is_synced_before_what_tells_of_it_is_removed(
    tmp_path: Path,
) -> None:
    calls = calls_of(tmp_path, "recover_a_mend")
    aside = next(n for n, call in enumerate(calls) if call.startswith("rename /quarantine/"))
    removed = next(n for n, call in enumerate(calls) if "order.json" in call and "unlink" in call)
    assert aside < removed
    assert "syncfs /staging" in calls[aside:removed]


def make_a_volume(folder: Path) -> None:
    """Three folders deep, none of which is there."""
    calls = log_calls(folder, folder / "deep")
    (folder / "deep/er").mkdir(parents=True)
    new_volume(folder / "deep/er/still", SigningKey.generate()).close()
    calls.disarm()


def test_every_folder_on_the_way_to_a_new_volume_is_synced(tmp_path: Path) -> None:
    """The one above too, which somebody else made: its name may not be durable either."""
    calls = calls_of(tmp_path, "make_a_volume")
    for folder in ("", "/er", "/er/still", "/er/still/root", "/er/still/journal"):
        assert f"fsync {folder}" in calls, json.dumps(calls, indent=1)


def fail_a_journal(folder: Path) -> None:
    """An append whose fsync fails, a reopening, and an append that goes well."""
    (folder / "quarantine").mkdir()
    (folder / "journal").mkdir()
    journal = Journal(folder / "journal", folder / "quarantine")
    journal.append(lambda _sequence, _at: [Event("opened")])
    before = (folder / "journal/00000001.log").stat().st_ino
    calls = log_calls(folder, folder / "journal")
    calls.arm(folder / "journal", How.BEFORE, 2)
    with suppress(WriteLost):
        journal.append(lambda _sequence, _at: [Event("self-test")])
    assert calls.hit.startswith("fsync"), calls.hit
    journal.reopen()
    journal.append(lambda _sequence, _at: [Event("closed")])
    assert calls.retries == 0, "the file that failed was synced again"
    assert (folder / "journal/00000001.log").stat().st_ino != before
    journal.close()


def test_a_journal_whose_fsync_failed_goes_on_in_another_file(tmp_path: Path) -> None:
    assert calls_of(tmp_path, "fail_a_journal")
