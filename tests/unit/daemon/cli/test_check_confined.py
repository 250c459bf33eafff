"""`lantai check` opens packages in confined processes: what hostile ones and bad days come to.

The command as people run it, in a process of its own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ingest_watch.formats.registry import FORMATS
from tests.appliance import children_of
from tests.bags import ZipPart, bag_files, bag_parts, write_files, zip_bytes
from tests.clamd_server import running_clamd
from tests.conftest import PROJECT, WaitUntil
from tests.content_samples import EICAR
from tests.seccomp_lacking import WITHOUT_SECCOMP

GIBIBYTE = 1024**3
LANTAI = "from daemon.cli.main import main; main()"


class Place:
    """A folder for packages, and one for whatever a check makes for itself."""

    def __init__(self, folder: Path, private: Path) -> None:
        self.folder = folder
        self.private = private

    def start(self, *arguments: str | Path, program: str = LANTAI) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            # A shell's background jobs, this test run perhaps among them, are deaf to Ctrl-C.
            [
                "env",
                "--default-signal=INT",
                sys.executable,
                "-c",
                program,
                "check",
                *map(str, arguments),
            ],
            cwd=PROJECT,
            env={**os.environ, "TMPDIR": str(self.private)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, program: str = LANTAI) -> tuple[int, str, str]:
        """Exit status, output, and what was said on standard error."""
        process = self.start(*arguments, program=program)
        with running(process):
            output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert list(self.private.iterdir()) == []
        return process.returncode, output, errors

    def huge(self) -> Path:
        """A folder that takes minutes to read and no room: 64 GiB of holes."""
        bag = write_files(self.folder / "huge", bag_files())
        with (bag / "data/scan/1.txt").open("r+b") as file:
            file.truncate(64 * GIBIBYTE)
        return bag


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    # Sockets lie in it, and their paths may have 108 bytes.
    with TemporaryDirectory(prefix="lt-", dir="/tmp") as private:
        yield Place(tmp_path, Path(private))


def readers_of(process_id: int) -> list[int]:
    """The processes that the fork server of `process_id` made."""
    with suppress(OSError):
        return [each for child in children_of(process_id) for each in children_of(child)]
    return []


def test_a_bomb_is_rejected_for_it(place: Place) -> None:
    bomb = ZipPart(b"data/bomb", bytes(64 * 1024**2))
    archive = place.folder / "bomb.zip"
    archive.write_bytes(zip_bytes([*bag_parts(), bomb]))
    status, output, _ = place.run(archive)
    assert status == 1
    assert "rejected / 不予接收" in output
    assert "bomb" in output


async def test_a_package_that_kills_its_readers_is_rejected_for_it(
    place: Place, wait_until: WaitUntil
) -> None:
    """Killed from outside, each one that comes up, as a flaw that a package uses would."""
    process = place.start(place.huge(), "--json")
    killed: set[int] = set()

    def ended() -> bool:
        if any(place.private.iterdir()):
            for reader in set(readers_of(process.pid)) - killed:
                if is_at_work(reader):
                    os.kill(reader, signal.SIGKILL)
                    killed.add(reader)
        return process.poll() is not None or len(killed) == 2

    with running(process):
        await wait_until(ended, 60, "two deaths")
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    report = json.loads(output)
    assert report["verdict"] == "rejected"
    found = {each["code"] for check in report["checks"] for each in check["findings"]}
    assert "opening-killed-the-reader" in found
    assert "Traceback" not in errors
    assert list(place.private.iterdir()) == []


def is_at_work(reader: int) -> bool:
    """Whether it has the package open."""
    with suppress(OSError):
        files = Path(f"/proc/{reader}/fd").iterdir()
        return any("huge" in str(each.readlink()) for each in files)
    return False


def test_one_that_takes_too_long_is_given_up(place: Place) -> None:
    status, output, errors = place.run(place.huge(), "--minutes-max", "0.01")
    assert status == 3
    assert "could not be judged / 未能判定" in output
    assert "took longer" in errors
    assert "--minutes-max" in errors


async def test_ctrl_c_ends_it_with_everything_removed(place: Place, wait_until: WaitUntil) -> None:
    process = place.start(place.huge())
    with running(process):
        await wait_until(lambda: any(map(is_at_work, readers_of(process.pid))), 60, "a reader")
        others = [*children_of(process.pid), *readers_of(process.pid)]
        for each in (*others, process.pid):  # all, as a terminal does; it ends the others itself
            os.kill(each, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert errors.split() == ["lantai:", "stopped", "已中止"]
    assert list(place.private.iterdir()) == []
    await wait_until(lambda: not any(map(is_running, others)), 20, "the end of all of them")


def is_running(process_id: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    return False


def test_a_machine_that_cannot_confine_opens_nothing_unless_told_to(place: Place) -> None:
    bag = write_files(place.folder / "bag", bag_files())
    program = WITHOUT_SECCOMP + LANTAI
    status, output, errors = place.run(bag, program=program)
    assert status == 3
    assert "could not be judged / 未能判定" in output
    assert "isolation from the network (seccomp)" in errors
    assert "--unconfined" in errors
    status, output, errors = place.run(bag, "--unconfined", program=program)
    assert status == 0
    assert "WITHOUT isolation from the network (seccomp)" in errors


@pytest.mark.needs_clamd
def test_files_are_scanned_for_a_reader_that_may_reach_no_scanner(place: Place) -> None:
    bag = write_files(place.folder / "bag", bag_files({"data/b.txt": EICAR}))
    with running_clamd(place.folder / "clamd") as socket:
        status, output, _ = place.run(bag, "--clamd", socket)
    assert status == 1
    assert "[virus-found] data/b.txt" in output


@pytest.mark.parametrize("option", ["--format", "--profile"])
def test_what_is_unknown_is_wrong_usage(place: Place, option: str) -> None:
    bag = write_files(place.folder / "bag", bag_files())
    status, _, errors = place.run(bag, option, "nonsense")
    assert status == 2
    assert "nonsense" in errors


def test_the_help_names_every_format(place: Place) -> None:
    _, output, _ = place.run("--help")
    assert all(name in output for name in FORMATS)
