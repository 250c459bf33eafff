"""What becomes an act of the ledger, and how it is read (acts.py, sweeps.py, repairs.py)."""

from dataclasses import replace

from storage.catalogue import acts, findings, repairs, sweeps
from storage.catalogue.model import Actor, NodeFinding, NodeSweep
from storage.catalogue.premis import to_premis
from tests.contract.catalogue.story import Story, copy_of, moment

KEEPER = Actor("keeper", "host-1")
OBJECT_ID = "lantai:portal/case-0001"
FOUND = NodeFinding(
    "node-2", 41, moment(50), OBJECT_ID, "altered", "v1/content/received/a", "…", '{"first": 3}'
)
SWEEP = NodeSweep("node-1", 4, moment(10), None, 0, 0, 0)


def test_a_finding_is_an_act_on_the_version_it_was_found_in_with_its_evidence(
    story: Story,
) -> None:
    package = story.stored()
    assert findings.record(story.connection, FOUND, moment(55))
    assert not findings.record(story.connection, FOUND, moment(56))
    (act,) = [
        each
        for each in acts.page(story.connection, object_id=OBJECT_ID)
        if each.event.act == acts.FINDING_RECORDED
    ]
    assert (act.event.at, act.event.who, act.event.outcome) == (moment(50), "node-2", "altered")
    assert (act.object_id, act.version, act.event.package_id) == (OBJECT_ID, 1, package.id)
    assert act.finding is not None
    assert act.finding.path == FOUND.path
    assert acts.details(act.event)["evidence"] == {"first": 3}
    assert FOUND.path not in act.event.detail


def test_what_was_found_before_a_node_was_trusted_again_is_no_new_storm_when_mended(
    story: Story,
) -> None:
    package = story.stored()
    findings.record(story.connection, FOUND, moment(55))
    copy = copy_of(package, "node-2")
    repairs.record_mended(story.connection, copy, OBJECT_ID, "node-3", KEEPER, moment(61))
    assert repairs.mended_since(story.connection, moment(60)) == {"node-2": 1}
    assert repairs.mended_since(story.connection, moment(60), found_from=moment(60)) == {}


def test_evidence_that_is_no_json_is_kept_as_it_was_told(story: Story) -> None:
    assert findings.record(story.connection, replace(FOUND, evidence="{broken"), moment(55))
    (act,) = acts.page(story.connection)
    assert acts.details(act.event)["evidence"] == "{broken"


def test_a_mended_and_a_failed_repair_say_from_where_and_what_was_closed(story: Story) -> None:
    package = story.stored()
    findings.record(story.connection, FOUND, moment(55))
    failed_mend = repairs.FailedMend(
        package.id, "node-2", OBJECT_ID, "node-1", "source away", 1, moment(90)
    )
    repairs.record_failed(story.connection, failed_mend, KEEPER, moment(60))
    tried = repairs.tries(story.connection)["node-2", OBJECT_ID]
    assert (tried.attempts, tried.not_before) == (1, moment(90))
    copy = copy_of(package, "node-2")
    repairs.record_mended(story.connection, copy, OBJECT_ID, "node-3", KEEPER, moment(61))
    assert repairs.tries(story.connection) == {}
    failed, mended = acts.page(story.connection, object_id=OBJECT_ID)[-2:]
    assert (failed.event.act, failed.event.outcome) == ("copy.mend-failed", "failed")
    assert acts.details(failed.event) == {"source": "node-1", "reason": "source away"}
    told = acts.details(mended.event)
    assert (told["source"], told["findings"], told["verify_mode"]) == ("node-3", [41], "direct")
    assert [to_premis(each).outcome for each in (failed, mended)] == ["fail", "success"]


def test_a_sweep_is_two_acts_however_often_it_is_told(story: Story) -> None:
    halfway = replace(SWEEP, checked_objects=5, read_bytes=50)
    ended = replace(SWEEP, finished_at=moment(90), checked_objects=9, read_bytes=90)
    for told in (SWEEP, SWEEP, halfway, ended, ended, halfway):
        sweeps.record(story.connection, told)
    began, finished = acts.page(story.connection)
    assert (began.event.act, began.event.at) == ("sweep.started", moment(10))
    assert (finished.event.act, finished.event.at) == ("sweep.finished", moment(90))
    assert finished.event.outcome == sweeps.CLEAN
    assert acts.details(finished.event)["read_bytes"] == 90
    assert sweeps.finished_between(story.connection, moment(90), moment(91), 10) == [ended]
    assert sweeps.finished_between(story.connection, moment(0), moment(90), 10) == []
    assert sweeps.last_finished(story.connection, "node-1") == 4
    assert sweeps.last_finished(story.connection, "node-2") == 0


def test_a_sweep_first_heard_of_at_its_end_has_both_acts(story: Story) -> None:
    sweeps.record(story.connection, replace(SWEEP, finished_at=moment(90), damaged_objects=1))
    told = [(each.event.act, each.event.outcome) for each in acts.page(story.connection)]
    assert told == [("sweep.started", "done"), ("sweep.finished", sweeps.DAMAGED)]


def test_an_objects_acts_include_those_of_the_transfer_that_brought_it(story: Story) -> None:
    story.stored()
    story.stored("case-0002")
    told = [each.event.act for each in acts.page(story.connection, object_id=OBJECT_ID)]
    assert told[0] == "transfer.claimed"
    assert told[-1] == "transfer.stored"
    numbers = {each.event.transfer_id for each in acts.page(story.connection, object_id=OBJECT_ID)}
    assert len(numbers) == 1


def test_findings_are_listed_by_node_and_while_they_are_open(story: Story) -> None:
    findings.record(story.connection, FOUND, moment(55))
    findings.record(story.connection, replace(FOUND, node="node-3", sequence=1), moment(55))
    findings.close(story.connection, "node-3", 1, "mended", moment(56))
    (opened,) = findings.page(story.connection, only_open=True)
    (other,) = findings.page(story.connection, node="node-3")
    assert (opened.node, other.outcome) == ("node-2", "mended")
