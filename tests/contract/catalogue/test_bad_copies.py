"""What the keeper learns and mends by (storage/catalogue/findings.py, repairs.py)."""

from storage.catalogue import copies, findings, repairs
from storage.catalogue.model import CopyState, NodeFinding
from tests.contract.catalogue.story import Story, moment


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
    bad = CopyState.DAMAGED
    assert repairs.record_found(story.connection, found, package.id, bad, moment(5))
    assert not repairs.record_found(story.connection, found, package.id, bad, moment(6))
    states = {copy.node: copy.state for copy in copies.of_package(story.connection, package.id)}
    assert states["node-1"] is CopyState.DAMAGED
    assert list(states.values()).count(CopyState.COMMITTED) == len(states) - 1


def test_a_finding_of_an_object_nobody_knows_is_noted_alone(story: Story) -> None:
    found = finding(1, "lantai:portal/unknown")
    assert repairs.record_found(story.connection, found, None, CopyState.DAMAGED, moment(5))
    assert len(findings.still_open(story.connection)) == 1
