"""A role's life as systemd sees it: a real process, its signals, its datagrams, its exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from daemon.control_client import NotRunning, ask
from tests.fault_page import record_fault

ROLE = Path(__file__).with_name("role_under_test.py")
PROJECT = Path(__file__).parents[2]
# A Python starts in it, beside others.
WITHIN_S = 60


@dataclass
class Running:
    """A role's process, and what it told the service manager so far."""

    process: subprocess.Popen[str]
    notify: socket.socket
    folder: Path
    port: int
    told: list[str] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "role-1.sock"

    def was_told(self, line: str) -> bool:
        self.listen()
        return any(line in message.split("\n") for message in self.told)

    def listen(self) -> None:
        while True:
            try:
                self.told.append(self.notify.recv(4096).decode())
            except BlockingIOError:
                return

    def answers(self) -> bool:
        try:
            return bool(ask(self.socket, "status")["state"] == "running")
        except NotRunning:
            return False

    def end(self, within_s: float = WITHIN_S) -> int:
        return self.process.wait(within_s)


Start = Callable[..., Running]
WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Start]:
    started: list[Running] = []

    def start_role(behaviour: str, watchdog_s: float | None = None) -> Running:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(tmp_path / "notify"))
        notify.setblocking(False)
        environment = os.environ | {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "PYTHONPATH": str(PROJECT),
        }
        if watchdog_s:
            environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1_000_000))
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, str(ROLE), behaviour, str(tmp_path), f"127.0.0.1:{port}"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        running = Running(process, notify, tmp_path, port)
        started.append(running)
        return running

    yield start_role
    for running in started:
        running.process.kill()
        running.process.communicate()
        running.notify.close()


async def healthz(role: Running) -> int:
    url = f"http://127.0.0.1:{role.port}/healthz"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return answer.status


async def test_a_role_says_ready_answers_and_stops_cleanly_on_sigterm(
    start: Start, wait_until: WaitUntil
) -> None:
    role = start("beats")
    await wait_until(lambda: role.was_told("READY=1"), WITHIN_S)
    status = ask(role.socket, "status")
    assert (status["role"], status["name"], status["state"]) == ("test", "role-1", "running")
    assert status["well"] is True
    assert status["detail"] == {"objects": 7}
    assert status["parts"][0]["status"] == "sweeping"
    assert await healthz(role) == 200
    role.process.send_signal(signal.SIGTERM)
    assert role.end() == 0
    assert role.was_told("STOPPING=1")
    assert (role.folder / "closed").exists()
    assert not role.socket.exists()


@pytest.mark.parametrize("behaviour", ["raises", "returns"])
async def test_a_part_that_ends_ends_the_process_with_1(start: Start, behaviour: str) -> None:
    role = start(behaviour)
    assert role.end() == 1
    assert (role.folder / "closed").exists()
    assert role.process.stdout is not None
    events = [json.loads(line) for line in role.process.stdout]
    assert [event["level"] for event in events if event["event"] == "role.failed"] == ["error"]


async def test_a_refusal_while_opening_ends_with_78_and_is_never_ready(start: Start) -> None:
    role = start("refuses")
    assert role.end() == 78
    assert not role.was_told("READY=1")
    assert role.process.stdout is not None
    (event,) = [json.loads(line) for line in role.process.stdout if "role.refused" in line]
    assert event["code"] == "configuration-refused"
    assert event["reason"] == "the identity is another's"


async def test_the_watchdog_is_fed_while_the_parts_beat(
    start: Start, wait_until: WaitUntil
) -> None:
    role = start("beats", watchdog_s=0.4)
    await wait_until(lambda: role.was_told("READY=1"), WITHIN_S)

    def fed() -> bool:
        role.listen()
        return role.told.count("WATCHDOG=1") >= 5

    await wait_until(fed, WITHIN_S)


async def test_a_silent_part_starves_the_watchdog_and_is_not_well(
    start: Start, wait_until: WaitUntil
) -> None:
    role = start("silent", watchdog_s=0.4)
    await wait_until(role.answers, WITHIN_S)
    await wait_until(lambda: not ask(role.socket, "status")["well"], WITHIN_S)
    assert await healthz(role) == 503
    # Twenty more answers of a loop that turns, and not one datagram to the watchdog.
    role.listen()
    role.told.clear()
    started = ask(role.socket, "status")["age_s"]
    await wait_until(lambda: ask(role.socket, "status")["age_s"] > started + 1, WITHIN_S)
    assert not role.was_told("WATCHDOG=1")


async def test_a_blocked_loop_neither_answers_nor_feeds_the_watchdog(
    start: Start, wait_until: WaitUntil
) -> None:
    role = start("beats", watchdog_s=0.2)
    await wait_until(role.answers, WITHIN_S)
    assert ask(role.socket, "block-loop", seconds=60) == "blocking for 60 s"

    def deaf() -> bool:
        try:
            ask(role.socket, "status", 5)  # a loop that turns answers, however busy the machine
        except NotRunning:
            return True
        return False

    await wait_until(deaf, WITHIN_S)
    role.listen()
    role.told.clear()
    assert deaf()
    assert not role.was_told("WATCHDOG=1")
    record_fault("F40", observed="no answer, and nothing to the watchdog")
