"""The life of a role's process: open, serve, beat, stop.

A role is a handful of parts, each a coroutine that runs for ever and beats. They live in one task
group: a part that ends or raises ends the process, and systemd starts it anew; only a catalogue
that is away is waited for, because its server may come back at any moment. READY=1 follows
recovery and self-tests; WATCHDOG=1 is sent from the same loop the parts run on, and only while
every part has beaten within its own limit (knowledge page on durability, §6 "Watchdog").
Builds no role itself: each daemon/roles/*.py has `build(config: Config) -> Role`.

Exit codes: 0 stopped as asked; 1 a part ended or failed (start again); 78 (EX_CONFIG, sysexits.h)
a refusal while opening, which starting again cannot mend.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from daemon.control import ControlRefused, ControlServer, Request, Verb
from daemon.notify import Notifier
from monitoring.health import Health, HealthServer, PartHealth
from monitoring.log import get_log
from monitoring.metrics import product_version
from replication.endpoints import TransportUnsafe
from storage.catalogue.errors import CatalogueUnavailable
from storage.crash_point import order_crash
from storage.errors import LantaiError, Refusal

log = get_log(__name__)

EXIT_STOPPED = 0
EXIT_FAILED = 1
EXIT_REFUSED = 78
# How long stopping may take; under the unit's TimeoutStopSec of two minutes.
STOP_S_MAX = 90.0
# The status sentence is refreshed so often; the watchdog may ask for more.
PULSE_S = 5.0
# Asked of systemd again and again while opening: recovery of a large volume takes its time.
OPENING_EXTENSION_S = 60.0
# How long a part that found the catalogue away waits before it begins anew.
CATALOGUE_AWAY_S = 5.0
BLOCK_S_MAX = 3600
# Raised while opening, these say that starting again cannot help.
FINAL = (Refusal, TransportUnsafe)


class PartEnded(LantaiError):
    """A part that should run for ever returned."""

    code = "part-ended"


class Part:
    """One long-running activity of a role, with its sentence and its heartbeat.

    `run(part)` must beat at least every `silence_s_max`, however little there is to do, and runs
    until it is cancelled.
    """

    def __init__(
        self,
        name: str,
        run: Callable[["Part"], Awaitable[None]],
        *,
        silence_s_max: float = 30,
        clock: Callable[[], float] = time.monotonic,
        away_s: float = CATALOGUE_AWAY_S,
    ) -> None:
        self._away_s = away_s
        self.name = name
        self.status = "starting"
        self._run = run
        self._silence_s_max = silence_s_max
        self._clock = clock
        self._beaten_at = clock()
        self._patient = 0
        self._running = False
        self._wait: Callable[[Part], Awaitable[None]] | None = None

    def begin_after(self, wait: Callable[["Part"], Awaitable[None]]) -> None:
        """Do nothing before `wait(part)` has returned; it beats for this part."""
        self._wait = wait

    def beat(self, status: str | None = None) -> None:
        """Say that this part makes progress, and what it is at."""
        self._beaten_at = self._clock()
        if status is not None:
            self.status = status

    async def pause(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Wait for `seconds` or until `wake` is set (and clear it), beating meanwhile."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            self.beat()
            wait = min(left, self._silence_s_max / 3)
            if wake is None:
                await asyncio.sleep(wait)
            elif await _is_set_within(wake, wait):
                wake.clear()
                break
        self.beat()

    @contextlib.contextmanager
    def patient(self, status: str) -> Iterator[None]:
        """While inside, silence is no fault: a slow disk must not become a loop of kills."""
        self.beat(status)
        self._patient += 1
        try:
            yield
        finally:
            self._patient -= 1
            self.beat()

    async def run(self) -> None:
        """Run for ever, anew when the catalogue was away. Raises PartEnded should it return."""
        self._running = True
        self.beat()
        try:
            if self._wait is not None:
                await self._wait(self)
            while await self._found_catalogue_away():
                await self.pause(self._away_s)
        finally:
            self._running = False
        raise PartEnded(f"the part {self.name} ended")

    async def _found_catalogue_away(self) -> bool:
        """Run, and say whether that ended because the catalogue did not answer."""
        away = ""
        try:
            await self._run(self)
        except* CatalogueUnavailable as reasons:
            away = str(reasons.exceptions[0])
        if away:
            log.warning("role.catalogue.away", part=self.name, reason=away)
            self.beat("Waiting for the catalogue 等待目录库")
        return bool(away)

    def health(self) -> PartHealth:
        """How it stands now."""
        age_s = self._clock() - self._beaten_at
        alive = self._running and (self._patient > 0 or age_s <= self._silence_s_max)
        return PartHealth(self.name, alive, round(age_s, 3), self.status)


@dataclass(frozen=True, slots=True)
class Work:
    """What an opened role does: its parts, and the verbs of its control socket.

    A verb named "status" adds its result as `detail` to the status that every role gives.
    """

    parts: tuple[Part, ...]
    verbs: Mapping[str, Verb] = field(default_factory=dict)


class Opening:
    """Handed to a role while it opens."""

    def __init__(self, stack: AsyncExitStack, say: Callable[[str], None]) -> None:
        self.stack = stack  # what is entered here is left in reverse order, after the parts
        self.say = say  # a sentence for `systemctl status`: "Recovering the journal"


@dataclass(frozen=True, slots=True)
class Role:
    """One role, ready to be opened.

    `open` does recovery and self-tests and returns the work; it may take long. A Refusal it raises
    ends the process with 78, anything else with 1. What may pass by itself (a peer not yet up)
    belongs into a part, not into `open`.
    """

    role: str
    name: str
    metrics_address: str
    registry: CollectorRegistry
    open: Callable[[Opening], Awaitable[Work]]


def run_role(role: Role, run_folder: Path, *, debug: bool = False) -> int:
    """Run until SIGTERM or SIGINT, or until a part ends; returns the exit code.

    For the main thread of a process of its own: should stopping take longer than STOP_S_MAX, the
    process is ended hard.
    """
    process = _Process(role, run_folder, debug=debug)
    try:
        return asyncio.run(process.run())
    finally:
        process.hard_end.cancel()


class _Process:
    """The state of one running role."""

    def __init__(self, role: Role, run_folder: Path, *, debug: bool) -> None:
        self._role = role
        self._notifier = Notifier()
        self._state = "starting"
        self._sentence = "Starting"
        self._was_ready = False
        self._work = Work(())
        self._stop = asyncio.Event()
        self._started_at = time.monotonic()
        self._verbs: dict[str, Verb] = {"status": self._answer_status}
        if debug:
            self._verbs |= {"block-loop": _block_loop, "crash-at": _crash_at}
        self._socket = run_folder / f"{role.name}.sock"
        # A thread, not a timer of the loop: it also ends a process whose loop is blocked.
        self.hard_end = threading.Timer(STOP_S_MAX, _end_hard)
        self.hard_end.daemon = True

    async def run(self) -> int:
        """Live until asked to stop or until something ends; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        log.info("role.starting", name=self._role.name, version=product_version())
        pulse = asyncio.create_task(self._pulse(), name="pulse")
        life = asyncio.create_task(self._live(), name="life")
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({life, stop, pulse}, return_when=asyncio.FIRST_COMPLETED)
        if pulse.done():
            log.error("role.pulse.failed", exc_info=pulse.exception())
        self._stopping()
        for task in (life, stop, pulse):
            task.cancel()
        outcome, *_others = await asyncio.gather(life, stop, pulse, return_exceptions=True)
        return self._exit_code(outcome)

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            role = self._role
            server = HealthServer(role.metrics_address, role.registry, self._health)
            await stack.enter_async_context(server)
            await stack.enter_async_context(ControlServer(self._socket, self._verbs))
            self._work = await role.open(Opening(stack, self._say))
            self._ready()
            try:
                async with asyncio.TaskGroup() as group:
                    for part in self._work.parts:
                        group.create_task(part.run(), name=part.name)
                raise PartEnded("a role without parts has nothing to do")
            finally:
                self._stopping()

    def _exit_code(self, outcome: object) -> int:
        """What the end of the life means; the reason is logged here and nowhere else."""
        name = self._role.name
        if isinstance(outcome, asyncio.CancelledError):
            log.info("role.stopped", name=name)
            return EXIT_STOPPED
        failures = outcome.exceptions if isinstance(outcome, BaseExceptionGroup) else [outcome]
        if self._was_ready or not isinstance(outcome, FINAL):
            for failure in failures:
                log.error("role.failed", name=name, exc_info=failure)
            return EXIT_FAILED
        log.error("role.refused", name=name, code=outcome.code, reason=str(outcome))
        return EXIT_REFUSED

    def _ready(self) -> None:
        self._verbs |= {
            verb: run for verb, run in self._work.verbs.items() if verb not in self._verbs
        }
        self._state = "running"
        self._was_ready = True
        self._notifier.ready(self._summary())
        self._notifier.alive()
        log.info("role.ready", name=self._role.name, after_s=round(self._age_s(), 3))

    def _stopping(self) -> None:
        if self._state == "stopping":
            return
        self._state = "stopping"
        self._say("Stopping")
        self._notifier.stopping("Stopping")
        self.hard_end.start()
        log.info("role.stopping", name=self._role.name)

    def _say(self, sentence: str) -> None:
        self._sentence = sentence
        self._notifier.status(sentence)

    async def _pulse(self) -> None:
        """Tell systemd how it goes; feed the watchdog while every part beats."""
        watchdog_s = self._notifier.watchdog_s
        period_s = PULSE_S if watchdog_s is None else min(PULSE_S, watchdog_s / 2)
        silent_before: set[str] = set()
        while True:
            if self._state == "starting":
                self._notifier.more_time(OPENING_EXTENSION_S)
            silent = {part.name for part in self._work.parts if not part.health().alive}
            for name in silent - silent_before:
                log.warning("role.part.silent", part=name)
            if self._state == "running" and not silent:
                self._notifier.alive()
                self._notifier.status(self._summary())
            silent_before = silent
            await asyncio.sleep(period_s)

    def _summary(self) -> str:
        parts = self._work.parts
        return " · ".join(f"{part.name}: {part.status}" for part in parts) or self._sentence

    def _health(self) -> Health:
        parts = tuple(part.health() for part in self._work.parts)
        return Health(self._role.role, self._role.name, self._state, parts)

    def _age_s(self) -> float:
        return time.monotonic() - self._started_at

    async def _answer_status(self, request: Request) -> dict[str, Any]:
        health = self._health()
        return {
            **asdict(health),
            "well": health.well,
            "sentence": self._summary() if self._state == "running" else self._sentence,
            "version": product_version(),
            "process_id": os.getpid(),
            "age_s": round(self._age_s(), 1),
            "detail": await self._detail(request),
        }

    async def _detail(self, request: Request) -> Any:
        ask = self._work.verbs.get("status")
        try:
            return await ask(request) if ask else None
        except LantaiError as error:
            # A role in trouble must still be able to say that it is.
            return {"code": error.code, "message": str(error)}


async def _block_loop(request: Request) -> str:
    """Block the event loop for so many seconds, as a bug would: the watchdog must end this."""
    seconds = request.number("seconds", BLOCK_S_MAX)
    if seconds > BLOCK_S_MAX:
        raise ControlRefused(f"at most {BLOCK_S_MAX} seconds")
    log.warning("role.loop.blocked", seconds=seconds)
    # After the answer has left.
    asyncio.get_running_loop().call_later(0.1, time.sleep, seconds)
    return f"blocking for {seconds} s"


async def _crash_at(request: Request) -> str:
    """Have this process die when it next passes a crash point: restarting it must be enough."""
    point = request.text("point")
    order_crash(point)
    log.warning("role.crash.ordered", point=point)
    return f"dies at {point}"


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _end_hard() -> None:
    log.error("role.stop.overdue", limit_s=STOP_S_MAX)
    os._exit(EXIT_FAILED)
