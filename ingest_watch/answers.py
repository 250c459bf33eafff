"""What a sender is told: the bodies of all answers, from received to stored or rejected.

docs/formats/answers.md; DA/T 93-2022 (接收, 登记, 入库, 退回). Builds and reads bytes only:
signing is the notary's, delivery outbox.py's.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Final, Literal

import msgspec

from ingest_watch.registration import Handover, Registration, fill
from storage.catalogue.model import AnswerKind
from storage.errors import Refusal
from storage.model import FileEntry, ObjectVersion, SignedAnswer
from storage.node_answer import NodeAnswer, read_node_answer
from storage.signing import SIGNATURE_BYTES

FORMAT: Final = "lantai.answer.v1"
# What a rehearsal gets: the same members, never signed, and no receipt of anything.
SAMPLE_FORMAT: Final = "lantai.sample-answer.v1"

# Where the files belong in a body that has none yet. No JSON text holds it by chance: inside a
# string each quotation mark is escaped.
_FILES = b'"files": '
_NO_FILES_YET = b"0"
_LINE = re.compile(rb"\n")


class AnswerUnreadable(Refusal):
    """The bytes are not an answer of a format this version knows."""

    code = "answer-unreadable"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a package was not accepted: one failing check on one file."""

    code: str
    path: str | None
    message: str
    message_zh: str


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one package of a batch, which had answers of its own."""

    name: str  # of its file in the batch
    outcome: str  # "stored" or "rejected"
    identifier: str | None
    object_id: str | None
    code: str | None  # why it was rejected


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """What every answer says of the transfer. None where the package was too broken to say."""

    archive: str
    source: str
    name: str
    transfer: str
    at: str  # RFC 3339, UTC
    identifier: str | None = None
    identity: str | None = None
    object_id: str | None = None
    file_count: int | None = None
    content_bytes: int | None = None
    unit: str | None = None  # the sender's name on the registration form; None: its source's name
    rehearsal: bool = False
    matter: str | None = None  # what the scope table says of it
    record_class: str | None = None
    retention: str | None = None
    parts: tuple[PartOutcome, ...] = ()  # of a batch, once all have come to their end
    awaits_registration: bool = False  # custody passes when its form is signed, not before


@dataclass(frozen=True, slots=True)
class FirstFiles:
    """What a page shows of a list, and how long the list is."""

    listed: list[FileEntry]
    count: int


@dataclass(frozen=True, slots=True)
class CopyStatement:
    """One node's signed answer as the stored answer carries it."""

    node: str
    answer: SignedAnswer

    @property
    def said(self) -> NodeAnswer:
        """What the node signed. Raises NodeAnswerRefused."""
        return read_node_answer(self.answer.payload)


class CopyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `copies` in a stored answer."""

    node: str
    node_uuid: str
    domain: str
    verify_mode: str
    committed_at: str
    answer_base64: str

    def signed(self) -> SignedAnswer:
        """The node answer exactly as signed. Raises AnswerUnreadable."""
        try:
            raw = base64.b64decode(self.answer_base64, validate=True)
        except ValueError as error:
            raise AnswerUnreadable(f"the answer of node {self.node} is not base64") from error
        return SignedAnswer(raw[SIGNATURE_BYTES:], raw[:SIGNATURE_BYTES])


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Any answer, as its JSON says it. Members in the page's order."""

    format: Literal["lantai.answer.v1", "lantai.sample-answer.v1"]
    kind: AnswerKind
    receipt_id: str
    archive: str
    source: str
    name: str
    transfer: str
    identifier: str | None
    identity: str | None
    object_id: str | None
    at: str
    file_count: int | None
    content_bytes: int | None
    checks: list[msgspec.Raw]
    reasons: list[Reason] | None = None
    version: int | None = None
    inventory_sha256: str | None = None
    # As long as the package's list of files: kept as bytes, read by `first_files`, `all_files`.
    files: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    copies: list[CopyEntry] | None = None
    parts: list[PartOutcome] | None = None
    registration: Registration | None = None
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None  # Y, D30, D10
    custody: Literal["registration"] | None = None  # when it passes; else at the stored receipt


def received(facts: TransferFacts, checks: Sequence[bytes]) -> bytes:
    """The package was judged acceptable; it is not yet safe to delete the original."""
    return _encode(_answer(AnswerKind.RECEIVED, facts, checks))


def rejected(facts: TransferFacts, checks: Sequence[bytes], reasons: Sequence[Reason]) -> bytes:
    """The package was not accepted; every failing check and file is named."""
    return _encode(_answer(AnswerKind.REJECTED, facts, checks, reasons=list(reasons)))


def held(facts: TransferFacts, checks: Sequence[bytes], reasons: Sequence[Reason]) -> bytes:
    """The package waits for a person; nothing is decided."""
    return _encode(_answer(AnswerKind.HELD, facts, checks, reasons=list(reasons)))


