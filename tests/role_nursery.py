"""Roles as processes of their own, forked from one that has loaded them: `lantai run`, but sooner.

Loading the product takes a role longer than opening its disk, and a campaign starts a thousand.
What is forked runs the command line as `lantai` does, in a session of its own, and ends with this
process. The forking process must have no other thread at work.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from daemon.cli import main as command_line
from daemon.demo.processes import Instance, Processes, lantai
from daemon.roles import ingest, keeper, node, notary

_LOADED = (ingest, keeper, node, notary)
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.01


class ForkedRole(subprocess.Popen[bytes]):
    """As much of a process as daemon/demo/processes.py asks of one."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """`command`: what follows `lantai`, behind settings of the environment `NAME=value`."""
        self.returncode = None
        self.args = list(command)
        self._child_created = False  # so that nothing is done about it when this goes
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, log)

    def poll(self) -> int | None:
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            threading.Event().wait(_LOOK_S)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


class Nursery(Processes):
    """Processes whose roles are forked."""

    def start(self, instance: Instance) -> None:
        settings = [word for word in instance.program if "=" in word]
        command = [*settings, "run", instance.role, "--config", str(instance.config)]
        assert set(instance.program) <= {"env", *settings, *lantai()}, "another program"
        log = self.layout.logs / f"{instance.name}.log"
        self._running[instance.name] = ForkedRole(command, log)


def _become(command: Sequence[str], log: Path) -> None:
    """In the child: never returns."""
    status = 1
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, out), (2, out)):
            os.dup2(source, target)
        os.closerange(3, 1024)
        words = [word for word in command if "=" not in word]
        for name, _, value in (word.partition("=") for word in command if "=" in word):
            os.environ[name] = value
        sys.argv = ["lantai", *words]
        command_line.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)
