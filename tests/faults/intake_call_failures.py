"""Take one package in again and again, each time with one system call of the intake made to fail.

A call on a file of the drop folder, the staging, the catalogue, the return folder or `accepted/`
fails (tests/failing_calls.py says how), whoever made it. Whatever comes of it, a stored receipt
lies in the return folder only when every node holds the package; and another life of the intake,
with a catalogue opened anew, brings it to its end; after an order of a person where the first life
gave it up as failed. Arguments: FOLDER HOW ERRNO FIRST STRIDE.
Prints a line of JSON for each k; the last says that no call failed any more.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Actor
from storage.catalogue.writer import CatalogueWriter
from tests.conftest import ask_until
from tests.failing_calls import FailingCalls, How
from tests.faults import call_runs
from tests.faults.call_runs import Told
from tests.intake_world import IntakeWorld, intake_world, send, states

NAME = "case-1"
PERSON = Actor("wang", "control socket")
# So many looks of a second life; the first ones may find work that waits for its time.
LOOKS_MAX = 5


def tell(folder: Path, told: Told, how: How, error: int) -> None:
    """One run."""
    asyncio.run(two_lives(folder, told, how, error))
    told.answers = {NAME: ""}


async def two_lives(folder: Path, told: Told, how: How, error: int) -> None:
    """The first, in which a call fails; then the second."""
    calls = FailingCalls()
    async with intake_world(folder, ask_until) as world:
        send(world, NAME)
        calls.arm(folder, how, told.step, error)
        try:
            async with world.intake() as running:
                await running.look()
                await running.settle_down()
        except Exception as ended:  # noqa: BLE001 (whatever ends a process; it is started again)
            told.error = repr(ended)
        told.hit = calls.hit
        calls.disarm()
        expect_no_lie(world)
        async with AsyncExitStack() as stack:
            catalogue = Catalogue.open(f"sqlite:///{folder}/catalogue.sqlite")
            stack.callback(catalogue.close)
            writer = await stack.enter_async_context(CatalogueWriter(catalogue))
            await come_to_the_end(replace(world, catalogue=writer), told)


async def come_to_the_end(world: IntakeWorld, told: Told) -> None:
    """A life in which nothing fails. What is left in staging goes when the role starts."""
    async with world.intake() as running:
        for _ in range(LOOKS_MAX):
            await running.look()
            await running.settle_down()
            if await states(world) == ["failed"]:
                # A copy of our own could not be read: an alert, and a person's order to try again.
                told.state = "failed, tried again"
                await running.decisions.retry(1, "the disk is well", PERSON)
                await running.intake.resume()
            if world.answers(NAME) == {"received", "stored"} and not list(world.drop.iterdir()):
                break
    told.state = told.state or ", ".join(await states(world))
    expect_no_lie(world)
    assert world.answers(NAME) == {"received", "stored"}, (world.answers(NAME), told.state)
    assert await states(world) == ["stored"]
    assert [path.name for path in world.accepted.rglob(NAME)] == [NAME]


def expect_no_lie(world: IntakeWorld) -> None:
    """A receipt only with all copies; and the original is somewhere, whatever happened."""
    held = [len(node.objects) for node in world.nodes]
    if "stored" in world.answers(NAME):
        assert held == [1, 1, 1], f"a stored receipt, and copies {held}"
    places = (world.drop / NAME, *world.accepted.rglob(NAME))
    assert any(place.exists() for place in places), "the original is gone"


def begin() -> None:
    """From the command line."""
    call_runs.begin(tell)
