"""Control sockets: how `lantai` talks to a role on the same host.

A Unix stream socket; one JSON object a line each way (docs/operations/control.md): request
{"verb", "arguments"}, answer {"ok": true, "result"} or {"ok": false, "code", "message"}. Who asks
is what the kernel says (SO_PEERCRED, SO_PEERGROUPS of unix(7), socket(7)): root, the role's own
user, or a member of lantai-ops. Knows no verb itself; roles bring theirs.
"""

import asyncio
import contextlib
import grp
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.log import get_log
from storage.errors import LantaiError, Refusal

log = get_log(__name__)

OPERATORS_GROUP = "lantai-ops"
REQUEST_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 4 * 1024 * 1024  # 1 MiB of content in base64, with room
CONNECTIONS_MAX = 32
IDLE_S_MAX = 60.0
# Asked all the time and changing nothing: not worth a line in the log.
QUIET_VERBS = frozenset(
    {
        "status",
        "packages",
        "package",
        "files",
        "read",
        "transfers",
        "sweep-status",
        "audit-status",
        "nodes",
        "node-show",
        "audit-order",
    }
)
SO_PEERGROUPS = 59  # socket(7); Python has no name for it
GROUPS_MAX = 256  # as many as Python lets getsockopt return


class ControlRefused(Refusal):
    """A control request that cannot be answered: malformed, unknown, or from the wrong person."""

    code = "control-refused"


class SocketTaken(Refusal):
    """Another process already answers at this control socket."""

    code = "already-running"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the kernel says."""

    user_id: int
    process_id: int
    user_name: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its size bounded and its caller allowed."""

    verb: str
    arguments: Mapping[str, Any]
    caller: Caller

    def text(self, name: str, default: str | None = None) -> str:
        """The argument `name`. Raises ControlRefused when it is missing or not text."""
        value = self.arguments.get(name, default)
        if not isinstance(value, str):
            raise ControlRefused(f"{self.verb}: the argument {name!r} must be text")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """The argument `name`. Raises ControlRefused when it is not a number of at least 0."""
        value = self.arguments.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ControlRefused(f"{self.verb}: the argument {name!r} must be a number from 0 on")
        return value


# Whatever a verb returns must be JSON; it may raise LantaiError, which the caller is told.
Verb = Callable[[Request], Awaitable[Any]]


class ControlServer:
    """Answers one role's verbs at `path`; used as an async context."""

    def __init__(self, path: Path, verbs: dict[str, Verb]) -> None:
        """Verbs may be added to `verbs` while it serves."""
        self._path = path
        self._verbs = verbs
        self._connections = 0

    async def __aenter__(self) -> "ControlServer":
        """Listen. Raises SocketTaken if another process already answers there."""
        listener = _bind(self._path)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=REQUEST_BYTES_MAX
        )
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError):
            log.debug("control.connection.lost")
        except Exception:  # top of a part: one connection must not end the role
            log.exception("control.connection.failed")
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refusal, caller = self._admit(writer.get_extra_info("socket"))
        if refusal:
            await _send(writer, _refused(refusal))
            return
        while True:
            async with asyncio.timeout(IDLE_S_MAX):
                try:
                    line = await reader.readline()
                except ValueError:
                    too_long = f"a request is at most {REQUEST_BYTES_MAX} bytes"
                    await _send(writer, _refused(ControlRefused(too_long)))
                    return
            if not line:
                return
            await _send(writer, await self._answer(line, caller))

    def _admit(self, connection: socket.socket) -> tuple[Refusal | None, Caller]:
        caller, groups = _peer(connection)
        if self._connections > CONNECTIONS_MAX:
            return ControlRefused("too many connections; try again"), caller
        if not _may_ask(caller.user_id, groups):
            log.warning("control.caller.refused", user_id=caller.user_id)
            return (
                ControlRefused(
                    f"{caller.user_name} may not ask: become root or join the group"
                    f" {OPERATORS_GROUP}. 无权操作,请加入 {OPERATORS_GROUP} 组。"
                ),
                caller,
            )
        return None, caller

    async def _answer(self, line: bytes, caller: Caller) -> dict[str, Any]:
        try:
            request = _parse(line, caller)
            verb = self._verb(request.verb)
            if request.verb not in QUIET_VERBS:
                log.info("control.asked", verb=request.verb, user=caller.user_name)
            return {"ok": True, "result": await verb(request)}
        except LantaiError as error:
            return _refused(error)
        except Exception:  # top of a part: a verb's bug must not end the role
            log.exception("control.verb.failed")
            return {
                "ok": False,
                "code": "internal",
                "message": "an internal error; the role's log (journalctl) has it",
            }

    def _verb(self, name: str) -> Verb:
        if name not in self._verbs:
            known = ", ".join(sorted(self._verbs))
            raise ControlRefused(f"no verb {name!r} here; there are: {known}")
        return self._verbs[name]


def _parse(line: bytes, caller: Caller) -> Request:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise ControlRefused("a request is one line of JSON") from error
    if (
        not isinstance(body, dict)
        or not isinstance(body.get("verb"), str)
        or not isinstance(body.get("arguments", {}), dict)
        or not body.keys() <= {"verb", "arguments"}
    ):
        raise ControlRefused('a request is {"verb": text, "arguments": {…}}')
    return Request(body["verb"], body.get("arguments", {}), caller)


def _refused(error: LantaiError) -> dict[str, Any]:
    return {"ok": False, "code": error.code, "message": str(error)}


async def _send(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    line = _encode(answer)
    if len(line) > ANSWER_BYTES_MAX:
        line = _encode(_refused(ControlRefused("the answer is too large; ask for less")))
    writer.write(line)
    async with asyncio.timeout(IDLE_S_MAX):
        await writer.drain()


def _encode(answer: dict[str, Any]) -> bytes:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate (a raw byte of a file's name) travels as its JSON escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _bind(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(str(path))
        # Before listen(), so that nobody connects while the mode is not yet right.
        path.chmod(0o660)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(OPERATORS_GROUP).gr_gid)
        listener.listen(CONNECTIONS_MAX)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove what a killed process left. Raises SocketTaken if a living one listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise SocketTaken(f"{path}: another process answers there; is the role already running?")


def _peer(connection: socket.socket) -> tuple[Caller, frozenset[int]]:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process_id, user_id, group_id = struct.unpack("3i", raw)
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * GROUPS_MAX)
    except OSError:
        groups = b""  # a kernel before 4.13, or too many groups: the primary one decides
    all_groups = frozenset({group_id, *struct.unpack(f"{len(groups) // 4}i", groups)})
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:
        name = f"uid {user_id}"
    return Caller(user_id, process_id, name), all_groups


def _may_ask(user_id: int, groups: frozenset[int]) -> bool:
    if user_id in (0, os.geteuid()):
        return True
    try:
        return grp.getgrnam(OPERATORS_GROUP).gr_gid in groups
    except KeyError:
        return False
