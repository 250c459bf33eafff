"""Killed at each named step of a package's life: it ends once, as it would have, told the same.

storage/crash_point.py names the steps; tests/crash_stories.py has what packages go through.

1. An appliance of real processes runs, with a source for each kind of story.
2. Each case in turn: the intake is told where to die, a fresh package comes (or a person's order),
   the intake dies there and is started again, without any help.
3. Then each of its transfers has the one state it must have; each node has one object with the
   sender's bytes, or none; every answer on record or in the return folder at the crash is there
   byte for byte; the original is where it belongs; nothing is left in staging.

Each run takes every sixth case from a random first one; LANTAI_CRASH_STRIDE=1 takes them all (some
five minutes), and LANTAI_CRASH_ROUNDS says how often.
"""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.control_client import NotRunning, ask
from daemon.demo.layout import DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, lantai
from ingest_watch.return_folder import REHEARSAL
from storage.catalogue import answers, transfer_lists
from storage.catalogue.engine import Catalogue
from storage.crash_point import VARIABLE
from storage.crash_point_names import POINTS_OF_ROLE
from tests.appliance import folders_of, instance_of, staged
from tests.conftest import WaitUntil
from tests.crash_stories import (
    Again,
    Batched,
    Failed,
    Held,
    KillsReaders,
    LaterVersion,
    Lost,
    Marked,
    NeverWhole,
    Outside,
    Registered,
    Rehearsed,
    Rejected,
    RejectedThenMended,
    Released,
    SentBack,
    Story,
    add_sources,
)
from tests.fault_page import record_fault

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Case:
    """Where the intake dies, over which story; and where again, so often, once it is started."""

    point: str
    story: type[Story]
    again: str = ""
    times: int = 1

    @property
    def kills_again(self) -> bool:
        """Whether the intake dies at `again`; at points of readers only they do."""
        return bool(self.again) and not self.again.startswith("reader.")


CASES = (
    *(
        Case(point, Story)
        for point in (
            "intake.settled", "intake.claimed", "intake.staging", "worker.expecting",
            "intake.prepared", "intake.received-signed", "intake.accepted", "intake.writing",
            "intake.copy-proven", "intake.copy-proven:2", "intake.copy-proven:3",
            "intake.stored-signed", "catalogue.storing", "intake.stored",
            "durable.written", "durable.named", "durable.named:2", "durable.named:3",
            "durable.named:4", "durable.named:5", "durable.named:6", "durable.named:7",
            "delivery.signatures-written", "delivery.written", "delivery.marked",
            "delivery.original-moved", "delivery.staging-removed", "delivery.closed",
        )
    ),
    *(Case(point, KillsReaders) for point in ("reader.staged", "reader.judged", "reader.packed")),
    *(Case(point, Rejected) for point in ("intake.rejected-signed", "intake.rejected")),
    *(Case(point, Held) for point in ("intake.held-signed", "intake.held")),
    *(Case(point, Released) for point in ("decisions.released", "intake.accepted")),
    *(Case(point, SentBack) for point in ("decisions.reject-signed", "decisions.rejected")),
    *(Case(point, LaterVersion) for point in ("version.fetched", "version.built")),
    *(Case(point, Again) for point in ("duplicate.found", "duplicate.told")),
    *(
        Case(point, Batched)
        for point in (
            "worker.asking", "batch.divided", "intake.accepted:2", "intake.stored",
            "batch.rejoined", "intake.stored:3", "delivery.original-moved",
        )
    ),
    *(Case(point, Rehearsed) for point in ("rehearsal.judged", "rehearsal.told")),
    Case("intake.put-back", NeverWhole),
    Case("delivery.marker-moved", Marked),
    Case("earlier.moved", RejectedThenMended),
    Case("intake.writing", Story, "intake.taken-over", times=5),
    Case("catalogue.storing", Registered),
    Case("intake.stored", Registered, "decisions.registered"),
    Case("intake.copy-proven", Story, "intake.taken-up"),
    Case("intake.rejected", Rejected, "leftovers.cleared"),
    Case("intake.accepted", Lost, "intake.failed"),
    Case("intake.accepted", Lost, "decisions.retried"),
    Case("intake.accepted", Failed, "reader.verified"),
)  # fmt: skip


def chosen_cases(chance: random.Random) -> list[Case]:
    """What this run takes."""
    stride = int(os.environ.get("LANTAI_CRASH_STRIDE", "6"))
    first = chance.randrange(stride)
    print(f"first case {first}, stride {stride}")
    return list(CASES[first::stride])


def test_some_case_kills_at_each_point() -> None:
    reached = {case.point.partition(":")[0] for case in CASES} | {case.again for case in CASES}
    assert reached - {""} == set(POINTS_OF_ROLE["ingest"])


