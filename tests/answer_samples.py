"""Answers as an intake makes them, for tests that read them: facts, checks, nodes' statements."""

import hashlib
from dataclasses import replace

import msgspec

from ingest_watch.answers import (
    CopyStatement,
    Reason,
    TransferFacts,
    held,
    received,
    rejected,
    stored,
    to_be_registered,
)
from ingest_watch.checks.check import Consequence, Outcome, Property
from ingest_watch.findings import Finding, Severity
from ingest_watch.published import CheckEntry, FindingEntry
from storage.catalogue.model import Answer, AnswerKind
from storage.file_list import identity
from storage.model import FileEntry, ObjectVersion, SignedAnswer, VerifyMode
from storage.node_answer import NodeAnswer
from storage.signing import SigningKey

FILES = [FileEntry("received/a.txt", 3, hashlib.sha256(b"abc").hexdigest(), None)]
VERSION = ObjectVersion("lantai:gov-portal/case-1", 1, "ab" * 32, 1, 3)
FACTS = TransferFacts(
    archive="示例市档案馆",
    source="gov-portal",
    name="case-1",
    transfer="1",
    at="2026-11-22T10:00:00Z",
    identifier="case-1",
    identity=identity(FILES),
    object_id=VERSION.object_id,
    file_count=1,
    content_bytes=3,
)
NODES = {f"node-{number}": SigningKey.generate() for number in (1, 2, 3)}
NOTARY = SigningKey.generate()
REASON = Reason("digest-mismatch", "data/<b>甲</b>.txt", "another digest", "摘要不符")


def check(
    outcome: Outcome = Outcome.PASSED,
    prop: Property = Property.AUTHENTICITY,
    findings: tuple[Finding, ...] = (),
) -> bytes:
    """One check of a report."""
    found = [
        FindingEntry(each.severity, each.code, each.path, each.message, each.message_zh)
        for each in findings
    ]
    entry = CheckEntry(
        code="YJ-1-1",
        title="Fixity",
        title_zh="固定性",
        property=prop,
        object="files",
        object_zh="文件",
        method="digests",
        method_zh="摘要比对",
        outcome=outcome,
        consequence=Consequence.REJECT if outcome is Outcome.FAILED else Consequence.NONE,
        findings=found,
    )
    return msgspec.json.encode(entry)


def failed_check(code: str = REASON.code) -> bytes:
    finding = Finding(Severity.ERROR, code, REASON.path, REASON.message, REASON.message_zh)
    return check(Outcome.FAILED, findings=(finding,))


def said_by(node: str, says_node: str | None = None, **changes: object) -> CopyStatement:
    said = NodeAnswer(
        format="lantai.node-answer.v1",
        op_id="0" * 32,
        node=says_node or node,
        node_uuid="u",
        domain=f"room-{node}",
        object_id=VERSION.object_id,
        version=1,
        inventory_sha256=VERSION.inventory_sha256,
        file_count=1,
        content_bytes=3,
        verify_mode=VerifyMode.EVICTED,
        committed_at="2026-11-22T10:00:00Z",
        journal_sequence=7,
    )
    payload = msgspec.json.encode(msgspec.structs.replace(said, **changes))
    return CopyStatement(node, SignedAnswer(payload, NODES[node].sign(payload)))


def stored_by(
    *copies: CopyStatement, facts: TransferFacts = FACTS, files: list[FileEntry] | None = None
) -> bytes:
    return stored(facts, [check()], VERSION, FILES if files is None else files, copies)


def true_receipt(facts: TransferFacts = FACTS) -> bytes:
    return stored_by(*(said_by(node) for node in NODES), facts=facts)


def body_of(kind: AnswerKind, facts: TransferFacts = FACTS) -> bytes:
    """One answer of each kind."""
    match kind:
        case AnswerKind.RECEIVED:
            return received(facts, [check()])
        case AnswerKind.REGISTRATION:
            return to_be_registered(replace(facts, awaits_registration=True), [check()], 1)
        case AnswerKind.STORED:
            return true_receipt(facts)
        case AnswerKind.REJECTED:
            return rejected(facts, [failed_check()], [REASON])
        case AnswerKind.HELD:
            return held(facts, [check(Outcome.COULD_NOT_RUN)], [REASON])


def in_outbox(kind: AnswerKind, *, transfer: int = 1, name: str = "case-1") -> Answer:
    """The same as the catalogue hands it out: signed."""
    body = body_of(kind, replace(FACTS, transfer=str(transfer), name=name))
    digest = hashlib.sha256(body).hexdigest()
    number = 10 * transfer + list(AnswerKind).index(kind)
    return Answer(
        number, transfer, FACTS.source, name, name.encode(), kind, body, digest, NOTARY.sign(body),
        FACTS.at, None,
    )  # fmt: skip
