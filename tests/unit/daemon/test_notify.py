"""sd_notify: what the service manager's socket really receives."""

import os
import socket
from pathlib import Path

import pytest

from daemon.notify import Notifier


def manager(address: str | bytes) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(address)
    receiver.settimeout(5)
    return receiver


def test_each_message_is_one_datagram_with_its_sentence_on_one_line(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")) as receiver:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready("接收:\n 3 个文件")
        assert receiver.recv(4096).decode() == "READY=1\nSTATUS=接收: 3 个文件"
        notifier.alive()
        assert receiver.recv(4096) == b"WATCHDOG=1"
        notifier.more_time(1.5)
        assert receiver.recv(4096) == b"EXTEND_TIMEOUT_USEC=1500000"
        notifier.stopping("Stopping")
        assert receiver.recv(4096) == b"STOPPING=1\nSTATUS=Stopping"


def test_an_abstract_address_works_too() -> None:
    name = f"lantai-test-{os.getpid()}"
    with manager(b"\0" + name.encode()) as receiver:
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).status("well")
        assert receiver.recv(4096) == b"STATUS=well"


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).alive()
    Notifier({}).alive()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_this_process_s_or_nobody_s(
    environment: dict[str, str], expected: float | None
) -> None:
    assert Notifier(environment).watchdog_s == expected
