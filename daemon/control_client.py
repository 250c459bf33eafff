"""The asking side of a control socket, blocking, for the command line.

docs/operations/control.md. Every wait has a limit. Knows no verb and prints nothing.
"""

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from daemon.control import ANSWER_BYTES_MAX
from storage.errors import LantaiError, Refusal


class NotRunning(LantaiError):
    """Nobody answers at the control socket."""

    code = "not-running"


class RoleRefused(Refusal):
    """The role said no; `role_code` is the code it gave."""

    code = "role-refused"

    def __init__(self, role_code: str, message: str) -> None:
        super().__init__(message)
        self.role_code = role_code


class ControlClient:
    """One connection to one role, for any number of requests; used as a context."""

    def __init__(self, path: Path, timeout_s: float = 30) -> None:
        """Connect to `path`. Raises NotRunning when nobody answers there."""
        self._path = path
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise NotRunning(_why_not(path, error)) from error

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, verb: str, **arguments: object) -> Any:
        """The result of `verb`. Raises RoleRefused, or NotRunning when no answer comes."""
        line = json.dumps({"verb": verb, "arguments": arguments}) + "\n"
        try:
            self._socket.sendall(line.encode())
            answer = json.loads(self._read_line())
        except (OSError, ValueError) as error:
            raise NotRunning(f"{self._path.stem}: no answer to {verb!r} ({error})") from error
        if not answer.get("ok"):
            raise RoleRefused(answer.get("code", "unknown"), answer.get("message", "refused"))
        return answer.get("result")

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            received = self._socket.recv(256 * 1024)
            if not received:
                raise ConnectionError("the connection ended")
            self._buffer += received
            if len(self._buffer) > ANSWER_BYTES_MAX + 1:
                raise ConnectionError("the answer is too large")
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


def ask(path: Path, verb: str, timeout_s: float = 30, **arguments: object) -> Any:
    """Ask once; see ControlClient.ask."""
    with ControlClient(path, timeout_s) as client:
        return client.ask(verb, **arguments)


def _why_not(path: Path, error: OSError) -> str:
    name = path.stem
    if isinstance(error, PermissionError):
        return f"{name}: {path} may not be opened; become root or join the group lantai-ops"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"{name}: not running here (nobody answers at {path}); see `systemctl status`"
    return f"{name}: {path}: {error}"
