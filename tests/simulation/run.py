"""Run one seed: build its world, strike it, wait until it is at rest, and say what was broken."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from tests.simulation.bugs import SOUND, Build
from tests.simulation.catalogue import CatalogueServer
from tests.simulation.faults import Faults
from tests.simulation.network import Network
from tests.simulation.options import draw
from tests.simulation.scheduler import Scheduler
from tests.simulation.story import Story, hear_the_product
from tests.simulation.truth import Truth, Violation
from tests.simulation.world import World

# How much virtual time an archive gets to come to rest once faults have ended.
CALM_S = 1500.0
_stories: list[Story] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed."""

    seed: int
    broken: tuple[str, ...]  # empty: everything held
    options: str
    story: tuple[str, ...]
    virtual_s: float
    cpu_s: float
    steps: int
    messages: int

    @property
    def is_clean(self) -> bool:
        return not self.broken


def run_seed(seed: int, build: Build = SOUND) -> Outcome:
    """One world, from its beginning to its end. The same seed gives the same story."""
    began_s = time.process_time()
    if not _stories:
        hear_the_product(_stories)
    random.seed(seed)  # the product spreads its retries by it
    chance = Random(seed)
    options = draw(chance)
    scheduler = Scheduler(chance)
    story = Story(scheduler)
    _stories[:] = [story]
    world = World(
        options, chance, build, scheduler, story, Network(scheduler, chance),
        Truth(options.copies), CatalogueServer(),
    )  # fmt: skip
    try:
        broken = _live(world)
    finally:
        world.end()
    return Outcome(
        seed, tuple(broken), options.text(), tuple(story.lines), scheduler.now,
        time.process_time() - began_s, scheduler.steps, world.network.messages,
    )  # fmt: skip


def _live(world: World) -> list[str]:
    faults = Faults(world)
    world.begin()
    faults.begin()
    truth, scheduler = world.truth, world.scheduler

    def is_broken() -> bool:
        return bool(truth.violations or scheduler.bugs or world.story.bugs)

    scheduler.run(is_broken, world.options.faults_s + 0.001)
    if not is_broken():
        limit_s = scheduler.now + CALM_S
        settled = scheduler.run(lambda: is_broken() or not world.unrest(), limit_s)
        if not settled:
            why = world.unrest()
            truth.violations.append(f"not at rest {CALM_S:g} s after faults ended: {why}")
    with suppress(Violation):  # it is on record
        truth.duplicates()
    return [*truth.violations, *scheduler.bugs, *world.story.bugs]