def to_be_registered(facts: TransferFacts, checks: Sequence[bytes], version: int) -> bytes:
    """N copies are committed and read back; the stored receipt follows the signed form."""
    answer = _answer(
        AnswerKind.REGISTRATION,
        facts,
        checks,
        version=version,
        parts=list(facts.parts) or None,
        registration=fill(_handover(facts), checks),
        custody=_custody(facts),
    )
    return _encode(answer)


def stored(
    facts: TransferFacts,
    checks: Sequence[bytes],
    version: ObjectVersion,
    files: Iterable[FileEntry],
    copies: Sequence[CopyStatement],
) -> bytes:
    """N copies are committed and read back: the original may be deleted once this verifies."""
    answer = _answer(
        AnswerKind.STORED,
        facts,
        checks,
        version=version.version,
        inventory_sha256=version.inventory_sha256,
        files=msgspec.Raw(_NO_FILES_YET),
        copies=[_copy_entry(copy) for copy in copies],
        parts=list(facts.parts) or None,
        registration=fill(_handover(facts), checks),
        custody=_custody(facts),
    )
    return _with_files(_encode(answer), files)


def read_answer(body: bytes) -> Answer:
    """Raises AnswerUnreadable when `body` is not an answer this version knows, or only a sample."""
    answer = read_answer_or_sample(body)
    if answer.format != FORMAT:
        raise AnswerUnreadable(f"format {answer.format!r} is not {FORMAT!r}")
    return answer


def read_answer_or_sample(body: bytes) -> Answer:
    """Raises AnswerUnreadable when `body` is neither."""
    try:
        return msgspec.json.decode(body, type=Answer)
    except msgspec.MsgspecError as error:
        raise AnswerUnreadable(f"not an answer of Lantai: {error}") from error


def all_files(answer: Answer) -> list[FileEntry]:
    """The files that a stored answer lists; none in any other."""
    if answer.files is msgspec.UNSET:
        return []
    return msgspec.json.decode(answer.files, type=list[FileEntry])


def first_files(answer: Answer, count_max: int) -> FirstFiles:
    """The first `count_max` of them, without reading a million to show two hundred.

    Of a body that `stored` made: each file stands on a line of its own.
    """
    if answer.files is msgspec.UNSET:
        return FirstFiles([], 0)
    ends = [line.start() for line in islice(_LINE.finditer(answer.files), count_max + 1)]
    # One more line than files: the bracket's own.
    count = sum(1 for _ in _LINE.finditer(answer.files)) - 1
    if count <= count_max:
        return FirstFiles(all_files(answer), count)
    listed = bytes(memoryview(answer.files)[: ends[count_max]]).rstrip(b",") + b"]"
    return FirstFiles(msgspec.json.decode(listed, type=list[FileEntry]), count)


def _with_files(head: bytes, files: Iterable[FileEntry]) -> bytes:
    """Write the list into its place, one file after the other: memory holds it once."""
    before, after = head.split(_FILES + _NO_FILES_YET, 1)
    body, separator = BytesIO(), b"\n"
    body.write(before + _FILES + b"[")
    for entry in files:
        body.write(separator + msgspec.json.encode(entry))
        separator = b",\n"
    body.write(b"\n]" + after)
    return body.getvalue()


def _answer(
    kind: AnswerKind, facts: TransferFacts, checks: Sequence[bytes], **more: object
) -> Answer:
    return Answer(
        format=SAMPLE_FORMAT if facts.rehearsal else FORMAT,
        kind=kind,
        receipt_id=f"{facts.transfer}.{kind}",
        archive=facts.archive,
        source=facts.source,
        name=facts.name,
        transfer=facts.transfer,
        identifier=facts.identifier,
        identity=facts.identity,
        object_id=facts.object_id,
        at=facts.at,
        file_count=facts.file_count,
        content_bytes=facts.content_bytes,
        checks=[msgspec.Raw(check) for check in checks],
        matter=facts.matter,
        record_class=facts.record_class,
        retention=facts.retention,
        **more,  # type: ignore[arg-type]  # the keywords of the callers above
    )


def _custody(facts: TransferFacts) -> Literal["registration"] | None:
    return "registration" if facts.awaits_registration else None


def _handover(facts: TransferFacts) -> Handover:
    return Handover(
        transferring_unit=facts.unit or facts.source,
        receiving_unit=facts.archive,
        name=facts.identifier or facts.name,
        at=facts.at,
        file_count=facts.file_count or 0,
        content_bytes=facts.content_bytes or 0,
        identity=facts.identity,
        item_count=sum(part.outcome == "stored" for part in facts.parts) if facts.parts else None,
    )


def _copy_entry(copy: CopyStatement) -> CopyEntry:
    said = copy.said
    return CopyEntry(
        node=copy.node,
        node_uuid=said.node_uuid,
        domain=said.domain,
        verify_mode=said.verify_mode,
        committed_at=said.committed_at,
        answer_base64=base64.b64encode(copy.answer.signature + copy.answer.payload).decode(),
    )


def _encode(answer: Answer) -> bytes:
    return msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n"