@pytest.mark.parametrize("debug", ["0", "1"])
def test_only_a_role_in_debug_looks_at_the_order_to_die(tmp_path: Path, debug: str) -> None:
    layout = lay_out(tmp_path / "a", DemoSettings())
    ended = subprocess.run(
        [*lantai(), "run", "ingest", "--config", str(layout.node_config("node-1"))],
        env={**os.environ, "LANTAI_DEBUG": debug, VARIABLE: "no-such-point"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "lantai:" in ended.stderr, "either refuses: this file has no [ingest]"
    assert ("is no crash point" in ended.stderr) is (debug == "1")


async def test_wherever_the_intake_is_killed_every_package_ends_once_and_is_told_the_same(
    tmp_path: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    monkeypatch.setenv("LANTAI_DEBUG", "1")
    layout = lay_out(tmp_path / "a", DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2))
    add_sources(layout)
    outside = Outside(layout, chance)
    with Processes(layout) as appliance:
        appliance.create_nodes()
        appliance.start_all(lambda _name: None)
        for turn in range(int(os.environ.get("LANTAI_CRASH_ROUNDS", "1"))):
            told = [
                Telling(appliance, case, case.story(outside, f"p{turn}-{number:02}"), wait_until)
                for number, case in enumerate(chosen_cases(chance))
            ]
            for each in told:
                each.story.before()
            for each in told:
                await each.has_begun()
            for each in told:
                await each.tell()
        assert set(appliance.stop_all().values()) == {0}
    record_fault(
        "F3",
        observed="killed at each named step: ended once, told the same byte for byte",
        figure=f"{len(CASES)} cases",
    )


class Telling:
    """One case."""

    def __init__(
        self, appliance: Processes, case: Case, story: Story, wait_until: WaitUntil
    ) -> None:
        self._appliance = appliance
        self._layout = appliance.layout
        self._case = case
        self._wait_until = wait_until
        self.story = story
        self._words = f"{story.name}: {story.__class__.__name__} at {case.point}"

    async def has_begun(self) -> None:
        """Whatever came before is over."""
        await self._wait_until(
            lambda: self._is_over(self.story.before_ends), 60, f"what is before {self._words}"
        )

    async def tell(self) -> None:
        """Kill, start again, and see that all is as if nothing had happened."""
        print(self._words, flush=True)
        story = self.story
        await self._crash_at(self._case.point)
        if not story.intake_dies:
            story.act()
            await self._until_it_is(story.ends)
            await self._crash_at("")
        else:
            await asyncio.to_thread(story.act)
            await self._has_died()
            told = told_so_far(self._appliance)
            story.while_dead()
            for _ in range(self._case.times if self._case.kills_again else 0):
                self._start(self._case.again)
                await self._has_died(story.afterwards)
            self._start("" if self._case.kills_again else self._case.again)
            await self._until_it_is(story.ends)
            expect_told(self._appliance, told)
        story.expect()

    async def _crash_at(self, point: str) -> None:
        def told() -> bool:
            try:
                ask(self._layout.socket("ingest"), "crash-at", point=point)
            except NotRunning:
                return False
            return True

        await self._wait_until(told, 30, "an intake that answers")

    async def _has_died(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        def died() -> bool:
            meanwhile()
            with suppress(subprocess.TimeoutExpired):
                return self._appliance.wait("ingest", 0) == -signal.SIGKILL
            return False

        await self._wait_until(died, 60, f"{self._words}: the intake's death")

    def _start(self, crash: str) -> None:
        instance = instance_of(self._layout, "ingest")
        program = ("env", f"{VARIABLE}={crash}", *lantai())
        self._appliance.start(replace(instance, program=program))

    async def _until_it_is(self, ends: tuple[str, ...]) -> None:
        """Every transfer has its end, and nothing more is to be done for it."""

        def is_over() -> bool:
            self.story.afterwards()
            return self._is_over(ends)

        await self._wait_until(is_over, 60, f"{self._words}: {ends}")

    def _is_over(self, ends: tuple[str, ...]) -> bool:
        stored = [each for each in self.story.transfers() if each.state.value == "stored"]
        return (
            self.story.states() == ends
            and all(each.closed_at for each in stored)
            and not staged(self._layout)
            and not _owed(self._layout.config)
            and not any(_returned(self._layout).rglob("*.tmp"))
        )


@dataclass(frozen=True)
class Told:
    """What had been said at some moment: on record, and in return folders."""

    on_record: dict[tuple[int, str], tuple[str, bytes]]
    files: dict[Path, bytes]


def told_so_far(appliance: Processes) -> Told:
    """Everything that was ever answered."""
    layout = appliance.layout
    catalogue = _catalogue(layout.config)
    try:
        on_record = {
            (answer.transfer_id, answer.kind.value): (answer.body_sha256, bytes(answer.signature))
            for transfer in catalogue.look(transfer_lists.page, limit=10_000)
            for answer in catalogue.look(answers.of_transfer, transfer.id)
        }
    finally:
        catalogue.close()
    lying = [path for path in _returned(layout).rglob("*") if path.is_file()]
    # Samples are made anew, with their time, after each start; half-written files are none yet.
    answers_lying = [
        path for path in lying if path.suffix != ".tmp" and REHEARSAL not in path.parts
    ]
    return Told(on_record, {path: path.read_bytes() for path in answers_lying})


def expect_told(appliance: Processes, before: Told) -> None:
    """All of it still stands, byte for byte; files may have moved aside."""
    now = told_so_far(appliance)
    assert before.on_record.items() <= now.on_record.items()
    lying = set(now.files.values())
    assert [path for path, content in before.files.items() if content not in lying] == []


def _returned(layout: DemoLayout) -> Path:
    """The return folders of all sources."""
    return folders_of(layout, "").returned


def _owed(config: Path) -> bool:
    catalogue = _catalogue(config)
    try:
        return bool(catalogue.look(answers.outbox))
    finally:
        catalogue.close()


def _catalogue(config: Path) -> Catalogue:
    return Catalogue.open(load_config(config).catalogue.url)
