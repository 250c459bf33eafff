"""The mount comes and goes: who may mount, what is left behind, what clears it away."""

import errno
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from storage.view.mountpoint import mounted_type
from tests.fault_page import record_fault
from tests.integration.view_world import (
    BIG,
    FILES,
    PROJECT,
    Archive,
    RunningView,
    built_archive,
    error_of,
    names_in,
)

pytestmark = pytest.mark.needs_fuse

ERROR_S_MAX = 10  # for whoever waits on a view that is gone


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with built_archive(tmp_path) as built:
        yield built


@pytest.fixture
def view(archive: Archive) -> RunningView:
    return archive.start()


def test_it_unmounts_when_told_to_stop(view: RunningView) -> None:
    assert mounted_type(view.mountpoint) == "fuse.lantai"
    status, _ = view.stop()
    assert status == 0
    assert mounted_type(view.mountpoint) is None
    assert names_in(view.mountpoint) == []


def test_it_ends_when_somebody_unmounts_it(view: RunningView) -> None:
    subprocess.run(["umount", str(view.mountpoint)], check=True)
    status, _ = view.rest()
    assert status == 0


def test_a_killed_view_leaves_nothing_that_the_next_one_does_not_clear_away(
    archive: Archive, view: RunningView
) -> None:
    """Whether fusermount3 unmounts it or comes too early to find it dead is a matter of chance."""
    view.process.kill()
    view.rest()
    again = archive.start()
    assert (again.version / "bagit.txt").read_bytes() == FILES[b"bagit.txt"]
    assert again.stop()[0] == 0
    assert mounted_type(archive.mountpoint) is None


def test_a_second_view_on_the_same_mountpoint_is_refused(
    archive: Archive, view: RunningView
) -> None:
    second = archive.launch()
    second.wait(timeout=30)
    assert second.returncode != 0
    assert (view.version / "bagit.txt").read_bytes() == FILES[b"bagit.txt"]


def test_a_folder_that_is_not_empty_is_not_mounted_on(archive: Archive) -> None:
    (archive.mountpoint / "here-before").touch()
    second = archive.launch()
    second.wait(timeout=30)
    assert second.returncode != 0
    assert mounted_type(archive.mountpoint) is None


def test_a_mount_left_by_a_killed_view_is_cleared_by_the_next_one(archive: Archive) -> None:
    """Killed together with the fusermount3 that would have unmounted: the machine's own OOM."""
    view = archive.start()
    helper = Path(f"/proc/{view.process.pid}/task/{view.process.pid}/children").read_text()
    waiting = [int(pid) for pid in helper.split()] or _auto_unmounters(view.mountpoint)
    assert waiting
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
    view.process.kill()
    view.rest()
    assert error_of(view.mountpoint.stat) == errno.ENOTCONN
    again = archive.start()
    assert (again.version / "bagit.txt").read_bytes() == FILES[b"bagit.txt"]
    assert again.stop()[0] == 0
    assert mounted_type(archive.mountpoint) is None
    record_fault("F55", observed="what was left mounted is cleared by the next one")


