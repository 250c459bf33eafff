"""Several versions of one object on record: a row each, one copy on each node for all of them."""

from dataclasses import replace

import pytest

from storage.catalogue import audits, copies, held, packages, repairs, tallies
from storage.catalogue.errors import PackageExists
from storage.catalogue.model import Actor, CopyState, NewPackage, NodeFinding, Package
from tests.contract.catalogue.story import (
    Story,
    copy_of,
    moment,
    new_package,
    receipt,
)

KEEPER = Actor("keeper@one", "keeper")


def as_version(number: int, name: str = "case-0001") -> NewPackage:
    """The next version of `name`."""
    new = new_package(name, identity=str(number) * 64)
    digest = f"{number}a" * 32
    return replace(new, version=replace(new.version, version=number, inventory_sha256=digest))


def begin(story: Story, number: int, name: str = "case-0001") -> Package:
    claim = story.accepted(f"{name} again {number}").claim
    return packages.begin_writing(story.connection, claim, as_version(number, name), story.tick())


def store(story: Story, number: int, name: str = "case-0001") -> Package:
    claim = story.accepted(f"{name} again {number}").claim
    new = as_version(number, name)
    package = packages.begin_writing(story.connection, claim, new, story.tick())
    for node in (1, 2, 3):
        copies.record(story.connection, copy_of(package, f"node-{node}"))
    return packages.finish(story.connection, claim, package.id, receipt(name), story.tick())


def found(object_id: str, sequence: int = 1) -> NodeFinding:
    return NodeFinding(
        "node-1", sequence, moment(40), object_id, "altered", "v1/content/received/a", "", ""
    )


def test_a_version_number_is_given_once(story: Story) -> None:
    story.stored()
    begin(story, 2)
    other = story.accepted("at the same time").claim
    with pytest.raises(PackageExists):
        packages.begin_writing(story.connection, other, as_version(2), story.tick())


def test_the_bytes_of_any_version_are_found_again(story: Story) -> None:
    story.stored()
    store(story, 2)
    for number in (1, 2):
        same = packages.find_same(story.connection, "portal", "case-0001", str(number) * 64)
        assert same is not None
        assert same.version == number
    assert packages.find_same(story.connection, "portal", "case-0001", "3" * 64) is None


def test_an_object_is_listed_once_in_its_newest_stored_version(story: Story) -> None:
    for name in ("a", "b", "c"):
        story.stored(name)
    store(story, 2, "b")
    begin(story, 3, "b")
    listed = held.stored_after(story.connection, "", None, 2)
    rest = held.stored_after(story.connection, listed[-1].object_id, "portal", 2)
    assert [(each.identifier, each.version) for each in listed + rest] == [
        ("a", 1), ("b", 2), ("c", 1),
    ]  # fmt: skip


def test_a_package_is_held_once_with_its_stored_versions_in_order(story: Story) -> None:
    story.stored()
    store(story, 2)
    begin(story, 3)
    (package,) = held.held_after(story.connection, "portal", 0, 10)
    assert [(each.version, each.inventory_sha256) for each in package.versions] == [
        (1, "a" * 64), (2, "2a" * 32),
    ]  # fmt: skip


def test_each_version_counts_once_in_the_tallies(story: Story) -> None:
    story.stored()
    store(story, 2)
    (held_here,) = tallies.holdings(story.connection)
    assert (held_here.packages, held_here.content_bytes) == (2, 2 * 1_002_000)


def test_a_copy_is_bad_and_good_again_with_all_its_versions(story: Story) -> None:
    first = story.stored()
    second = store(story, 2)
    before = copies.of_package(story.connection, first.id)
    told = repairs.ToldFinding(found(first.object_id), second.id, CopyState.DAMAGED)
    assert repairs.record_found(story.connection, told, moment(41))
    counts = [each.copies_committed for each in packages.page(story.connection)]
    assert counts == [2, 2]
    mended = copy_of(second, "node-1")
    repairs.record_mended(story.connection, mended, first.object_id, "node-2", KEEPER, moment(42))
    assert [each.copies_committed for each in packages.page(story.connection)] == [3, 3]
    assert copies.of_package(story.connection, first.id) == before


def test_damage_to_one_object_says_nothing_of_another(story: Story) -> None:
    story.stored("a")
    other = story.stored("b")
    copies.mark_object(story.connection, other.object_id, "node-1", CopyState.MISSING)
    counts = {each.identifier: each.copies_committed for each in packages.page(story.connection)}
    assert counts == {"a": 3, "b": 2}


def test_only_a_newest_version_is_audited_and_none_while_another_is_being_written(
    story: Story,
) -> None:
    first = story.stored()
    second = store(story, 2)
    numbers = [first.id, second.id]
    assert audits.auditable(story.connection, numbers) == [second]
    third = begin(story, 3)
    assert audits.auditable(story.connection, [*numbers, third.id]) == []
