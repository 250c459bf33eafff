"""The view, mounted for real, over real copies on disk, read as staff read it."""

import errno
import os
import pwd
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from storage.view.mountpoint import mounted_type, unmount_lazily
from tests.integration.view_under_test import Orders
from tests.stored_copies import Written, write_copies

pytestmark = pytest.mark.needs_fuse

# One of the dependencies installs a package named `tests`, which would be found before ours.
RUN_VIEW = """
import runpy, sys, types
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = ["tests"]
runpy.run_module("tests.integration.view_under_test", run_name="__main__", alter_sys=True)
"""
MIB = 1024 * 1024
PROJECT = Path(__file__).parents[2]
BIG = random.Random(20261122).randbytes(5 * MIB + 4321)
LONG_NAME = ("档" * 85).encode()
GBK_NAME = "申请表.pdf".encode("gbk")
FILES = {
    b"bagit.txt": b"BagIt-Version: 1.0\n",
    "data/申请表.pdf".encode(): b"%PDF-1.7 \xe7\x94\xb3\n",
    b"data/" + GBK_NAME: b"a name of the last century",
    b"data/" + LONG_NAME: b"255 bytes of name",
    b"data/two\nlines": b"a newline in the name",
    b"data/100%": b"a per cent sign",
    b"data/empty": b"",
    b"data/scan.tif": BIG,
    b"data-of-old/a": b"sorts between",
}


@dataclass
class RunningView:
    """The process, and what it shows."""

    process: subprocess.Popen[bytes]
    mountpoint: Path
    nodes: list[Path]
    written: dict[str, Written]

    @property
    def version(self) -> Path:
        return self.mountpoint / "gov-portal" / "case-0001" / "v1"

    def stored(self, node: int, identifier: str, path: str) -> Path:
        """The stored file itself, to be damaged."""
        return self.nodes[node] / self.written[identifier].folder / path

    def stop(self) -> tuple[int, list[str]]:
        """End it as systemd would; its status, and the bad copies it told of."""
        self.process.send_signal(signal.SIGTERM)
        return self.rest()

    def rest(self) -> tuple[int, list[str]]:
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output.decode().splitlines()


@dataclass
class Archive:
    """Three nodes with three packages, and a mountpoint."""

    folder: Path
    nodes: list[Path]
    written: dict[str, Written]
    allow_other: bool = False
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def mountpoint(self) -> Path:
        return self.folder / "holdings"

    def orders(self) -> bytes:
        packages = {identifier: [one.held] for identifier, one in self.written.items()}
        return msgspec.json.encode(
            Orders(
                mountpoint=str(self.mountpoint),
                nodes=[str(node) for node in self.nodes],
                folders={one.held.object_id: one.folder for one in self.written.values()},
                packages={"gov-portal": packages},
                spool_folder=str(self.folder),
                allow_other=self.allow_other,
            )
        )

    def launch(self, *before: str) -> subprocess.Popen[bytes]:
        command = [*before, sys.executable, "-c", RUN_VIEW]
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.started.append(process)
        assert process.stdin is not None
        process.stdin.write(self.orders())
        process.stdin.close()
        process.stdin = None
        return process

    def open_to(self, user: str) -> None:
        """Let `user` have the spool, read the copies, and reach both."""
        for parent in self.folder.parents:
            if parent.owner() == "root" and parent.stat().st_mode & 0o005 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
        for path in (self.folder, self.mountpoint):
            path.chmod(0o755)
            shutil.chown(path, user)

    def start(self, *before: str) -> RunningView:
        process = self.launch(*before)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return RunningView(process, self.mountpoint, self.nodes, self.written)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    nodes = [tmp_path / f"node-{number}" for number in (1, 2, 3)]
    for node in nodes:
        node.mkdir()
    written = {
        "case-0001": write_copies(nodes, "lantai:gov-portal/case-0001", FILES),
        "案卷 二": write_copies(
            nodes, "lantai:gov-portal/案卷 二", {b"a.ofd": b"ofd"}, prefix="content"
        ),
    }
    built = Archive(tmp_path, nodes, written)
    built.mountpoint.mkdir()
    yield built
    for process in built.started:
        process.kill()
        process.communicate()
    while mounted_type(built.mountpoint) is not None:
        unmount_lazily(built.mountpoint)


@pytest.fixture
def view(archive: Archive) -> RunningView:
    return archive.start()


def names_in(folder: Path) -> list[str]:
    """Sorted; raises the OSError of a listing that fails half-way."""
    return sorted(path.name for path in folder.iterdir())


def error_of(attempt: Callable[[], object]) -> int | None:
    """The error number that `attempt` fails with."""
    try:
        attempt()
    except OSError as error:
        return error.errno
    return None


def test_staff_see_sources_packages_versions_and_the_senders_own_names(view: RunningView) -> None:
    assert names_in(view.mountpoint) == ["gov-portal"]
    assert set(names_in(view.mountpoint / "gov-portal")) == {"case-0001", "案卷 二"}
    assert names_in(view.version.parent) == ["v1", "v1.lantai"]
    found = [path for path in view.version.rglob("*") if not path.is_dir()]
    assert {os.fsencode(path.relative_to(view.version)) for path in found} == set(FILES)
    assert len(found) == len(FILES)
    assert names_in(view.mountpoint / "gov-portal" / "案卷 二" / "v1") == ["a.ofd"]


def test_every_file_has_the_senders_bytes(view: RunningView) -> None:
    for name, content in FILES.items():
        assert (view.version / os.fsdecode(name)).read_bytes() == content


