"""Which disk a node has (storage/catalogue/volumes.py)."""

from storage.catalogue import events, findings, suspects, sweeps, volumes
from storage.catalogue.model import Actor, NodeFinding, NodeSweep
from tests.contract.catalogue.story import Story, moment

KEEPER = Actor("keeper", "host-1")
OLD, NEW = "a" * 36, "b" * 36


def meet(story: Story, node_uuid: str, at: int) -> bool:
    return volumes.meet(story.connection, "node-1", node_uuid, KEEPER, moment(at))


def test_the_same_volume_met_again_changes_nothing(story: Story) -> None:
    assert [meet(story, OLD, 1), meet(story, OLD, 2)] == [False, False]
    assert volumes.known(story.connection, "node-1") == volumes.KnownVolume(
        "node-1", OLD, moment(1), 0
    )
    assert suspects.all_of(story.connection) == []


def test_another_volume_makes_the_node_suspect_and_its_numbers_follow_the_old_ones(
    story: Story,
) -> None:
    meet(story, OLD, 1)
    stray = NodeFinding("node-1", 7, moment(2), None, "stray-object", "x", "…", "")
    findings.record(story.connection, stray, moment(2))
    sweeps.record(story.connection, NodeSweep("node-1", 4, moment(2), None, 1, 1, 0))
    assert meet(story, NEW, 3)
    assert volumes.known(story.connection, "node-1") == volumes.KnownVolume(
        "node-1", NEW, moment(3), 7, 4
    )
    assert [each.node for each in suspects.all_of(story.connection)] == ["node-1"]
    assert findings.open_of_volume(story.connection, "node-1") == [], "that disk is gone"
    acts = {event.act for event in events.page(story.connection)}
    assert {"node.volume-replaced", "node.suspected"} <= acts
    assert not meet(story, NEW, 4)
