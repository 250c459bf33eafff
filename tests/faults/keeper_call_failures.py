"""Lead an archive that needs a keeper again and again, each time with one call made to fail.

A call on the catalogue's files fails (tests/failing_calls.py says how): node-1 has a rotten copy
and says so, node-2 has forgotten one and does not, and a person's order waits. Whatever comes of
it, no good copy is touched; and another life of the keeper, with a catalogue opened anew, has both
put right, once each, and the order ended. Arguments: FOLDER HOW ERRNO FIRST STRIDE.
Prints a line of JSON for each k; the last says that no call failed any more.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from replication.keeper import Keeper
from replication.repair import Repair, RepairLimits
from storage.catalogue import acts, copies, findings, orders
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Actor, CopyState, OrderState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.sweep.recording import record_checks
from tests.failing_calls import FailingCalls, How
from tests.faults import call_runs
from tests.faults.call_runs import Told
from tests.repair_world import NODES, WIDE, RepairWorld, repair_world
from tests.volume_packages import make_package

ROTTEN, FORGOTTEN = "lantai:gov/rotten", "lantai:gov/forgotten"
PERSON = Actor("wang", "control socket")
PUT_RIGHT = ("copy.mended", "copy.verified")
LEASE_S = 60
# So many rounds of a second life: a mend that failed is tried again after a pause.
ROUNDS_MAX = 5


class LivingKeeper:
    """One life of a keeper process; `now` of a later life is later than its predecessor's lease."""

    def __init__(self, world: RepairWorld, catalogue: CatalogueWriter, life: int) -> None:
        self._later = timedelta(days=life)
        limits = RepairLimits(4, WIDE)
        self._repair = Repair(catalogue, world.clients, world.keeper_key, limits, self._now)
        self._keeper = Keeper(
            catalogue, world.clients, self._repair, f"keeper@{life}", LEASE_S, self._now
        )

    async def __aenter__(self) -> "LivingKeeper":
        return self

    async def __aexit__(self, *_how: object) -> None:
        await self._repair.close()

    async def round(self) -> None:
        """What the role's parts do in turn."""
        assert await self._keeper.hold_lease()
        await self._keeper.hear()
        await self._keeper.compare()
        await self._keeper.mend()
        self._later += timedelta(hours=1)  # no pause of the plan is waited for

    async def end(self) -> None:
        """As a clean stop."""
        await self._keeper.release()

    def _now(self) -> datetime:
        return now() + self._later


def tell(folder: Path, told: Told, how: How, error: int) -> None:
    """One run."""
    asyncio.run(two_lives(folder, told, how, error))
    told.answers = {ROTTEN: "", FORGOTTEN: ""}


async def two_lives(folder: Path, told: Told, how: How, error: int) -> None:
    """The first, in which a call fails; then the second."""
    calls = FailingCalls()
    async with repair_world(folder) as world:
        await world.store(make_package({"received/a": b"a"}, name) for name in (ROTTEN, FORGOTTEN))
        good = {each: world.fingerprint(*each) for each in product(NODES, (ROTTEN, FORGOTTEN))}
        need_a_keeper(world)
        await world.catalogue.do(orders.place, "sweep.start", "{}", PERSON, to_text(now()))
        calls.arm(folder / "catalogue.sqlite", how, told.step, error)
        try:
            async with LivingKeeper(world, world.catalogue, 0) as keeper:
                await keeper.round()
                await keeper.round()
                await keeper.end()
        except Exception as ended:  # noqa: BLE001 (whatever ends a process; it is started again)
            told.error = repr(ended)
        told.hit = calls.hit
        calls.disarm()
        told.state = ", ".join(wanting(world, good)) or "mended"
        async with AsyncExitStack() as stack:
            catalogue = Catalogue.open(f"sqlite:///{folder}/catalogue.sqlite")
            stack.callback(catalogue.close)
            writer = await stack.enter_async_context(CatalogueWriter(catalogue))
            await come_to_the_end(world, writer)
            assert not wanting(world, good)
            await expect_the_record(writer)


def need_a_keeper(world: RepairWorld) -> None:
    """What goes wrong on the nodes."""
    rotten, forgetful = world.nodes["node-1"], world.nodes["node-2"]
    victim = rotten.folder(ROTTEN) / "v1/content/received/a"
    victim.chmod(0o640)
    victim.write_bytes(b"b")
    record_checks(rotten.volume, [rotten.check(ROTTEN)], to_text(now()))
    forgetful.forget(FORGOTTEN)


def wanting(world: RepairWorld, good: Mapping[tuple[str, str], Mapping[str, bytes]]) -> list[str]:
    """Who still needs a mend. Nobody else's copy may be other than it was."""
    bad = [each for each, then in good.items() if world.fingerprint(*each) != then]
    assert set(bad) <= {("node-1", ROTTEN), ("node-2", FORGOTTEN)}, bad
    return [object_id.rpartition("/")[2] for _, object_id in bad]


async def come_to_the_end(world: RepairWorld, catalogue: CatalogueWriter) -> None:
    """A life in which nothing fails."""
    async with LivingKeeper(world, catalogue, 1) as keeper:
        for _ in range(ROUNDS_MAX):
            await keeper.round()
            if not await catalogue.look(findings.still_open):
                break
        await keeper.end()


async def expect_the_record(catalogue: CatalogueWriter) -> None:
    """Every copy counts again, by one act each, and the order came to an end.

    A mend that the keeper could not note is found well by the next comparison.
    """
    assert not await catalogue.look(findings.still_open)
    for package in (1, 2):
        held = await catalogue.look(copies.of_package, package)
        assert {copy.state for copy in held} == {CopyState.COMMITTED}, held
    listed = await catalogue.look(acts.page, limit=1000)
    put_right = Counter(each.object_id for each in listed if each.event.act in PUT_RIGHT)
    assert put_right == {ROTTEN: 1, FORGOTTEN: 1}, put_right
    (order,) = await catalogue.look(orders.page)
    assert order.state in {OrderState.DONE, OrderState.FAILED}, order


def now() -> datetime:
    return datetime.now(UTC)


def begin() -> None:
    """From the command line."""
    call_runs.begin(tell)
