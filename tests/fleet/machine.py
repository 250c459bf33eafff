"""A Debian machine with systemd as its first process, booted from a folder, reached by ssh.

systemd-nspawn(1), debootstrap(8). The base folder is made once and kept in /var/cache; every run
boots a copy, on the same file system as the tests' other disks, so that a node's self-test means
something. Whatever was made (the machine, its network, its control groups) is gone when the context
is left, and when this process is killed, but for its disks. Knows nothing of Lantai.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.loop_disk import LoopDisk

CACHE = Path("/var/cache/lantai-tests")
SUITE = "bookworm"
PACKAGES = (
    "dbus", "fuse3", "iproute2", "openssh-server", "openssl", "procps", "python3", "python3-venv",
    "systemd", "systemd-sysv",
)  # fmt: skip
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_STOP_S = 30
_DISK_MIB = 8192  # sparse
_COMMAND_S = 120
_NETWORK = """\
[Match]
Name=host0

[Network]
Address={address}/30
LinkLocalAddressing=no
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A booted machine. `folder` is its root file system, as this host sees it."""

    folder: Path
    address: str
    key: Path

    @property
    def ssh_options(self) -> list[str]:
        """Options of ssh(1) that reach it, whatever this user's own settings are."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "IdentitiesOnly": "yes",
        }
        named = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["-F", "/dev/null", "-i", str(self.key), *named]

    def ask(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root; returns whatever its outcome."""
        return subprocess.run(
            ["ssh", *self.ssh_options, f"root@{self.address}", command],
            capture_output=True, text=True, check=False, timeout=_COMMAND_S,
        )  # fmt: skip

    def run(self, command: str) -> str:
        """Run a shell command as root; its standard output. Fails the test if the command fails."""
        done = self.ask(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def inside(self, path: str) -> Path:
        """The file that the machine calls `path`."""
        return self.folder / path.lstrip("/")


def base_folder() -> Path:
    """The folder every machine is copied from; made now if this host does not have it yet."""
    name = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    base = CACHE / f"{SUITE}-{name}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            unfinished = base.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _bootstrap(unfinished)
            unfinished.rename(base)
    return base


@contextmanager
def booted(work: Path, disks: Sequence[str] = ()) -> Iterator[Machine]:
    """A machine, running until the context is left. `work` must not be on an overlay.

    `disks`: where in it a disk of its own is mounted.
    """
    number = os.getpid() % 16384
    here, there = (f"10.213.{number // 64}.{number % 64 * 4 + host}" for host in (1, 2))
    machine = Machine(work / "machine", there, work / "key")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, machine.folder, ignore_errors=True)
        subprocess.run(
            ["cp", "-a", "--reflink=auto", str(base_folder()), str(machine.folder)], check=True
        )
        _prepare(machine)
        for number_of_disk, place in enumerate(disks):
            image = work / f"disk-{number_of_disk}"
            disk = LoopDisk.make(image, "ext4", machine.inside(place), _DISK_MIB)
            stack.callback(disk.unmount)
        groups = stack.enter_context(_control_groups(f"lantai-fleet-{number}"))
        stack.enter_context(_running(machine, number, groups, work / "console.log"))
        _connect(f"ve-lantai-{number}", here)
        _wait_for_boot(machine, work / "console.log")
        yield machine


def _bootstrap(target: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    done = subprocess.run(
        [*command, SUITE, str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"debootstrap failed:\n{done.stdout[-3000:]}\n{done.stderr}"
    # What a copy at each run need not carry.
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
        shutil.rmtree(target / folder, ignore_errors=True)
    (target / "var/cache/apt/archives/partial").mkdir(parents=True)


def _prepare(machine: Machine) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(machine.key)], check=True
    )
    ssh = machine.inside("/root/.ssh")
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(machine.key.with_suffix(".pub"), ssh / "authorized_keys")
    etc = machine.inside("/etc")
    (etc / "default/locale").touch()
    (etc / "hostname").write_text("archive\n")
    network = etc / "systemd/network/10-host0.network"
    network.write_text(_NETWORK.format(address=machine.address))
    wants = etc / "systemd/system/multi-user.target.wants"
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")


@contextmanager
def _control_groups(name: str) -> Iterator[list[Path]]:
    """A control group for the machine in every hierarchy where its systemd keeps one.

    None where this host's own systemd hands them out.
    """
    if Path("/run/systemd/system").exists():
        yield []
        return
    roots = [_CONTROL_GROUPS / each for each in ("systemd", "unified")]
    roots = [root for root in roots if root.is_dir()] or [_CONTROL_GROUPS]
    groups = [root / name for root in roots]
    try:
        for group in groups:
            group.mkdir()
        yield groups
    finally:
        for group in groups:
            for folder, _folders, _files in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()


@contextmanager
def _running(machine: Machine, number: int, groups: list[Path], console: Path) -> Iterator[None]:
    join = "".join(f"echo $$ >{group}/cgroup.procs && " for group in groups)
    keep_unit = ["--keep-unit"] if groups else []
    nspawn = [
        "systemd-nspawn", "--quiet", "--boot", "--register=no", *keep_unit, "--console=pipe",
        f"--directory={machine.folder}", f"--machine=lantai-{number}",
        "--network-veth", "--bind=/dev/fuse", "--resolv-conf=off",
    ]  # fmt: skip
    with console.open("wb") as log:
        # It dies with this process, however that ends.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "sh", "-c", f'{join}exec "$@"', "sh", *nspawn],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _connect(interface: str, address: str) -> None:
    """Give this host's end of the machine's cable an address, as soon as nspawn has laid it."""
    give = f"ip address add {address}/30 dev {interface} && ip link set {interface} up"
    until = f"until {{ {give}; }} 2>/dev/null; do sleep 0.1; done"
    done = subprocess.run(["timeout", "30", "sh", "-c", until], check=False)
    assert done.returncode == 0, f"the interface {interface} did not come; see console.log"


def _wait_for_boot(machine: Machine, console: Path) -> None:
    # ssh itself tries again each second until the machine listens.
    patient = ["-o", "ConnectionAttempts=60", "-o", "ConnectTimeout=1"]
    done = subprocess.run(
        ["ssh", *machine.ssh_options, *patient, f"root@{machine.address}",
         "systemctl is-system-running --wait"],
        capture_output=True, text=True, check=False, timeout=_COMMAND_S,
    )  # fmt: skip
    booted = done.stdout.strip() == "running"
    assert booted, f"{done.stdout}{done.stderr}\n{console.read_text(errors='replace')[-3000:]}"
