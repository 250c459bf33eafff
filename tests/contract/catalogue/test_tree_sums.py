"""The catalogue's sums always stand for its rows, whatever happened to them."""

from collections.abc import Callable
from random import Random

import pytest
from sqlalchemy import delete, insert, select, update

from storage.catalogue import copies, findings, packages, tree_sums
from storage.catalogue.model import CopyState, NewPackage, NodeFinding, Package
from storage.catalogue.schema import copies as copy_rows
from storage.catalogue.schema import packages as package_rows
from storage.catalogue.schema import tree_sums as sum_rows
from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import PARTITIONS, Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum
from storage.model import ObjectVersion
from tests.contract.catalogue.story import Story, copy_of

NODES = ("node-1", "node-2", "node-3")


def counted(story: Story, node: str) -> list[Subtree]:
    """What the sums say once every change is in."""
    while tree_sums.take_in(story.connection, 7):
        pass
    return tree_sums.partitions(story.connection, node)


def demanded(story: Story, node: str) -> list[Subtree]:
    """The same from the rows alone, by the words of docs/wire/tree.md."""
    query = (
        select(package_rows.c.object_id, package_rows.c.version, package_rows.c.inventory_sha256)
        .add_columns(copy_rows.c.state)
        .join(copy_rows, copy_rows.c.package_id == package_rows.c.id)
        .where(copy_rows.c.node == node)
        .order_by(package_rows.c.version)
    )
    newest = {row.object_id: row for row in story.connection.execute(query)}
    sums = [SetSum() for _ in range(PARTITIONS)]
    for row in newest.values():
        if row.state is CopyState.MISSING and (node, row.object_id) in open_findings(story):
            continue
        state = LeafState.STORED if row.state is CopyState.COMMITTED else LeafState.DAMAGED
        leaf = Leaf(row.object_id, row.version, row.inventory_sha256, state)
        here = partition_of(row.object_id)
        sums[here] = sums[here].changed([], [leaf_digest(leaf)])
    return [each.subtree() for each in sums]


def open_findings(story: Story) -> set[tuple[str, str | None]]:
    return {(each.node, each.object_id) for each in findings.still_open(story.connection)}


def version_after(story: Story, package: Package) -> Package:
    """The next version of the same object, being written."""
    claim = story.accepted(f"{package.identifier}.v{package.version + 1}").claim
    digest = f"{package.version:064x}"
    version = ObjectVersion(package.object_id, package.version + 1, digest, 1, 1)
    name = package.identifier
    new = NewPackage("portal", name, digest, version, "b" * 64, "e" * 32, 3)
    return packages.begin_writing(story.connection, claim, new, story.tick())


def forget_one(story: Story, chance: Random, known: list[Package]) -> None:
    copies.forget_node(story.connection, chance.choice(NODES))


def take_away(story: Story, chance: Random, known: list[Package]) -> None:
    """As after a move, or by a hand that knows what it does."""
    here = (copy_rows.c.package_id == chance.choice(known).id, copy_rows.c.node == NODES[0])
    story.connection.execute(delete(copy_rows).where(*here))


def find(story: Story, chance: Random, known: list[Package]) -> None:
    node, number = chance.choice(NODES), story.now_s
    name = chance.choice(known).object_id
    found = NodeFinding(node, number, story.tick(), name, "altered", "", "", "")
    findings.record(story.connection, found, story.tick())


def close(story: Story, chance: Random, known: list[Package]) -> None:
    for each in findings.still_open(story.connection)[:3]:
        findings.close(story.connection, each.node, each.sequence, "so", story.tick())


def mark(story: Story, chance: Random, known: list[Package]) -> None:
    state = chance.choice(list(CopyState))
    copies.mark_object(
        story.connection, chance.choice(known).object_id, chance.choice(NODES), state
    )


def record(story: Story, chance: Random, known: list[Package]) -> None:
    copies.record(story.connection, copy_of(chance.choice(known), chance.choice(NODES)))


def add(story: Story, chance: Random, known: list[Package]) -> None:
    known.append(story.writing(f"more-{len(known):04}")[1])


def add_version(story: Story, chance: Random, known: list[Package]) -> None:
    package = chance.choice(known)
    newest = packages.versions_of_object(story.connection, package.object_id)[-1]
    known.append(version_after(story, newest))
    for node in NODES[1:]:
        copies.record(story.connection, copy_of(known[-1], node))


ACTS: tuple[Callable[[Story, Random, list[Package]], None], ...] = (
    add, add_version, record, record, record, mark, mark, take_away, forget_one, find, find,
    close,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_sums_stand_for_the_rows_after_any_acts(story: Story, seed: int) -> None:
    chance = Random(seed)
    known = [story.stored()]
    for step in range(60):
        chance.choice(ACTS)(story, chance, known)
        if step % 10 == 0:
            tree_sums.take_in(story.connection, 3)
    for node in NODES:
        assert counted(story, node) == demanded(story, node)
    for node in NODES:
        for package in known:
            partition = partition_of(package.object_id)
            assert not tree_sums.recount(story.connection, node, partition), "nothing to repair"
    for node in NODES:
        assert counted(story, node) == demanded(story, node), "and what was noted again is in"


def test_the_count_of_objects_is_in_the_tree(story: Story) -> None:
    for number in range(5):
        story.stored(f"case-{number:04}")
    assert sum(each.objects for each in counted(story, "node-1")) == 5
    assert sum(each.objects for each in counted(story, "node-4")) == 0


def test_a_sum_that_went_wrong_is_repaired_by_a_recount(story: Story) -> None:
    package = story.stored()
    right = counted(story, "node-1")
    story.connection.execute(update(sum_rows).values(objects=7, sum=bytes(512)))
    assert counted(story, "node-1") != right
    assert tree_sums.recount(story.connection, "node-1", partition_of(package.object_id))
    assert counted(story, "node-1") == right


def test_rows_that_came_past_the_triggers_are_counted_by_a_recount(story: Story) -> None:
    package = story.stored()
    right = counted(story, "node-1")
    story.connection.execute(update(copy_rows).values(counted=None))
    story.connection.execute(delete(sum_rows))
    assert counted(story, "node-1") != right
    tree_sums.recount(story.connection, "node-1", partition_of(package.object_id))
    assert counted(story, "node-1") == right


def test_an_act_that_is_undone_leaves_no_trace_in_the_sums(story: Story) -> None:
    package = story.stored()
    before = counted(story, "node-1")
    undone = story.connection.begin_nested()
    copies.mark_object(story.connection, package.object_id, "node-1", CopyState.DAMAGED)
    undone.rollback()
    assert counted(story, "node-1") == before


def test_a_row_that_says_it_is_counted_is_counted_nevertheless(story: Story) -> None:
    """As it comes from a dump of another catalogue, whose sums are not here."""
    package = story.stored()
    right = counted(story, "node-1")
    where = (copy_rows.c.package_id == package.id, copy_rows.c.node == "node-1")
    row = dict(story.connection.execute(select(copy_rows).where(*where)).mappings().one())
    assert row["counted"] is LeafState.STORED
    story.connection.execute(delete(copy_rows).where(*where))
    assert counted(story, "node-1") != right
    story.connection.execute(insert(copy_rows).values(row))
    assert counted(story, "node-1") == right