@pytest.fixture
def fuse_connections(tmp_path: Path) -> Iterator[Path]:
    """Where the kernel tells of its FUSE connections; mark the test `needs_root`."""
    folder = tmp_path / "connections"
    folder.mkdir()
    subprocess.run(["mount", "-t", "fusectl", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.needs_root
@pytest.mark.parametrize("how", ["killed", "aborted"])
async def test_readers_who_wait_on_a_view_that_hangs_get_an_error_and_it_is_mounted_again(
    archive: Archive,
    view: RunningView,
    wait_until: Callable[..., Awaitable[None]],
    fuse_connections: Path,
    how: str,
) -> None:
    """1. The view stands still. 2. Readers wait. 3. It is killed, or its connection is aborted."""
    connection = fuse_connections / str(os.minor(view.mountpoint.stat().st_dev))
    os.kill(view.process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    read = ["cat", str(view.version / "data/scan.tif")]
    readers = [
        subprocess.Popen(read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(8)
    ]
    await wait_until(lambda: int((connection / "waiting").read_text()) > 0, what="waiting readers")
    assert {reader.poll() for reader in readers} == {None}
    if how == "aborted":
        (connection / "abort").write_text("1")
    else:
        view.process.kill()
    assert all(reader.wait(ERROR_S_MAX) != 0 for reader in readers)
    took_s = time.monotonic() - began_s
    view.process.kill()
    view.rest()
    again = archive.start()
    assert (again.version / "data/scan.tif").read_bytes() == BIG
    assert again.stop()[0] == 0
    record_fault(
        "F55",
        observed=f"{how} while it hung: every reader got an error; mounted again, whole",
        figure=f"{how}: {len(readers)} readers within {took_s:.1f} s",
    )


def _auto_unmounters(mountpoint: Path) -> list[int]:
    """The fusermount3 processes that wait beside a view of this mountpoint."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"fusermount3" in command[0] and os.fsencode(mountpoint) in command:
            found.append(int(process.name))
    return found


def _as_user(user: str) -> list[str]:
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


@pytest.mark.needs_root
def test_a_user_without_any_privilege_can_mount_and_unmount(archive: Archive) -> None:
    """With /dev/fuse open to all, as udev makes it; in a mount namespace, where that is so."""
    archive.open_to("nobody")
    device = archive.folder / "fuse"
    os.mknod(device, stat.S_IFCHR, Path("/dev/fuse").stat().st_rdev)
    device.chmod(0o666)
    shell = f'mount --bind {device} /dev/fuse && exec "$0" "$@"'
    view = archive.start("unshare", "--mount", "sh", "-c", shell, *_as_user("nobody"))
    inside = ["nsenter", f"--target={view.process.pid}", "--mount", *_as_user("nobody")]
    read = subprocess.run(
        [*inside, "cat", str(view.version / "bagit.txt")], capture_output=True, check=True
    )
    assert read.stdout == FILES[b"bagit.txt"]
    assert view.stop()[0] == 0


@pytest.mark.needs_root
def test_a_user_who_may_not_open_the_device_is_told_so(archive: Archive) -> None:
    command = "from storage.view.mount import can_mount; print(can_mount())"
    if Path("/dev/fuse").stat().st_mode & 0o006:
        pytest.skip("/dev/fuse is open to all here")
    told = subprocess.run(
        [*_as_user("nobody"), sys.executable, "-c", command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "may not be opened by this user" in told.stdout


@pytest.mark.needs_root
def test_other_users_read_a_mount_that_allows_them(archive: Archive) -> None:
    archive.open_to("nobody")
    archive.allow_other = True
    view = archive.start()
    command = [*_as_user("nobody"), "cat", str(view.version / "bagit.txt")]
    read = subprocess.run(command, capture_output=True, check=True)
    assert read.stdout == FILES[b"bagit.txt"]


@pytest.mark.needs_root
def test_the_starter_mounts_and_leaves_no_privilege(archive: Archive) -> None:
    """As the unit does it: mounted by root, served by a user that may do nothing else."""
    archive.open_to("nobody")
    starter = [sys.executable, "-m", "storage.view.starter"]
    view = archive.start(
        *starter, "--mountpoint", str(archive.mountpoint), "--user", "nobody", "--"
    )
    status = Path(f"/proc/{view.process.pid}/status").read_text()
    nobody = pwd.getpwnam("nobody")
    assert f"Uid:\t{nobody.pw_uid}\t{nobody.pw_uid}\t{nobody.pw_uid}" in status
    assert "CapPrm:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert (view.version / "data" / "scan.tif").read_bytes() == BIG
    assert error_of(lambda: (view.version / "new").write_bytes(b"")) == errno.EROFS
    command = [*_as_user("daemon"), "cat", str(view.version / "bagit.txt")]
    read = subprocess.run(command, capture_output=True, check=True)
    assert read.stdout == FILES[b"bagit.txt"]
    assert view.stop()[0] == 0
    # Whoever mounted unmounts: the unit's ExecStopPost, or the next start.
    assert mounted_type(archive.mountpoint) == "fuse.lantai"
    again = archive.start(
        *starter, "--mountpoint", str(archive.mountpoint), "--user", "nobody", "--"
    )
    assert (again.version / "bagit.txt").read_bytes() == FILES[b"bagit.txt"]


@pytest.mark.needs_root
def test_the_starter_never_runs_the_view_as_root(archive: Archive) -> None:
    command = [sys.executable, "-m", "storage.view.starter", "--user", "root"]
    command += ["--mountpoint", str(archive.mountpoint), "--", "true"]
    refused = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert refused.returncode == 78
    assert "does not run as root" in refused.stderr
    assert mounted_type(archive.mountpoint) is None
