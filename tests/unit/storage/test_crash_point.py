"""A process dies at a crash point that was ordered, and at no other (storage/crash_point.py)."""

import os
import signal
from collections.abc import Iterator

import pytest

from storage.crash_point import NoSuchCrashPoint, crash_point, order_crash, ordered_crash


@pytest.fixture(autouse=True)
def no_order() -> Iterator[None]:
    yield
    order_crash("")


def outlived(order: str, passed: list[str]) -> bool:
    """Whether a process with this order lives on when it has passed all these."""
    process = os.fork()
    if process == 0:
        order_crash(order)
        for name in passed:
            crash_point(name)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


def test_without_an_order_every_point_is_passed() -> None:
    crash_point("intake.accepted")
    assert ordered_crash() == ""


def test_the_process_dies_at_the_point_that_was_ordered() -> None:
    assert not outlived("intake.accepted", ["intake.accepted"])
    assert outlived("intake.accepted", ["intake.claimed", "intake.stored"])


def test_the_process_dies_at_the_passage_that_was_ordered() -> None:
    assert outlived("intake.copy-proven:3", ["intake.copy-proven"] * 2)
    assert not outlived("intake.copy-proven:3", ["intake.copy-proven"] * 3)


def test_for_a_power_cut_the_process_stops_there_and_does_not_die() -> None:
    process = os.fork()
    if process == 0:
        order_crash("volume.published:2:stop")
        for _ in range(2):
            crash_point("volume.published")
        os._exit(7)
    _, status = os.waitpid(process, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(process, signal.SIGCONT)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 7


@pytest.mark.parametrize("order", ["intake.acepted", "intake.accepted:", "intake.accepted:0"])
def test_an_order_that_names_no_point_is_refused(order: str) -> None:
    with pytest.raises(NoSuchCrashPoint):
        order_crash(order)
    assert ordered_crash() == ""
