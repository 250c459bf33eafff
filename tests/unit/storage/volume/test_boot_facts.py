"""What has changed since a volume was last opened, and how long others wait for its disk."""

from pathlib import Path

import pytest

from storage.sweep.model import ForegroundLoad, Reason
from storage.volume.boot_facts import BootFacts, LastOpening, changes_since, present_facts
from storage.volume.foreground import ForegroundMeter

FACTS = BootFacts("6.1.0", "wwid: naa.1", "1.0")


@pytest.mark.parametrize(
    ("last", "reasons"),
    [
        (None, []),
        (LastOpening(closed=True, facts=FACTS), []),
        (LastOpening(closed=False, facts=FACTS), [Reason.UNCLEAN_STOP]),
        (LastOpening(True, BootFacts("6.0.0", "wwid: naa.1", "1.0")), [Reason.KERNEL_CHANGED]),
        (LastOpening(True, BootFacts("6.1.0", "wwid: naa.2", "1.0")), [Reason.DEVICE_CHANGED]),
        (LastOpening(True, BootFacts("6.1.0", "wwid: naa.1", "0.9")), [Reason.SOFTWARE_CHANGED]),
        (LastOpening(True, BootFacts("6.1.0", "", "1.0")), []),
        (
            LastOpening(False, BootFacts("a", "b", "c")),
            [
                Reason.UNCLEAN_STOP,
                Reason.DEVICE_CHANGED,
                Reason.KERNEL_CHANGED,
                Reason.SOFTWARE_CHANGED,
            ],
        ),
    ],
)
def test_each_change_is_told_and_what_is_not_known_is_none(
    last: LastOpening | None, reasons: list[Reason]
) -> None:
    assert changes_since(last, FACTS) == reasons


def test_what_cannot_be_read_now_is_no_change() -> None:
    assert changes_since(LastOpening(True, FACTS), BootFacts("6.1.0", "", "")) == []


def test_the_same_machine_gives_the_same_facts(tmp_path: Path) -> None:
    facts = present_facts(tmp_path)
    assert facts == present_facts(tmp_path)
    assert facts.kernel
    assert facts.software


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_how_long_others_wait_is_a_moving_mean_and_forgotten_when_it_is_quiet() -> None:
    clock = Clock()
    meter = ForegroundMeter(clock)
    assert meter.load() == ForegroundLoad(0, 0)
    for seconds in (0.1, 0.1, 0.6):
        with meter.reading():
            clock.now_s += seconds
    with meter.committing():
        clock.now_s += 1
    load = meter.load()
    assert load.read_latency_s == pytest.approx(0.2)
    assert load.commit_latency_s == pytest.approx(1)
    clock.now_s += 2.5
    assert meter.load() == ForegroundLoad(0, 0)


def test_reads_that_the_disk_refuses_are_counted() -> None:
    meter = ForegroundMeter()
    for _ in range(3):
        with pytest.raises(OSError, match="refused"), meter.reading():
            raise OSError(5, "refused")
    assert meter.io_errors() == 3
