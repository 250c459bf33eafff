"""The lower half of the damage matrix: a node's journal and index, and the catalogue's rows.

They are no copies of each other, so it makes no difference on how many nodes they are damaged.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.comparison import Comparison
from storage.signing import SigningKey
from storage.sweep.model import DamageKind, SweepCycle
from storage.volume.volume import Volume
from tests.damage import RENAMED_SUFFIX, STRAY_SUFFIX, DamageCase, damage
from tests.damage_page import PAGE, RECORDS_HEADING, Outcome, records_text
from tests.fault_page import record_fault
from tests.repair_world import NODES, RepairWorld, repair_world
from tests.volume_packages import make_package, new_volume, store

AT = "2026-11-22T08:00:00.000000Z"
OTHER = "e" * 64


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    key = SigningKey.generate()
    volume = new_volume(tmp_path / "volume", key)
    yield volume
    volume.close()


async def fill(volume: Volume) -> None:
    """Three objects, and a journal of more than 64 KiB."""
    for number in range(3):
        await store(volume, make_package({"received/a": b"a"}, f"lantai:s/{number}"))
    for number in range(600):
        volume.keep_sweep_cycle(SweepCycle(number + 1, AT, AT))
    with sqlite3.connect(volume.settings.index) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def look(volume: Volume) -> set[DamageKind]:
    """What one sweep finds of the records, and does about it."""
    found = volume.records_check()(lambda _read_bytes: None)
    volume.settle_records(found, AT)
    return {each.kind for each in found}


async def journal_outcome(volume: Volume, case: DamageCase) -> Outcome:
    segment = volume.settings.journal / "00000001.log"
    damage(case, segment, 3000)
    left = {path.name: path.read_bytes() for path in volume.settings.journal.iterdir()}
    if not (found := look(volume)):
        assert case is DamageCase.EXTENSION, case
        await store(volume, make_package({"received/a": b"a"}, "lantai:s/later"))
        assert look(volume) == set()  # what hung behind the end was written over
        return Outcome.HARMLESS
    assert found == {DamageKind.JOURNAL_DAMAGED}
    assert volume.state().message.startswith("journal-damaged")
    for name, content in left.items():
        # Nothing of it was changed; the finding itself was appended where the journal went on.
        assert (volume.settings.journal / name).read_bytes()[: len(content)] == content
    assert len(volume.objects("", 10)) == 3
    return Outcome.CALLED


async def index_outcome(volume: Volume, case: DamageCase) -> Outcome:
    before = volume.objects("", 10)
    index = volume.settings.index
    place = index.read_bytes().find(before[1].inventory_sha256.encode())
    assert place > 0
    damage(case, index, place)
    beside = [index.with_name(index.name + each) for each in (RENAMED_SUFFIX, STRAY_SUFFIX)]
    found = look(volume)
    assert found <= {DamageKind.INDEX_DAMAGED}
    after = volume.objects("", 10)
    digests = [(each.object_id, each.inventory_sha256) for each in before]
    assert [(each.object_id, each.inventory_sha256) for each in after] == digests
    assert look(volume) == set()
    assert volume.open_findings("") == []
    await store(volume, make_package({"received/a": b"a"}, "lantai:s/later"))
    for each in beside:
        each.unlink(missing_ok=True)
    return Outcome.RENEWED if found else Outcome.HARMLESS


@pytest.mark.parametrize("case", list(DamageCase))
async def test_damage_to_the_journal_is_found_and_nothing_is_touched(
    volume: Volume, case: DamageCase
) -> None:
    await fill(volume)
    outcome = await journal_outcome(volume, case)
    assert_page_says("journal", case, outcome)
    record_fault("F25", observed="journal: found and called for, never cut off in its middle")


@pytest.mark.parametrize("case", list(DamageCase))
async def test_damage_to_the_index_is_found_and_it_is_made_anew(
    volume: Volume, case: DamageCase
) -> None:
    await fill(volume)
    outcome = await index_outcome(volume, case)
    assert_page_says("index", case, outcome)
    record_fault("F25", observed="index: made anew from the journal")


@pytest.mark.parametrize("change", ["digest", "row"])
async def test_a_damaged_row_of_the_catalogue_is_found_and_nothing_is_touched(
    tmp_path: Path, change: str
) -> None:
    """The triggers refuse such a statement; a disk does not ask them."""
    async with repair_world(tmp_path) as world:
        names = [f"lantai:gov/{number}" for number in range(3)]
        await world.store(make_package({"received/a": b"a"}, name) for name in names)
        nothing = Comparison((), (), ())
        assert await world.compare() == nothing
        _damage_row(tmp_path / "catalogue.sqlite", names[1], change)
        before = [world.fingerprint(node, names[1]) for node in NODES]
        found = await world.compare()
        assert found.catalogue_is_alone == (names[1],)
        await _damage_one_copy(world, names[1])
        assert (await world.mend()).mends == ()
        after = [world.fingerprint(node, names[1]) for node in NODES[1:]]
        assert after == before[1:]
        assert not world.holds_good(NODES[0], names[1])
    record_fault("F26", observed="found; nothing touched")


async def _damage_one_copy(world: RepairWorld, name: str) -> None:
    damage(DamageCase.BIT, world.nodes[NODES[0]].folder(name) / "v1/content/received/a")
    await world.sweep()


def _damage_row(catalogue: Path, name: str, change: str) -> None:
    statement = {
        "digest": f"UPDATE packages SET inventory_sha256='{OTHER}' WHERE object_id='{name}'",
        "row": f"DELETE FROM packages WHERE object_id='{name}'",
    }[change]
    with sqlite3.connect(catalogue) as database:
        for kind in ("update", "delete"):
            database.execute(f"DROP TRIGGER packages_baseline_never_{kind}")
        if change == "row":
            database.execute("DELETE FROM copies WHERE package_id=2")
        database.execute(statement)
    database.close()


def assert_page_says(record: str, case: DamageCase, outcome: Outcome) -> None:
    """The lower half is written by hand from these, once: it is short and seldom changes."""
    text = PAGE.read_text()
    lower = text[text.index(RECORDS_HEADING) :]
    row = next(line for line in lower.splitlines() if line.startswith(f"| {case.value} |"))
    column = {"journal": 2, "index": 3}[record]
    assert row.split("|")[column].strip() == outcome.value, (record, case, outcome)


def test_the_lower_half_of_the_page_is_current() -> None:
    text = PAGE.read_text()
    if os.environ.get("LANTAI_WRITE_PAGES"):
        text = text.partition(RECORDS_HEADING)[0] + records_text()
        PAGE.write_text(text)
    assert text.endswith(records_text())
