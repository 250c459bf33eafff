"""A healthy archive of two nodes as facts and answers, to be spoilt by tests."""

from collections import Counter
from dataclasses import replace
from typing import Any

from replication.fixity_assembly import Heading, NodeHeard
from replication.node_answers import NodeState
from replication.told import Heard, Told
from storage.catalogue.acts import RecordedAct
from storage.catalogue.figures import SafetyFigures
from storage.catalogue.fixity import CopyGroup, DomainSpread, FixityFacts, Period
from storage.catalogue.model import (
    CataloguedFinding,
    CopyState,
    Event,
    Holdings,
    NodeSweep,
)
from storage.model import VerifyMode
from storage.sweep.account import CheckedAges, SweepAccount
from storage.sweep.model import SweepStatus

START, END = "2026-11-01T00:00:00.000000Z", "2026-12-01T00:00:00.000000Z"
MADE_AT = "2026-12-01T00:15:00.000000Z"
SWEPT_AT = "2026-11-20T00:00:00.000000Z"
OBJECT_ID = "lantai:政务服务/件-1"

HEADING = Heading("示例市档案馆", MADE_AT, "keeper@host-1", Period(START, END))

FINDING = CataloguedFinding(
    7, "node-2", 41, SWEPT_AT, SWEPT_AT, OBJECT_ID, "altered", "v1/content/received/a.xml",
    "expected one, observed another", '{"first_bad_offset":4096}', SWEPT_AT, "mended from node-1",
)  # fmt: skip
MENDED = RecordedAct(
    Event(12, SWEPT_AT, "keeper", "host-1", "copy.mended", "done", None, 3, "node-2", "{}"),
    OBJECT_ID, 1, None,
)  # fmt: skip

FACTS = FixityFacts(
    holdings=[Holdings("政务服务", 10, 70, 7_000_000, 1)],
    safety=SafetyFigures(10, 0, 0, 0, {CopyState.DAMAGED: 0, CopyState.MISSING: 0}, 0),
    copies=[
        CopyGroup(f"node-{n}", f"room-{n}", VerifyMode.EVICTED, CopyState.COMMITTED, 10)
        for n in (1, 2)
    ],
    spread=[DomainSpread(2, 10)],
    suspects=[],
    sweeps=[
        NodeSweep(f"node-{n}", 4, "2026-11-19T00:00:00.000000Z", SWEPT_AT, 10, 7_100_000, 0)
        for n in (1, 2)
    ],
    findings=[FINDING],
    findings_by_kind=Counter(altered=1),
    repairs=[MENDED],
    repairs_by_act=Counter({"copy.mended": 1}),
    audits=[],
    audits_by_outcome=Counter(),
)


def told(**changes: Any) -> Told:
    """What a healthy node says; `changes` go into its account, state or sweep by name."""
    account = SweepAccount(30 * 86_400, SWEPT_AT, CheckedAges(under_30_days=10), ())
    state = NodeState("ready", "", 10**12, 2 * 10**12, 10, 7_000_000)
    sweep = SweepStatus(False, False, 4, 10, 7_100_000, 0, 10, SWEPT_AT, SWEPT_AT)
    return Told(MADE_AT, _with(account, changes), _with(state, changes), _with(sweep, changes))


def two_nodes(second: Heard | None = None) -> dict[str, NodeHeard]:
    """Two nodes in two rooms; the second one may be given."""
    return {
        "node-1": NodeHeard("room-1", told()),
        "node-2": NodeHeard("room-2", told() if second is None else second),
    }


def _with(part: Any, changes: dict[str, Any]) -> Any:
    return replace(part, **{name: new for name, new in changes.items() if hasattr(part, name)})
