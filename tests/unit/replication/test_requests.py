"""How long a request is waited for, on a virtual clock."""

from random import Random
from typing import Any, cast

from replication.messages import Mended, Request, Status
from replication.peer_link import PeerLink
from replication.requests import SILENCE_S, Heard, Requests
from tests.simulation.scheduler import Process, Scheduler

DAY_S = 86_400.0
NUMBER = 7


class DumbLink:
    """Takes every request and says nothing."""

    async def send(self, request: Request, data: bytes | None) -> None:
        pass


class Asking:
    """One request on a link that stands, and how it ended."""

    def __init__(self) -> None:
        self.requests = Requests()
        self.scheduler = Scheduler(Random(0))
        self.ended: str = ""
        self._process = Process(self.scheduler, "keeper-1")
        self._process.start(self._ask())

    async def _ask(self) -> None:
        link = cast("PeerLink", cast("Any", DumbLink()))
        try:
            await self.requests.exchange(link, Status(NUMBER), None)
            self.ended = "answered"
        except TimeoutError:
            self.ended = "given up"

    def say_at(self, at_s: float, call: Any) -> None:
        self.scheduler.after(at_s, lambda: self._process.loop.call_soon(call))

    def run(self, until_s: float) -> str:
        self.scheduler.run(lambda: self.ended != "", until_s)
        return self.ended


def test_a_node_that_speaks_no_more_of_a_request_is_not_waited_for() -> None:
    asking = Asking()
    assert asking.run(SILENCE_S - 1) == ""
    assert asking.run(SILENCE_S + 1) == "given up"


def test_a_request_is_waited_for_as_long_as_the_node_says_it_is_at_work() -> None:
    asking = Asking()
    for at_s in range(10, int(DAY_S), 10):
        asking.say_at(at_s, lambda: asking.requests.worked_on(NUMBER))
    asking.say_at(DAY_S, lambda: asking.requests.answered(NUMBER, Heard(Mended(NUMBER, "x"), b"")))
    assert asking.run(DAY_S - 1) == ""
    assert asking.run(DAY_S + 1) == "answered"


def test_an_answer_that_was_lost_after_a_sign_of_work_is_given_up_too() -> None:
    asking = Asking()
    asking.say_at(30.0, lambda: asking.requests.worked_on(NUMBER))
    assert asking.run(SILENCE_S + 29) == ""
    assert asking.run(SILENCE_S + 31) == "given up"


def test_what_is_said_of_a_request_that_is_over_does_nothing() -> None:
    requests = Requests()
    requests.worked_on(NUMBER)
    requests.answered(NUMBER, Heard(Mended(NUMBER, "x"), b""))
    requests.fail(NUMBER, TimeoutError())
    assert requests.next_number() == 1
