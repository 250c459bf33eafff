"""Layouts, who signed for them, and copies that must stand elsewhere (layouts.py, moves.py)."""

from storage.catalogue import copies, events, layouts, moves, packages
from storage.catalogue.membership_schema import MoveState
from storage.catalogue.model import Actor, CopyState, NewEvent, Package
from storage.catalogue.moves import MadeCopy, Staying
from tests.contract.catalogue.story import Story, copy_of, moment

KEEPER = Actor("keeper", "host-1")
EVERYBODY = frozenset({"node-1", "node-2", "node-3", "node-4"})
# node-1 leaves.
STAYING = Staying(EVERYBODY - {"node-1"}, frozenset())


def add(story: Story, version: int) -> bool:
    kept = layouts.KeptLayout(version, b"{}", bytes(64), moment(version))
    event = NewEvent(layouts.LAYOUT_MADE, "draining", node="node-1")
    return layouts.add(story.connection, kept, event, KEEPER)


def made(package: Package, node: str, leaving: str = "node-1") -> MadeCopy:
    return MadeCopy(copy_of(package, node), package.object_id, "node-2", leaving)


def to_move(story: Story, node: str = "node-1", staying: Staying = STAYING) -> list[str]:
    found = moves.to_move(story.connection, node, staying, 0, 100)
    return [held.package.object_id for held in found]


def test_a_version_of_the_layout_is_taken_once_and_the_highest_holds(story: Story) -> None:
    assert layouts.newest(story.connection) is None
    assert [add(story, 1), add(story, 2), add(story, 2)] == [True, True, False]
    assert layouts.newest_version(story.connection) == 2
    acts = [event.act for event in events.page(story.connection)]
    assert acts.count(layouts.LAYOUT_MADE) == 2


def test_what_a_node_signed_for_and_whether_it_came_back_is_kept_apart(story: Story) -> None:
    layouts.came_back(story.connection, "node-1", 7)
    layouts.acknowledge(story.connection, "node-1", 3, "uuid", moment(1))
    (row,) = layouts.rows(story.connection).values()
    assert row == layouts.MemberRow("node-1", 3, "uuid", moment(1), 0, 7)
    layouts.came_back(story.connection, "node-1", None)
    assert layouts.rows(story.connection)["node-1"].sweep_cycle is None


def test_an_object_waits_until_enough_copies_stay(story: Story) -> None:
    package = story.stored()
    assert to_move(story) == [package.object_id]
    assert moves.waiting(story.connection, "node-1", STAYING) == 1
    moves.begin(story.connection, package.object_id, "node-4", "node-1")
    moves.finish(story.connection, made(package, "node-4"), moment(900), KEEPER, moment(800))
    assert to_move(story) == []
    assert packages.get(story.connection, package.id).copies_committed == 4
    (row,) = moves.known(story.connection, [package.object_id]).values()
    assert (row.state, row.not_before) == (MoveState.DONE, moment(900))


def test_a_bad_copy_on_a_node_that_is_up_stays_and_on_a_readonly_one_does_not(story: Story) -> None:
    package = story.stored()
    copies.mark(story.connection, package.id, "node-2", CopyState.DAMAGED)
    everybody_stays = Staying(EVERYBODY, frozenset())
    assert to_move(story, "node-2", everybody_stays) == [], "it is mended in its place"
    readonly = Staying(EVERYBODY - {"node-2"}, frozenset({"node-2"}))
    assert to_move(story, "node-2", readonly) == [package.object_id]


def test_only_the_newest_version_is_named_and_a_moved_copy_is_of_all_of_them(story: Story) -> None:
    package = story.stored()
    copy = made(package, "node-4")
    moves.begin(story.connection, package.object_id, "node-4", "node-1")
    moves.finish(story.connection, copy, moment(900), KEEPER, moment(800))
    held = copies.of_package(story.connection, package.id)
    assert [each.node for each in held] == ["node-1", "node-2", "node-3", "node-4"]


def test_what_failed_is_tried_again_later_and_success_forgets_it(story: Story) -> None:
    package = story.stored()
    moves.begin(story.connection, package.object_id, "node-4", "node-1")
    for attempt in (1, 2):
        moves.fail(story.connection, package.object_id, "full", moment(attempt))
    (row,) = moves.failing(story.connection)
    assert (row.attempts, row.reason) == (2, "full")
    moves.finish(story.connection, made(package, "node-4"), moment(900), KEEPER, moment(800))
    assert moves.known(story.connection, [package.object_id])[package.object_id].attempts == 0
    moves.forget_rested(story.connection, moment(899))
    assert moves.known(story.connection, [package.object_id]) != {}
    moves.forget_rested(story.connection, moment(900))
    assert moves.known(story.connection, [package.object_id]) == {}


def test_on_a_lost_node_nothing_counts_and_the_most_endangered_is_named_first(story: Story) -> None:
    safer, worse = story.stored("case-0001"), story.stored("case-0002")
    copies.mark(story.connection, worse.id, "node-2", CopyState.MISSING)
    assert moves.still_counts(story.connection, "node-1")
    assert moves.give_up(story.connection, "node-1", moment(900)) == 2
    assert not moves.still_counts(story.connection, "node-1")
    assert packages.get(story.connection, safer.id).copies_committed == 2
    assert to_move(story) == [safer.object_id, worse.object_id]
    without_two = Staying(frozenset({"node-3", "node-4"}), frozenset())
    (first,) = moves.endangered(story.connection, without_two, 10)
    assert first.package.object_id == worse.object_id


def test_what_a_node_that_came_back_kept_counts_again_and_nothing_else(story: Story) -> None:
    kept, changed = story.stored("case-0001"), story.stored("case-0002")
    moves.give_up(story.connection, "node-1", moment(900))
    listed = [(kept.object_id, kept.inventory_sha256), (changed.object_id, "0" * 64), ("x", "y")]
    assert moves.found_again(story.connection, "node-1", listed, moment(901)) == 1
    assert packages.get(story.connection, kept.id).copies_committed == 3
    assert packages.get(story.connection, changed.id).copies_committed == 2


def test_packages_that_are_being_written_since_before_are_counted(story: Story) -> None:
    layouts.acknowledge(story.connection, "node-1", 1, "uuid", moment(1))
    transfer, _ = story.writing()
    layouts.acknowledge(story.connection, "node-2", 1, "uuid", moment(2))
    rows = layouts.rows(story.connection)
    assert rows["node-2"].transfers_before == transfer.id
    assert moves.begun_before(story.connection, rows["node-1"].transfers_before) == 0
    assert moves.begun_before(story.connection, rows["node-2"].transfers_before) == 1
