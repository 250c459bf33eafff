"""What the catalogue hands out: frozen values, never rows. Columns are explained in schema.py."""

from dataclasses import dataclass
from enum import StrEnum

from storage.model import ObjectVersion, SignedAnswer, VerifyMode


class TransferState(StrEnum):
    """Where one drop entry is on its way (transitions.py)."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    STAGING = "staging"
    JUDGING = "judging"
    ACCEPTED = "accepted"
    WRITING = "writing"
    DIVIDED = "divided"
    AWAITING_REGISTRATION = "awaiting-registration"
    STORED = "stored"
    REJECTED = "rejected"
    HELD = "held"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class PackageState(StrEnum):
    """WRITING until N of N copies are proven and the receipt is in the outbox."""

    WRITING = "writing"
    STORED = "stored"


class Safety(StrEnum):
    """How safe one stored package is; follows from its copies and is never written."""

    SAFE = "safe"
    DEGRADED = "degraded"  # fewer good copies than promised
    AT_RISK = "AT_RISK"  # no good copy is left: nothing is touched, a person must look
    BEING_STORED = "being-stored"


class CopyState(StrEnum):
    """What is known of one copy. Only COMMITTED counts towards the target."""

    COMMITTED = "committed"
    DAMAGED = "damaged"
    MISSING = "missing"


class AnswerKind(StrEnum):
    """What a sender is told (docs/formats/answers.md)."""

    RECEIVED = "received"
    REGISTRATION = "registration"
    STORED = "stored"
    REJECTED = "rejected"
    HELD = "held"


class OrderState(StrEnum):
    """How far the keeper is with an order."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where: a person and the address or socket, or a role and its host."""

    who: str
    origin: str

    @classmethod
    def of_holder(cls, holder: str) -> "Actor":
        """Read a claim's holder, `role@host`."""
        who, _, origin = holder.partition("@")
        return cls(who, origin)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry of a drop folder that may become a transfer."""

    source: str
    name: str  # as shown; percent-escaped when the bytes are not UTF-8
    name_raw: bytes  # as on disk
    fingerprint: str  # of the entry as it was observed when it settled (ingest_watch.settle)
    batch_id: int | None = None  # the transfer that this one is a part of; no entry of its own


@dataclass(frozen=True, slots=True)
class Tenure:
    """For whom, and until when, a claim or a lease is asked."""

    holder: str  # "role@host"
    expires_at: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one transfer. Each takeover raises the epoch; the lower one is void."""

    transfer_id: int
    epoch: int
    holder: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What judging found out about the sender's package."""

    identifier: str | None = None
    identity: str | None = None
    object_id: str | None = None
    file_count: int | None = None
    content_bytes: int | None = None
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step in a transfer's life, with a sentence for whoever looks."""

    to: TransferState
    message: str = ""
    outcome_code: str | None = None  # why rejected, held or failed: a stable code
    facts: Facts | None = None  # None leaves what is known


@dataclass(frozen=True, slots=True)
class Transfer:
    """One drop entry and how far it is."""

    id: int
    source: str
    name: str
    name_raw: bytes
    fingerprint: str
    state: TransferState
    message: str
    outcome_code: str | None
    bytes_done: int
    bytes_total: int | None
    bytes_per_second: int | None
    claim_holder: str | None
    claim_epoch: int
    claim_expires_at: str | None
    attempts: int
    identifier: str | None
    identity: str | None
    object_id: str | None
    file_count: int | None
    content_bytes: int | None
    package_id: int | None
    batch_id: int | None
    created_at: str
    updated_at: str
    closed_at: str | None
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None

    @property
    def claim(self) -> Claim:
        """The claim under which this transfer is worked on. It must have a holder."""
        assert self.claim_holder is not None, self.id
        return Claim(self.id, self.claim_epoch, self.claim_holder)


@dataclass(frozen=True, slots=True)
class NewPackage:
    """One object version that is about to be written to the nodes."""

    source: str
    identifier: str
    identity: str
    version: ObjectVersion
    file_list_sha256: str
    op_id: str
    copies_wanted: int
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """One object version."""

    id: int
    object_id: str
    version: int
    source: str
    identifier: str
    identity: str
    inventory_sha256: str
    file_list_sha256: str
    file_count: int
    content_bytes: int
    state: PackageState
    op_id: str
    transfer_id: int
    copies_wanted: int
    copies_committed: int
    created_at: str
    stored_at: str | None
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None

    @property
    def safety(self) -> Safety:
        """How many of the copies it should have are good."""
        if self.state is not PackageState.STORED:
            return Safety.BEING_STORED
        if self.copies_committed == 0:
            return Safety.AT_RISK
        return Safety.SAFE if self.copies_committed >= self.copies_wanted else Safety.DEGRADED

    @property
    def object_version(self) -> ObjectVersion:
        """The same, as every node signs it."""
        return ObjectVersion(
            self.object_id, self.version, self.inventory_sha256, self.file_count, self.content_bytes
        )


@dataclass(frozen=True, slots=True)
class Copy:
    """One package on one node."""

    package_id: int
    node: str
    domain: str
    state: CopyState
    verify_mode: VerifyMode
    committed_at: str
    checked_at: str | None
    answer: SignedAnswer


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer as signed. `body` is None when it lies in the answer spool, by its digest."""

    kind: AnswerKind
    body: bytes | None
    body_sha256: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a sender, in the outbox until `written_at`."""

    id: int
    transfer_id: int
    source: str
    name: str
    name_raw: bytes
    kind: AnswerKind
    body: bytes | None
    body_sha256: str
    signature: bytes
    created_at: str
    written_at: str | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An act to put on record. `detail` is a JSON object, or empty."""

    act: str
    outcome: str
    transfer_id: int | None = None
    package_id: int | None = None
    node: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One act on record."""

    sequence: int
    at: str
    who: str
    origin: str
    act: str
    outcome: str
    transfer_id: int | None
    package_id: int | None
    node: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Order:
    """Something a person asked of the keeper."""

    id: int
    verb: str
    arguments: str
    state: OrderState
    requested_by: str
    requested_from: str
    requested_at: str
    started_by: str | None
    started_at: str | None
    finished_at: str | None
    result: str


@dataclass(frozen=True, slots=True)
class NodeFinding:
    """Damage as a node numbered and reported it."""

    node: str
    sequence: int
    found_at: str
    object_id: str | None
    kind: str
    path: str
    detail: str
    evidence: str  # JSON, or empty


@dataclass(frozen=True, slots=True)
class CataloguedFinding:
    """Damage on record, and what became of it."""

    id: int
    node: str
    sequence: int
    found_at: str
    recorded_at: str
    object_id: str | None
    kind: str
    path: str
    detail: str
    evidence: str
    mended_at: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class NodeSweep:
    """One sweep of one node's disk, as the node tells of it."""

    node: str
    cycle: int
    started_at: str
    finished_at: str | None
    checked_objects: int
    read_bytes: int
    damaged_objects: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A node whose answers audits do not believe, until a person says otherwise."""

    node: str
    since: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Who acts for the whole in one scope, until when, and with which epoch."""

    scope: str
    holder: str
    epoch: int
    expires_at: str


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one source has sent and is kept."""

    source: str
    packages: int
    files: int
    content_bytes: int
    rejected: int
