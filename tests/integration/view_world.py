"""An archive of three nodes on disk and a process that shows it: what the view's tests share."""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from storage.view.mountpoint import mounted_type, unmount_lazily
from tests.integration.view_under_test import Orders
from tests.stored_copies import Written, write_copies

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


@contextmanager
def built_archive(folder: Path) -> Iterator[Archive]:
    """Build it in `folder`; at the end nothing runs and nothing is mounted."""
    nodes = [folder / f"node-{number}" for number in (1, 2, 3)]
    for node in nodes:
        node.mkdir()
    written = {
        "case-0001": write_copies(nodes, "lantai:gov-portal/case-0001", FILES),
        "案卷 二": write_copies(
            nodes, "lantai:gov-portal/案卷 二", {b"a.ofd": b"ofd"}, prefix="content"
        ),
    }
    built = Archive(folder, nodes, written)
    built.mountpoint.mkdir()
    yield built
    for process in built.started:
        process.kill()
        process.communicate()
    while mounted_type(built.mountpoint) is not None:
        unmount_lazily(built.mountpoint)


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
