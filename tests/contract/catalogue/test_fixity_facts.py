"""What the catalogue tells a fixity report of a period (storage/catalogue/fixity.py)."""

from dataclasses import replace

from storage.catalogue import acts, copies, events, findings, fixity, repairs, sweeps
from storage.catalogue.fixity import CopyGroup, DomainSpread, Period
from storage.catalogue.model import Actor, CopyState, NewEvent, NodeFinding, NodeSweep
from storage.model import VerifyMode
from tests.contract.catalogue.story import Story, copy_of, moment

KEEPER = Actor("keeper", "host-1")
PERIOD = Period(moment(100), moment(200))
FOUND = NodeFinding("node-2", 1, moment(100), "lantai:portal/case-0001", "altered", "x", "…", "")


def test_copies_are_counted_alike_and_packages_by_domains_with_a_good_copy(story: Story) -> None:
    package = story.stored()
    story.stored("case-0002")
    story.writing("case-0003")
    copies.mark(story.connection, package.id, "node-2", CopyState.DAMAGED)
    told = fixity.facts(story.connection, PERIOD, 10)
    direct = VerifyMode.DIRECT
    assert told.copies == [
        CopyGroup("node-1", "room-node-1", direct, CopyState.COMMITTED, 2),
        CopyGroup("node-2", "room-node-2", direct, CopyState.COMMITTED, 1),
        CopyGroup("node-2", "room-node-2", direct, CopyState.DAMAGED, 1),
        CopyGroup("node-3", "room-node-3", direct, CopyState.COMMITTED, 2),
    ]
    assert told.spread == [DomainSpread(2, 1), DomainSpread(3, 1)]
    assert told.safety.below_target == 1


def test_a_package_without_a_good_copy_is_counted_in_no_domain(story: Story) -> None:
    package = story.stored()
    for node in ("node-1", "node-2", "node-3"):
        copies.mark(story.connection, package.id, node, CopyState.MISSING)
    assert fixity.facts(story.connection, PERIOD, 10).spread == [DomainSpread(0, 1)]


def test_only_what_was_done_in_the_period_is_told_its_end_not_included(story: Story) -> None:
    package = story.stored()
    for sequence, second in enumerate((99, 100, 199, 200), start=1):
        finding = replace(FOUND, sequence=sequence, found_at=moment(second))
        findings.record(story.connection, finding, moment(second))
        cycle = NodeSweep("node-1", sequence, moment(90), moment(second), 1, 1, 0)
        sweeps.record(story.connection, cycle)
        audit = NewEvent("audit.compared", "agreed", package_id=package.id)
        events.append(story.connection, audit, KEEPER, moment(second))
    repairs.record_mended(
        story.connection, copy_of(package, "node-2"), FOUND.object_id or "", "node-1", KEEPER,
        moment(150),
    )  # fmt: skip
    told = fixity.facts(story.connection, PERIOD, 10)
    assert [each.sequence for each in told.findings] == [2, 3]
    assert told.findings_by_kind == {"altered": 2}
    assert [each.cycle for each in told.sweeps] == [2, 3]
    assert told.audits_by_outcome == {"agreed": 2}
    assert [each.object_id for each in told.audits] == [FOUND.object_id] * 2
    assert told.repairs_by_act == {"copy.mended": 1}


def test_what_was_found_before_and_is_still_open_is_told_too(story: Story) -> None:
    findings.record(story.connection, replace(FOUND, found_at=moment(1)), moment(1))
    told = fixity.facts(story.connection, PERIOD, 10)
    assert [each.sequence for each in told.findings] == [1]
    assert told.findings_by_kind.total() == 0


def test_lists_are_cut_and_counts_are_whole(story: Story) -> None:
    for sequence in range(1, 6):
        findings.record(story.connection, replace(FOUND, sequence=sequence), moment(120))
    told = fixity.facts(story.connection, PERIOD, 2)
    assert len(told.findings) == 2
    assert told.findings_by_kind.total() == 5


def test_the_last_act_of_a_name_is_found(story: Story) -> None:
    assert acts.last(story.connection, "report.filed") is None
    for second in (5, 9):
        event = NewEvent("report.filed", "done", detail=f'{{"to": "{moment(second)}"}}')
        events.append(story.connection, event, KEEPER, moment(second))
    last = acts.last(story.connection, "report.filed")
    assert last is not None
    assert acts.details(last) == {"to": moment(9)}
    assert acts.first_at(story.connection) == moment(5)
