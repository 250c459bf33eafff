"""What the keeper learns and mends by (storage/catalogue/findings.py, repairs.py)."""

from dataclasses import replace

from storage.catalogue import copies, findings, repairs
from storage.catalogue.copies import CopyStanding
from storage.catalogue.model import Actor, CopyState, NodeFinding, Package
from tests.contract.catalogue.story import Story, copy_of, moment

KEEPER = Actor("keeper", "keeper@test")


def finding(sequence: int, object_id: str | None, node: str = "node-1") -> NodeFinding:
    return NodeFinding(node, sequence, moment(1), object_id, "altered", f"{sequence}", "…", "")


def test_an_object_with_thousands_of_bad_files_hides_no_other_object(story: Story) -> None:
    for sequence in range(1, 1501):
        findings.record(story.connection, finding(sequence, "lantai:portal/big"), moment(5))
    findings.record(story.connection, finding(1501, "lantai:portal/small"), moment(5))
    findings.record(story.connection, finding(1502, None), moment(5))
    findings.record(story.connection, finding(1, "lantai:portal/big", "node-2"), moment(5))
    bad = findings.bad_copies(story.connection)
    assert [(each.node, each.object_id) for each in bad] == [
        ("node-1", "lantai:portal/big"),
        ("node-1", "lantai:portal/small"),
        ("node-2", "lantai:portal/big"),
    ]


def test_a_node_with_thousands_of_bad_copies_hides_no_other_node(story: Story) -> None:
    for sequence in range(1, 1501):
        findings.record(story.connection, finding(sequence, f"lantai:portal/{sequence}"), moment(5))
    findings.record(story.connection, finding(1, "lantai:portal/1", "node-2"), moment(6))
    bad = findings.bad_copies(story.connection, limit=1000)
    assert [each.node for each in bad] == ["node-1"] * 1000 + ["node-2"]


def test_a_finding_and_the_copy_it_speaks_of_are_noted_together(story: Story) -> None:
    package = story.stored()
    found = finding(1, package.object_id)
    told = repairs.ToldFinding(found, package.id, CopyState.DAMAGED)
    assert repairs.record_found(story.connection, told, moment(5))
    assert not repairs.record_found(story.connection, told, moment(6))
    states = {copy.node: copy.state for copy in copies.of_package(story.connection, package.id)}
    assert states["node-1"] is CopyState.DAMAGED
    assert list(states.values()).count(CopyState.COMMITTED) == len(states) - 1


def test_a_finding_of_an_object_nobody_knows_is_noted_alone(story: Story) -> None:
    told = repairs.ToldFinding(finding(1, "lantai:portal/unknown"), None, CopyState.DAMAGED)
    assert repairs.record_found(story.connection, told, moment(5))
    assert len(findings.still_open(story.connection)) == 1


def test_a_page_of_findings_brings_those_that_are_new(story: Story) -> None:
    package = story.stored()
    page = [finding(number, package.object_id) for number in (1, 2, 3)]
    told = [repairs.ToldFinding(each, package.id, CopyState.DAMAGED) for each in page]
    assert repairs.record_all_found(story.connection, told[:2], moment(5)) == page[:2]
    assert repairs.record_all_found(story.connection, told, moment(6)) == page[2:]


def test_what_was_doubted_before_a_mend_is_not_on_record_after_it(story: Story) -> None:
    package = story.stored()
    before = copies.standing(story.connection, package.id, "node-1")
    assert before is not None
    doubted = repairs.DoubtedCopy(package.id, before)
    missed = finding(0, package.object_id)
    assert keeper_notes(story, missed, doubted)
    assert not keeper_notes(story, missed, doubted), "it is on record as missing already"
    mended = replace(copy_of(package, "node-1"), committed_at=moment(7))
    repairs.record_mended(story.connection, mended, package.object_id, "node-2", KEEPER, moment(8))
    assert not keeper_notes(story, missed, doubted), "another copy stands there by now"
    assert findings.still_open(story.connection) == []
    now = copies.standing(story.connection, package.id, "node-1")
    assert now == CopyStanding(CopyState.COMMITTED, moment(7), is_explained=False)


def test_damage_that_is_heard_of_after_its_mend_says_nothing_of_the_copy_that_is_there_now(
    story: Story,
) -> None:
    package = story.stored()
    late = repairs.ToldFinding(
        finding(1, package.object_id), package.id, CopyState.DAMAGED, mended_at=moment(4)
    )
    assert repairs.record_found(story.connection, late, moment(5))
    states = {copy.state for copy in copies.of_package(story.connection, package.id)}
    assert states == {CopyState.COMMITTED}
    assert findings.still_open(story.connection) == []
    (known,) = findings.page(story.connection, node="node-1")
    assert (known.mended_at, known.outcome) == (moment(4), findings.MENDED_BEFORE)


def test_a_copy_that_was_read_whole_does_not_count_when_more_was_found_of_it_meanwhile(
    story: Story,
) -> None:
    package = story.stored()
    for number in (1, 2):
        told = repairs.ToldFinding(
            finding(number, package.object_id), package.id, CopyState.DAMAGED
        )
        repairs.record_found(story.connection, told, moment(5))
    first, second = findings.still_open(story.connection)
    assert not node_read(story, package, newest=first.id)
    assert findings.still_open(story.connection) == [first, second]
    assert node_read(story, package, newest=second.id)
    assert findings.still_open(story.connection) == []


def node_read(story: Story, package: Package, newest: int) -> bool:
    return repairs.record_verified(story.connection, package, "node-1", newest, KEEPER, moment(6))


def keeper_notes(story: Story, missed: NodeFinding, doubted: repairs.DoubtedCopy) -> bool:
    return repairs.record_by_keeper(
        story.connection, missed, doubted, CopyState.MISSING, KEEPER, moment(6)
    )
