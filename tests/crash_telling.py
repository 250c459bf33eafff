"""Tell a story of a package while roles die in it, and see that it ends as if none had.

A case is a story (tests/crash_stories.py, tests/repair_stories.py) and the deaths in it, in order:
which process, at which point of storage/crash_point_names.py. Whoever died is started again, with
the order for its next death, and is helped by nobody. How it dies is the site's affair: by SIGKILL
(`KillSite`), or with the power of its machine (tests/power_site.py).
"""

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Protocol

from daemon.config import load_config
from daemon.control_client import NotRunning, ask
from daemon.demo.layout import DemoLayout
from daemon.demo.processes import Processes, lantai
from ingest_watch.return_folder import REHEARSAL
from storage.catalogue import answers
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Transfer
from storage.crash_point import VARIABLE
from tests.appliance import folders_of, instance_of, staged
from tests.crash_stories import Story

_LOOK_S = 0.03
# What is over may still be at its last point: a case without that death is given so long.
_GRACE_S = 0.7
_STARTING_S = 4.0
_DEATH_S_MAX = 90.0
# Nobody helps before the first death; where that never comes, somebody does in the end.
_ALONE_S = 8.0


@dataclass(frozen=True)
class Death:
    """Of one process, where it next (or for the n-th time) passes a point: `NAME:n`."""

    instance: str
    order: str

    @property
    def point(self) -> str:
        return self.order.partition(":")[0]

    @property
    def is_readers(self) -> bool:
        """Processes that open packages die of it, again and again; the intake goes on."""
        return self.point.startswith("reader.")


@dataclass(frozen=True)
class Case:
    """One story with its deaths; those of one process come in their order."""

    story: type[Story]
    deaths: tuple[Death, ...]

    @property
    def words(self) -> str:
        return f"{self.story.__name__} at {', '.join(death.order for death in self.deaths)}"


class Site(Protocol):
    """Where the roles run, and how they die."""

    @property
    def layout(self) -> DemoLayout: ...

    def order(self, instance: str, order: str) -> None:
        """Tell a running process where to die; nowhere by an empty text."""

    def is_struck(self, instance: str) -> bool:
        """Whether it has died of its order."""

    def revive(self, instance: str, order: str) -> None:
        """Start it again, as systemd would, with its next order."""


class KillSite:
    """An appliance whose roles are killed."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes

    @property
    def layout(self) -> DemoLayout:
        return self.processes.layout

    def order(self, instance: str, order: str) -> None:
        tell_where_to_die(self.layout, instance, order, lambda: self.is_struck(instance))

    def is_struck(self, instance: str) -> bool:
        try:
            status = self.processes.wait(instance, 0)
        except subprocess.TimeoutExpired:
            return False
        assert status == -signal.SIGKILL, f"{instance}: {self.processes.log_tail(instance)}"
        return True

    def revive(self, instance: str, order: str) -> None:
        start_with_order(self.processes, instance, order)


def tell_where_to_die(
    layout: DemoLayout, instance: str, order: str, is_dead: Callable[[], bool]
) -> None:
    """As soon as its control socket answers; not to a process that is dead already."""

    def told() -> bool:
        if is_dead():
            return True
        with suppress(NotRunning):
            ask(layout.socket(instance), "crash-at", point=order, timeout_s=10)
            return True
        return False

    wait_for(told, 60, f"{instance} that answers")


def start_with_order(processes: Processes, instance: str, order: str) -> None:
    """Start a role that is to die at `order`."""
    known = instance_of(processes.layout, instance)
    program = ("env", "LANTAI_DEBUG=1", f"{VARIABLE}={order}", *lantai())
    processes.start(replace(known, program=program))


def wait_for(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Look again and again; AssertionError when it never holds."""
    deadline = monotonic() + within_s
    while not condition():
        assert monotonic() < deadline, f"{what} did not come within {within_s} s"
        pause()


def pause() -> None:
    threading.Event().wait(_LOOK_S)


