"""Tell systemd how a role fares: the datagrams of sd_notify(3) and sd_watchdog_enabled(3).

Without NOTIFY_SOCKET every message is dropped, so that a role runs the same outside systemd.
Says what it is told; when the watchdog may be fed is lifecycle.py's affair.
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """The way to the service manager that started this process, if one did."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_* from `environment` (of this process)."""
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)  # None when no watchdog waits for us

    def ready(self, status: str) -> None:
        """The role serves; with its sentence."""
        self._send("READY=1", f"STATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """The sentence that `systemctl status` shows."""
        self._send(f"STATUS={_one_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def more_time(self, seconds: float) -> None:
        """Starting or stopping takes at least `seconds` more, from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def stopping(self, status: str) -> None:
        """The role is on its way down."""
        self._send("STOPPING=1", f"STATUS={_one_line(status)}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" is how the environment writes the NUL byte of an abstract address.
        address = self._address
        target = "\0" + address[1:] if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), target)
            except OSError:
                # A manager that does not listen must not stop an archive; the watchdog will tell.
                return


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or int(microseconds) == 0 or owner != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
