"""Have files scanned by ClamAV's daemon on this machine, by descriptor over its Unix socket.

clamd(8): `zVERSION`, `zFILDES` with the descriptor in ancillary data, so that clamd needs no right
to our files. clamd says OK to a file larger than its limits unless `AlertExceedsMax yes` is set.
Files beyond 2 GiB, where its engine ends, are never asked about; what it says exceeded a limit is
not scanned. Decides nothing about packages.
"""

import array
import os
import re
import socket
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from ingest_watch.instruments import TOO_LARGE, Scanned

# The engine's own end, whatever MaxFileSize says.
SCAN_BYTES_MAX = 2 * 1024**3 - 1
_TIMEOUT_S = 300.0
# So soon it is noticed that nobody waits for the answer any more.
_LOOK_S = 1.0
_ANSWER_BYTES_MAX = 4096
_LIMIT_EXCEEDED = "Heuristics.Limits.Exceeded"
_ENCRYPTED = "Heuristics.Encrypted"
# "ClamAV 1.4.6/27824/Sat Nov 21 09:12:44 2026"; without a data base of its own: "ClamAV 1.4.6".
_DATED = re.compile(r"^[^/]+/\d+/\w{3} (\w{3} +\d{1,2} [\d:]{8} \d{4})")


class Clamd:
    """One clamd."""

    def __init__(self, socket_path: Path, is_given_up: Callable[[], bool] = lambda: False) -> None:
        """`is_given_up` is asked while clamd is at work; if so, its answer is not waited for."""
        self._socket_path = socket_path
        self._is_given_up = is_given_up

    def version(self) -> tuple[str, date | None]:
        """What it calls itself, and the day its signatures were made. Raises OSError."""
        said = self._ask(b"zVERSION\0")
        dated = _DATED.match(said)
        if dated is None:
            return said, None
        made_at = datetime.strptime(dated[1], "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
        return said, made_at.date()

    def scan(self, descriptor: int) -> Scanned:
        """Have an open file scanned. Raises OSError when clamd is away."""
        if os.fstat(descriptor).st_size > SCAN_BYTES_MAX:
            return Scanned(is_clean=False, unscanned=TOO_LARGE)
        said = self._ask(b"zFILDES\0", descriptor)
        verdict = said.partition(": ")[2]
        if verdict == "OK":
            return Scanned(is_clean=True)
        if not verdict.endswith(" FOUND"):
            return Scanned(is_clean=False, unscanned="the scanner failed on it 杀毒软件检测失败")
        signature = verdict.removesuffix(" FOUND")
        if signature.startswith(_LIMIT_EXCEEDED):
            return Scanned(is_clean=False, unscanned=TOO_LARGE)
        if signature.startswith(_ENCRYPTED):
            return Scanned(is_clean=False, unscanned="it is encrypted 文件已加密")
        return Scanned(is_clean=False, signature=signature)

    def _ask(self, command: bytes, descriptor: int | None = None) -> str:
        """One session, one question."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_LOOK_S)
            connection.connect(str(self._socket_path))
            connection.sendall(command)
            if descriptor is not None:
                rights = array.array("i", [descriptor])
                connection.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            answer = b""
            while not answer.endswith(b"\0") and len(answer) < _ANSWER_BYTES_MAX:
                piece = self._received(connection)
                if not piece:
                    break
                answer += piece
        if not answer:
            raise ConnectionResetError("clamd closed the connection without an answer")
        return answer.rstrip(b"\0\n").decode("utf-8", "replace")

    def _received(self, connection: socket.socket) -> bytes:
        over_at_s = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                return connection.recv(_ANSWER_BYTES_MAX)
            except TimeoutError:
                if self._is_given_up() or time.monotonic() > over_at_s:
                    raise
