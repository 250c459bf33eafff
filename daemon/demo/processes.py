"""The demo's roles as real processes: started in order, waited for, stopped cleanly.

Each is `lantai run ROLE`, as systemd would start it, with its log in a file. Knows no story.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import DemoLayout
from storage.errors import LantaiError

READY_S_MAX = 120.0
STOP_S_MAX = 60.0
_POLL_S = 0.1
_LOG_LINES_SHOWN = 15


class DemoFailed(LantaiError):
    """Something the demo waited for did not happen; the message says where to look."""

    code = "demo-failed"


@dataclass(frozen=True, slots=True)
class Instance:
    """One role to run."""

    name: str
    role: str
    config: Path
    program: tuple[str, ...] = ()  # in place of `lantai`: a test runs a role that misbehaves


def instances(layout: DemoLayout) -> list[Instance]:
    """Every role of the demo, in starting order."""
    nodes = [Instance(node, "node", layout.node_config(node)) for node in layout.settings.nodes]
    roles = ["notary", "ingest", "keeper", "api"]
    if layout.settings.mount:
        roles.append("view")
    return [*nodes, *(Instance(role, role, layout.config) for role in roles)]


class Processes:
    """The running roles; used as a context, which stops them all at its end."""

    def __init__(self, layout: DemoLayout) -> None:
        self.layout = layout
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop_all()

    def create_nodes(self) -> None:
        """Make the nodes' volumes. Raises DemoFailed with what the command said."""
        for node in self.layout.settings.nodes:
            self.create_node(node)

    def create_node(self, node: str) -> None:
        """Make one node's volume. Raises DemoFailed with what the command said."""
        config = str(self.layout.node_config(node))
        command = [*lantai(), "node", "create", "--config", config]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise DemoFailed(f"{node}: {made.stderr.strip()}")

    def start_all(self, say: Callable[[str], None]) -> None:
        """Start every role and return once all are well."""
        wanted = instances(self.layout)
        for instance in wanted:
            self.start(instance)
        for instance in wanted:
            self.wait_until_well(instance.name)
            say(instance.name)

    def start(self, instance: Instance) -> None:
        """Start one role; what it writes goes to its log."""
        # Whatever ends this process, the roles are asked to stop: nobody else would ask them. One
        # that it has just started may come too late to be told, and looks for itself.
        looking = ["sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid())]
        tied = ["setpriv", "--pdeathsig", "TERM", "--", *looking]
        program = instance.program or lantai()
        command = [*tied, *program, "run", instance.role, "--config", str(instance.config)]
        with (self.layout.logs / f"{instance.name}.log").open("ab") as log:
            self._running[instance.name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """End one role with SIGKILL, as a crash would."""
        process = self._running[name]
        process.kill()
        process.wait()

    def wait(self, name: str, within_s: float = READY_S_MAX) -> int:
        """The exit status of a role that ends by itself."""
        return self._running[name].wait(within_s)

    def stop(self, name: str) -> int:
        """Ask one role to stop; its exit status."""
        process = self._running[name]
        process.send_signal(signal.SIGTERM)
        return self._ended(process)

    def process_id(self, name: str) -> int:
        """The process that runs `name`."""
        return self._running[name].pid

    def wait_until_well(self, name: str, within_s: float = READY_S_MAX) -> None:
        """Return once the role says it is running and well. Raises DemoFailed."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status = self._running[name].poll()
            if status is not None:
                raise DemoFailed(f"{name} ended with status {status}:\n{self.log_tail(name)}")
            try:
                answer = ask(self.layout.socket(name), "status", timeout_s=5)
            except (NotRunning, RoleRefused):
                answer = {}
            if answer.get("state") == "running" and answer.get("well"):
                return
            time.sleep(_POLL_S)
        raise DemoFailed(f"{name} was not well in {within_s:.0f} s:\n{self.log_tail(name)}")

    def stop_all(self) -> Mapping[str, int]:
        """Ask every role to stop, in reverse order; return their exit statuses."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return {name: self._ended(process) for name, process in self._running.items()}

    def log_tail(self, name: str) -> str:
        """The last lines of a role's log."""
        log = self.layout.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-_LOG_LINES_SHOWN:])

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


def lantai() -> list[str]:
    """The command line of this very installation."""
    return [sys.executable, "-m", "daemon.cli"]
