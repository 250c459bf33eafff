"""Acts of the ledger in the words of PREMIS 3.0, and in those of Chinese archives.

PREMIS Data Dictionary 3.0, entity Event (2.1 to 2.7); eventType from the Library of Congress
vocabulary `preservation/eventType`; the business act (业务行为) as EEP has it (DA/T 48).
Pure: values in, values out. Writing them as XML is premis_xml.py's.
"""

from dataclasses import dataclass
from typing import Any

from storage.catalogue.acts import RecordedAct, details

VOCABULARY = "http://id.loc.gov/vocabulary/preservation/eventType"

EVENT_IDENTIFIER_TYPE = "lantai event sequence"
OBJECT_IDENTIFIER_TYPE = "lantai object id"
FILE_IDENTIFIER_TYPE = "lantai object id and OCFL path"
TRANSFER_IDENTIFIER_TYPE = "lantai transfer"
VOLUME_IDENTIFIER_TYPE = "lantai node volume"
HOLDINGS_IDENTIFIER_TYPE = "lantai holdings"
AGENT_IDENTIFIER_TYPE = "lantai agent"

SUCCESS, FAIL, WARNING = "success", "fail", "warning"


@dataclass(frozen=True, slots=True)
class EventType:
    """What an act is called: a term of the vocabulary, its code, and the business act."""

    term: str
    code: str
    business_act: str

    @property
    def uri(self) -> str:
        """The term's own address in the vocabulary."""
        return f"{VOCABULARY}/{self.code}"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A type and a value, as PREMIS identifies everything; `role` where it serves an event."""

    type: str
    value: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class PremisEvent:
    """One event, semantic units 2.1 to 2.7."""

    identifier: Identifier
    type: EventType
    at: str
    detail: str
    outcome: str
    outcome_note: str
    agents: tuple[Identifier, ...]
    objects: tuple[Identifier, ...]


FIXITY = EventType("fixity check", "fix", "校验")
RECOVERY = EventType("recovery", "rec", "修复")
TRANSFER = EventType("transfer", "tra", "接收")
VALIDATION = EventType("validation", "val", "四性检测")
ACCESSION = EventType("accession", "acc", "登记")
REPLICATION = EventType("replication", "rep", "复制")
INGESTION = EventType("ingestion", "ing", "入库")
QUARANTINE = EventType("quarantine", "qua", "隔离")
REPORT = EventType("digital signature generation", "dsg", "校验报告")
ORDER = EventType("execution", "exe", "指令")

# The whole act, or its noun where every verb of it is the same.
EVENT_TYPES = {
    "sweep": FIXITY,
    "finding": FIXITY,
    "audit": FIXITY,
    "canary": FIXITY,
    "node": FIXITY,
    "node.away": ORDER,
    "node.back": ORDER,
    "copy": REPLICATION,
    "copy.mended": RECOVERY,
    "copy.verified": FIXITY,
    "copy.mend-failed": RECOVERY,
    "repair": RECOVERY,
    "salvage": RECOVERY,
    "quarantine": QUARANTINE,
    "transfer": TRANSFER,
    "transfer.judging": VALIDATION,
    "transfer.rejected": VALIDATION,
    "transfer.accepted": ACCESSION,
    "transfer.writing": REPLICATION,
    "transfer.awaiting-registration": INGESTION,
    "transfer.stored": INGESTION,
    "report": REPORT,
    "order": ORDER,
}

_SUCCEEDED = frozenset({"done", "placed", "started", "clean", "agreed", "passed", "intact"})
_WARNED = frozenset(
    {
        "incomplete",
        "could-not-run",
        "away",
        "stopped",
        "partial",
        "unanswered",
        "undecided",
        "settled",
    }
)
_DAMAGE = "finding.recorded"


def event_type(act: str) -> EventType:
    """What `act` is called; an act nobody foresaw is the carrying out of something."""
    return EVENT_TYPES.get(act) or EVENT_TYPES.get(act.partition(".")[0]) or ORDER


def to_premis(recorded: RecordedAct) -> PremisEvent:
    """The act as PREMIS has it."""
    event = recorded.event
    kind = event_type(event.act)
    return PremisEvent(
        identifier=Identifier(EVENT_IDENTIFIER_TYPE, str(event.sequence)),
        type=kind,
        at=event.at,
        detail=f"{event.act} ({kind.business_act})",
        outcome=_outcome(event.act, event.outcome),
        outcome_note=_note(recorded),
        agents=_agents(recorded),
        objects=_objects(recorded),
    )


def to_members(premis: PremisEvent) -> dict[str, Any]:
    """One event for JSON Lines, named as the Data Dictionary names it."""
    return {
        "eventIdentifierType": premis.identifier.type,
        "eventIdentifierValue": premis.identifier.value,
        "eventType": premis.type.term,
        "eventTypeURI": premis.type.uri,
        "businessAct": premis.type.business_act,
        "eventDateTime": premis.at,
        "eventDetail": premis.detail,
        "eventOutcome": premis.outcome,
        "eventOutcomeDetailNote": premis.outcome_note,
        "linkingAgentIdentifier": [
            {
                "linkingAgentIdentifierType": agent.type,
                "linkingAgentIdentifierValue": agent.value,
                "linkingAgentRole": agent.role,
            }
            for agent in premis.agents
        ],
        "linkingObjectIdentifier": [
            {
                "linkingObjectIdentifierType": each.type,
                "linkingObjectIdentifierValue": each.value,
                "linkingObjectRole": each.role,
            }
            for each in premis.objects
        ],
    }


def _outcome(act: str, outcome: str) -> str:
    if act == _DAMAGE:
        return FAIL
    if outcome in _SUCCEEDED:
        return SUCCESS
    return WARNING if outcome in _WARNED else FAIL


def _note(recorded: RecordedAct) -> str:
    """Our own outcome code, and the evidence."""
    event, finding = recorded.event, recorded.finding
    parts = [event.outcome]
    if finding is not None:
        parts += [finding.path, finding.detail, finding.evidence]
    elif details(event):
        parts.append(event.detail)
    return "; ".join(part for part in parts if part)


def _agents(recorded: RecordedAct) -> tuple[Identifier, ...]:
    """Who did it, and the node on whose disk it was done where that is another."""
    event = recorded.event
    who = Identifier(AGENT_IDENTIFIER_TYPE, f"{event.who}@{event.origin}", "implementer")
    if event.node is None or event.node == event.who:
        return (who,)
    return who, Identifier(AGENT_IDENTIFIER_TYPE, event.node, "executing program")


def _objects(recorded: RecordedAct) -> tuple[Identifier, ...]:
    """The file, the object version, the transfer, or else the volume or the holdings as a whole."""
    event, finding = recorded.event, recorded.finding
    role = "outcome" if event_type(event.act) in (RECOVERY, REPLICATION, INGESTION) else "source"
    linked = []
    if recorded.object_id is not None:
        version = "" if recorded.version is None else f"#v{recorded.version}"
        linked.append(Identifier(OBJECT_IDENTIFIER_TYPE, f"{recorded.object_id}{version}", role))
        if finding is not None and finding.path:
            path = f"{recorded.object_id}/{finding.path}"
            linked.append(Identifier(FILE_IDENTIFIER_TYPE, path, role))
    if event.transfer_id is not None:
        linked.append(Identifier(TRANSFER_IDENTIFIER_TYPE, str(event.transfer_id), role))
    if not linked and event.node is not None:
        linked.append(Identifier(VOLUME_IDENTIFIER_TYPE, event.node, role))
    return tuple(linked) or (Identifier(HOLDINGS_IDENTIFIER_TYPE, "all", role),)