@dataclass
class Telling:
    """One case."""

    site: Site
    case: Case
    story: Story
    reached: list[Death] = field(default_factory=list)  # deaths that were died
    ordered: list[Death] = field(default_factory=list)  # of which a process was told
    recovered_s: list[float] = field(default_factory=list)  # from the last start to the end

    def __post_init__(self) -> None:
        self._words = f"{self.story.name}: {self.case.words}"
        self._left: dict[str, deque[Death]] = {}
        self._told = Told.nothing()
        for death in self.case.deaths:
            self._left.setdefault(death.instance, deque()).append(death)

    def begin(self) -> None:
        """What comes before; several tellings may begin before the first goes on."""
        self.story.before()

    def tell(self) -> None:
        """Kill, start again, and see that all is as if nothing had happened."""
        story = self.story
        wait_for(lambda: self._is_over(story.before_ends), 90, f"what is before {self._words}")
        for instance, left in self._left.items():
            self.ordered.append(left[0])
            self.site.order(instance, left[0].order)
        person = threading.Thread(target=story.act, daemon=True)
        person.start()
        self._live_through()
        person.join(_DEATH_S_MAX)
        self._told.expect_still(self.site.layout, [story])
        story.expect()

    def _live_through(self) -> None:
        began = monotonic()
        over_at: float | None = None
        started_at: float | None = None
        deadline = monotonic() + _DEATH_S_MAX
        while over_at is None or monotonic() < self._grace_until(over_at, started_at):
            struck = [instance for instance in self._left if self.site.is_struck(instance)]
            for instance in struck:
                self._after_death(instance)
                started_at = monotonic()
                deadline = started_at + _DEATH_S_MAX
            if self.reached or monotonic() > began + _ALONE_S:
                with suppress(NotRunning):
                    self.story.afterwards()
            is_over = not struck and self._is_over(self.story.ends)
            over_at = (over_at or monotonic()) if is_over else None
            assert monotonic() < deadline, f"{self._words}: {self.story.states()}, not its end"
            pause()
        if started_at is not None:
            self.recovered_s.append(over_at - started_at)
        self._calm_down()

    def _grace_until(self, over_at: float, started_at: float | None) -> float:
        """A death that is still due may come so late."""
        if not any(left and not left[0].is_readers for left in self._left.values()):
            return over_at
        return max(over_at + _GRACE_S, (started_at or 0.0) + _STARTING_S)

    def _after_death(self, instance: str) -> None:
        left = self._left[instance]
        assert left, f"{self._words}: {instance} died once more than it was told"
        death = left.popleft()
        if not self.reached:
            self.story.while_dead()
        self.reached.append(death)
        self._told = self._told.and_now(self.site.layout, self.story)
        self.ordered += list(left)[:1]
        self.site.revive(instance, left[0].order if left else "")

    def _calm_down(self) -> None:
        """Take back what was ordered and not reached; readers that died of it are counted."""
        for instance, left in self._left.items():
            if not left:
                continue
            if left[0].is_readers:
                self.reached.append(left.popleft())
            self.site.order(instance, "")
            if self.site.is_struck(instance):
                self._after_death(instance)

    def _is_over(self, ends: tuple[str, ...]) -> bool:
        """Every transfer has its end, and nothing more is to be done for it."""
        layout = self.site.layout
        transfers = self.story.transfers()
        return (
            self.story.states() == ends
            and all(each.closed_at for each in transfers if each.state.value == "stored")
            and not staged(layout)
            and not _owed(layout.config)
            and not any(folders_of(layout, "").returned.rglob("*.tmp"))
        )


@dataclass(frozen=True)
class Told:
    """What had been said at some moment: on record, and in return folders."""

    on_record: dict[tuple[int, str], tuple[str, bytes]]
    files: dict[Path, bytes]

    @classmethod
    def nothing(cls) -> "Told":
        return cls({}, {})

    def and_now(self, layout: DemoLayout, story: Story) -> "Told":
        """With what is said of one package at this moment."""
        now = told_of(layout, story.transfers(), story.source, story.name)
        return Told(self.on_record | now.on_record, self.files | now.files)

    def expect_still(self, layout: DemoLayout, stories: Iterable[Story]) -> None:
        """All of it still stands, byte for byte; files may have moved aside."""
        lying: set[bytes] = set()
        on_record: dict[tuple[int, str], tuple[str, bytes]] = {}
        for story in stories:
            now = told_of(layout, story.transfers(), story.source, story.name)
            lying |= set(now.files.values())
            on_record |= now.on_record
        assert self.on_record.items() <= on_record.items()
        assert [path for path, content in self.files.items() if content not in lying] == []


def told_of(layout: DemoLayout, transfers: Iterable[Transfer], source: str, name: str) -> Told:
    """Everything that was ever answered about one package."""
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        on_record = {
            (answer.transfer_id, answer.kind.value): (answer.body_sha256, bytes(answer.signature))
            for transfer in transfers
            for answer in catalogue.look(answers.of_transfer, transfer.id)
        }
    finally:
        catalogue.close()
    returned = folders_of(layout, source).returned
    lying = [path for path in returned.rglob("*") if path.is_file() and name in str(path)]
    # Samples are made anew, with their time, after each start; half-written files are none yet.
    files = [path for path in lying if path.suffix != ".tmp" and REHEARSAL not in path.parts]
    return Told(on_record, {path: path.read_bytes() for path in files})


def _owed(config: Path) -> bool:
    catalogue = Catalogue.open(load_config(config).catalogue.url)
    try:
        return bool(catalogue.look(answers.outbox))
    finally:
        catalogue.close()
