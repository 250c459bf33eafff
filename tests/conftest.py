"""What a test may ask of the machine, and the fixtures that all tests share.

A test whose marker names something this machine lacks is skipped and listed at the end; under
CI=true the same lack is a failure. Of the product, only the ports that demos keep from each other
are imported here.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from daemon.demo.ports import own_ports

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

# No test asserts how long something takes, drawn examples least of all.
hypothesis.settings.register_profile("lantai", deadline=None)
hypothesis.settings.load_profile("lantai")

PROJECT = Path(__file__).parents[1]
POSTGRES_BINARIES = Path("/usr/lib/postgresql/15/bin")
CLAMD_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
LACKS = "this machine lacks: "
IN_CI = os.environ.get("CI") == "true"


def corpora_folder() -> Path:
    """Where the conformance suites lie: $LANTAI_CORPORA, or ../shared/corpora beside the clone."""
    return Path(os.environ.get("LANTAI_CORPORA", PROJECT.parent / "shared" / "corpora"))


def _lack_of_root() -> str | None:
    return None if os.geteuid() == 0 else "root (run the tests as root)"


def _lack_of_fuse() -> str | None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse (load the module fuse, or let this container use the device)"
    return None if shutil.which("fusermount3") else "fusermount3 (Debian package fuse3)"


def _lack_of_machine() -> str | None:
    if _lack_of_root():
        return _lack_of_root()
    missing = [name for name in ("systemd-nspawn", "debootstrap") if not shutil.which(name)]
    if missing:
        return f"{' and '.join(missing)} (Debian packages systemd-container, debootstrap)"
    return None


def _lack_of_corpora() -> str | None:
    folder = corpora_folder()
    return None if folder.is_dir() else f"the conformance suites in {folder} (LANTAI_CORPORA)"


def _lack_of_prometheus() -> str | None:
    missing = [name for name in ("prometheus", "promtool") if not shutil.which(name)]
    return f"{' and '.join(missing)} (Debian package prometheus)" if missing else None


def _lack_of_clamd() -> str | None:
    found = shutil.which("clamd", path=CLAMD_PATH)
    return None if found else "clamd (Debian package clamav-daemon)"


def _lack_of_postgres() -> str | None:
    found = (POSTGRES_BINARIES / "initdb").exists()
    return None if found else "a PostgreSQL 15 server (Debian package postgresql)"


NEEDS: dict[str, Callable[[], str | None]] = {
    "needs_root": _lack_of_root,
    "needs_fuse": _lack_of_fuse,
    "needs_machine": _lack_of_machine,
    "needs_corpora": _lack_of_corpora,
    "needs_prometheus": _lack_of_prometheus,
    "needs_clamd": _lack_of_clamd,
    "needs_postgres": _lack_of_postgres,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked `longer` to `make fault-page`."""
    if os.environ.get("LANTAI_LONGER") == "1":
        return
    longer = [item for item in items if item.get_closest_marker("longer")]
    if longer:
        config.hook.pytest_deselected(items=longer)
        items[:] = [item for item in items if item not in longer]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what is not here; in CI, fail it."""
    for marker, lack in NEEDS.items():
        if item.get_closest_marker(marker) and (reason := lack()):
            (pytest.fail if IN_CI else pytest.skip)(LACKS + reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what this machine lacks, with how many tests could not run for it."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        _file, _line, message = report.longrepr
        reason = message.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not run on this machine")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:5d} tests  {reason.removeprefix(LACKS)}")


@pytest.fixture
def corpora() -> Path:
    """The folder of the conformance suites; mark the test `needs_corpora`."""
    return corpora_folder()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives ports of the loopback that nothing listens at, a new one at each call."""
    return lambda: own_ports(1)[0]


WaitUntil = Callable[..., Awaitable[None]]


async def ask_until(
    condition: Callable[[], object], within_s: float = 10, what: str = "the condition"
) -> None:
    """What the fixture `wait_until` gives, for processes of a test's own."""
    deadline = time.monotonic() + within_s
    while True:
        outcome = condition()
        if isawaitable(outcome):
            outcome = await outcome
        if outcome:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not hold within {within_s} s")
        await asyncio.sleep(0.02)


@pytest.fixture
def wait_until() -> WaitUntil:
    """`await wait_until(condition, within_s=10)`: asks until it holds; fails when it never does.

    `condition` is called without arguments and may be a coroutine function. It is asked every
    20 ms, because the world has no event for what tests wait on (a file, a process, a metric).
    """
    return ask_until


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A PostgreSQL server for all tests of one worker; mark the test `needs_postgres`."""
    # Alembic takes a second to import; only workers with such tests pay it.
    from tests.postgres_server import running_postgres

    with running_postgres(POSTGRES_BINARIES) as server:
        yield server


@pytest.fixture
def loop_filesystem(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """`loop_filesystem("ext4", size_mib=64)` mounts a new file system; mark the test `needs_root`.

    Kinds: "ext4", "xfs" (at least 300 MiB). Each call gives another mount point. More words go to
    mkfs.
    """
    mounted: list[Path] = []

    def mount(kind: str, size_mib: int = 64, *features: str) -> Path:
        image = tmp_path / f"disk-{len(mounted)}.img"
        target = tmp_path / f"disk-{len(mounted)}"
        with image.open("wb") as file:
            file.truncate(size_mib * 1024 * 1024)
        target.mkdir()
        make = [f"mkfs.{kind}", "-q", *features, str(image)]
        subprocess.run(make, check=True, capture_output=True)
        subprocess.run(
            ["mount", "-o", "loop", str(image), str(target)], check=True, capture_output=True
        )
        mounted.append(target)
        return target

    yield mount
    for target in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(target)], check=False, capture_output=True)