def test_what_lantai_recorded_lies_beside_the_version(view: RunningView) -> None:
    records = view.version.with_name("v1.lantai")
    assert names_in(records) == ["files.jsonl", "names.jsonl", "package.json"]
    assert len((records / "files.jsonl").read_text().splitlines()) == len(FILES)


def test_a_name_that_is_not_there_is_not_found(view: RunningView) -> None:
    for name in ("nothing", "data/nothing", "data/scan.tif2", "data/%C9%EA%C7%EB%B1%ED.pdf"):
        assert not (view.version / name).exists()
    assert not (view.version.parent / "v2").exists()
    assert not (view.mountpoint / "other-source").exists()


def test_files_have_their_size_their_date_and_no_right_to_write(view: RunningView) -> None:
    found = (view.version / "data" / "scan.tif").stat()
    assert found.st_size == len(BIG)
    assert found.st_mtime == 1795334400
    assert stat.filemode(found.st_mode) == "-r--r--r--"
    assert stat.filemode(view.version.stat().st_mode) == "dr-xr-xr-x"


def test_reads_of_any_size_at_any_place_give_the_original_bytes(view: RunningView) -> None:
    chance = random.Random(7)
    with (view.version / "data" / "scan.tif").open("rb", buffering=0) as file:
        for _ in range(200):
            offset = chance.randrange(len(BIG) + 10)
            length = chance.choice([1, 100, 4096, 65537, MIB, 3 * MIB])
            assert os.pread(file.fileno(), length, offset) == BIG[offset : offset + length]


def test_readers_at_the_same_time_each_get_their_own_bytes(view: RunningView) -> None:
    def read(seed: int) -> bool:
        chance = random.Random(seed)
        with (view.version / "data" / "scan.tif").open("rb", buffering=0) as file:
            for _ in range(30):
                offset = chance.randrange(len(BIG))
                if os.pread(file.fileno(), 200_000, offset) != BIG[offset : offset + 200_000]:
                    return False
        return True

    with ThreadPoolExecutor(8) as readers:
        assert all(readers.map(read, range(8)))


def test_a_folder_of_thousands_lists_each_file_once(archive: Archive) -> None:
    files = {b"d/%05d" % number: b"%d" % number for number in range(3000)}
    archive.written["many"] = write_copies(archive.nodes[:1], "lantai:gov-portal/many", files)
    view = archive.start()
    folder = view.mountpoint / "gov-portal" / "many" / "v1" / "d"
    assert names_in(folder) == [f"{number:05d}" for number in range(3000)]


def test_nothing_can_be_written(view: RunningView) -> None:
    existing = view.version / "bagit.txt"
    attempts: list[Callable[[], object]] = [
        lambda: (view.version / "new").write_bytes(b""),
        lambda: existing.write_bytes(b"x"),
        existing.unlink,
        lambda: existing.rename(view.version / "other"),
        (view.version / "folder").mkdir,
        lambda: existing.chmod(0o666),
        lambda: os.truncate(existing, 0),
        lambda: os.utime(existing),
        lambda: (view.version / "link").symlink_to("/etc/passwd"),
        lambda: os.setxattr(existing, "user.x", b"1"),
    ]
    assert [error_of(attempt) for attempt in attempts] == [errno.EROFS] * len(attempts)


def test_a_damaged_copy_is_passed_over_and_told_of(view: RunningView) -> None:
    path = "v1/content/received/data/scan.tif"
    stored = view.stored(0, "case-0001", path)
    content = bytearray(stored.read_bytes())
    content[3 * MIB + 5] ^= 1
    stored.write_bytes(content)
    assert (view.version / "data" / "scan.tif").read_bytes() == BIG
    status, told = view.stop()
    assert status == 0
    assert told == [f"damaged node-1 altered {path}"]


def test_a_file_damaged_on_every_node_is_an_input_output_error(view: RunningView) -> None:
    path = "v1/content/received/bagit.txt"
    for node in range(3):
        view.stored(node, "case-0001", path).write_bytes(b"BagIt-Version: 6.6\n")
    assert error_of((view.version / "bagit.txt").read_bytes) == errno.EIO
    assert (view.version / "data" / "scan.tif").read_bytes() == BIG


def test_a_damaged_file_list_is_never_shown_as_absence(view: RunningView) -> None:
    for node in range(3):
        view.stored(node, "case-0001", "v1/inventory.json").write_bytes(b"{}")
    assert error_of(lambda: names_in(view.version)) == errno.EIO
    assert error_of((view.version / "bagit.txt").stat) == errno.EIO
    assert error_of((view.version / "never-was-there").stat) == errno.EIO


def test_a_file_gone_from_every_node_is_an_input_output_error(view: RunningView) -> None:
    for node in range(3):
        view.stored(node, "case-0001", "v1/content/received/bagit.txt").unlink()
    assert error_of((view.version / "bagit.txt").read_bytes) == errno.EIO


def test_it_tells_df_how_much_there_is(view: RunningView) -> None:
    found = os.statvfs(view.mountpoint)
    assert (found.f_blocks * found.f_frsize) // 4096 == 2442
    assert found.f_bavail == 0
    assert found.f_files == 2
    assert found.f_flag & os.ST_RDONLY
    assert found.f_flag & os.ST_NOSUID


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


def test_a_killed_view_leaves_nothing_mounted(view: RunningView) -> None:
    view.process.kill()
    view.rest()
    deadline = time.monotonic() + 10
    while mounted_type(view.mountpoint) is not None:
        assert time.monotonic() < deadline, "auto_unmount did not clean up"
        time.sleep(0.02)


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
