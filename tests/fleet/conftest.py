"""One machine with the whole appliance on it, booted and deployed once for all tests."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fleet.deployment import SENDER, WITH_DISK, Recap, build_release, deploy
from tests.fleet.machine import Machine, base_folder, booted


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machine, what is installed on it, and how the first run of the playbook went."""

    machine: Machine
    release: Path
    work: Path
    first_run: Recap


# Of the module, so that the machine is gone before the next heavy test begins.
@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A machine on which the playbook ran once; mark the test `needs_machine`."""
    work = tmp_path_factory.mktemp("fleet")
    with ThreadPoolExecutor(1) as meanwhile:
        building = meanwhile.submit(build_release)
        base_folder()
        release = building.result()
    with booted(work, [f"/srv/lantai/{WITH_DISK}"]) as machine:
        machine.run(f"useradd --create-home {SENDER}")
        try:
            yield Fleet(machine, release, work, deploy(machine, release, work))
        finally:
            # The machine goes; what it said stays with the test run, if it still answers.
            with suppress(subprocess.TimeoutExpired):
                journal = machine.ask("journalctl --no-pager --boot --output=short-precise")
                (work / "journal.log").write_text(journal.stdout)
