"""The messages between roles, and why one is refused.

docs/wire/README.md. Does not decide who may say what (roles.py) nor when (node_session.py,
put_session.py); bytes become messages in message_codec.py.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from replication.chronicle_position import ToldUpTo
from replication.sweep_account import Ages, Cycles, Forecasts
from storage.audit.framing import BLOCKS_MAX
from storage.errors import Refusal
from storage.hash_tree.branch import BRANCHES_MAX, LEVELS
from storage.hash_tree.leaf import PARTITIONS
from storage.model import BLOCK_BYTES

PROTOCOL = 1
HEADER_BYTES_MAX = 4096
DATA_BYTES_MAX = BLOCK_BYTES
FRAMES_MAX = 2
LEAF_BYTES = 32
LEAVES_MAX = DATA_BYTES_MAX // LEAF_BYTES
LISTING_MAX = 1000


class WireRefusal(Refusal):
    """What a peer said is refused; `code` and the text go back to it."""

    code: ClassVar[str] = "message-refused"

    def __init__(self, message: str, code: str | None = None, *, retry: bool = False) -> None:
        super().__init__(message)
        self.refusal_code = code or self.code
        self.retry = retry  # the same request may succeed later


class MalformedMessage(WireRefusal):
    """The bytes are not a message of this protocol. Counts against the peer's budget."""

    code: ClassVar[str] = "message-malformed"


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
OpId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
ObjectId = Annotated[str, Meta(min_length=1, max_length=512)]
Path = Annotated[str, Meta(min_length=1, max_length=2048)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
CurveKey = Annotated[str, Meta(min_length=40, max_length=40)]
Text = Annotated[str, Meta(max_length=1024)]
Moment = Annotated[str, Meta(max_length=40)]
# Of a sweep: empty, a source, an object id, or a share of all objects.
Subject = Annotated[str, Meta(max_length=512)]


class Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t", tag=str.lower
):
    """One header. `carries_data` says whether a data frame must follow, may follow, or may not."""

    carries_data: ClassVar[Literal["never", "may", "always"]] = "never"


class Hello(Message, frozen=True):
    protocol: Count
    role: Name


class Welcome(Message, frozen=True):
    protocol: Count
    node: Name
    node_uuid: Name
    domain: Name
    epoch: Count


class Ping(Message, frozen=True):
    sequence: Count


class Pong(Message, frozen=True):
    sequence: Count


class Put(Message, frozen=True):
    op_id: OpId
    attempt: Count
    object_id: ObjectId
    version: Annotated[int, Meta(ge=1, le=2**31)]
    epoch: Count
    file_list_bytes: Count
    inventory_bytes: Count
    content_bytes: Count
    file_count: Count
    file_list_sha256: Sha256
    inventory_sha256: Sha256

    @property
    def stream_bytes(self) -> int:
        """Length of `file list ‖ inventory ‖ content`."""
        return self.file_list_bytes + self.inventory_bytes + self.content_bytes


class Proceed(Message, frozen=True):
    op_id: OpId
    attempt: Count
    offset: Count
    credit: Count


class Chunk(Message, frozen=True):
    carries_data = "always"

    op_id: OpId
    attempt: Count
    offset: Count


class Committed(Message, frozen=True):
    carries_data = "always"

    op_id: OpId


class Stat(Message, frozen=True):
    request: Count
    object_id: ObjectId


class Object(Message, frozen=True):
    request: Count
    object_id: ObjectId
    head: Count
    inventory_sha256: Sha256
    file_count: Count
    content_bytes: Count
    checked_at: Moment


class Read(Message, frozen=True):
    request: Count
    object_id: ObjectId
    path: Path
    offset: Count
    length: Annotated[int, Meta(ge=1, le=DATA_BYTES_MAX)]


class Blocks(Message, frozen=True):
    request: Count
    object_id: ObjectId
    path: Path
    first: Count
    count: Annotated[int, Meta(ge=1, le=LEAVES_MAX)]


class Bytes(Message, frozen=True):
    carries_data = "always"

    request: Count
    offset: Count
    end: bool


class Objects(Message, frozen=True):
    request: Count
    after: Annotated[str, Meta(max_length=512)]
    limit: Annotated[int, Meta(ge=1, le=LISTING_MAX)]


class Tree(Message, frozen=True):
    request: Count
    level: Annotated[int, Meta(ge=0, lt=LEVELS)]
    index: Annotated[int, Meta(ge=0, lt=BRANCHES_MAX)]


class Branch(Message, frozen=True):
    carries_data = "always"

    request: Count


class Leaves(Message, frozen=True):
    request: Count
    partition: Annotated[int, Meta(ge=0, lt=PARTITIONS)]
    after: Annotated[str, Meta(max_length=512)]
    limit: Annotated[int, Meta(ge=1, le=LISTING_MAX)]


class Findings(Message, frozen=True, omit_defaults=True):
    request: Count
    after: Count
    limit: Annotated[int, Meta(ge=1, le=LISTING_MAX)]
    epoch: Count = 0  # under which the keeper leads; 0: it says nothing of that


class Listing(Message, frozen=True):
    carries_data = "always"

    request: Count
    more: bool


class Sweep(Message, frozen=True):
    request: Count
    action: Literal["start", "pause", "resume", "status"]
    kind: Literal["full", "quick"]
    scope: Literal["node", "source", "package", "sample"]
    subject: Subject
    pause_s: Count


class Sweeping(Message, frozen=True):
    request: Count
    running: bool
    paused: bool
    cycle: Count
    checked_objects: Count
    checked_bytes: Count
    damaged_objects: Count
    total_objects: Count
    oldest_checked_at: Moment | None
    last_finished_at: Moment | None
    broken: Text
    paused_until: Moment | None
    kind: Name
    scope: Name
    subject: Subject
    reason: Name
    cache: Name
    forecasts: Forecasts


class Account(Message, frozen=True):
    request: Count
    after: Count


class Accounted(Message, frozen=True):
    request: Count
    deadline_s: Count
    oldest_checked_at: Moment | None
    ages: Ages
    cycles: Cycles


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The node that a mending node fetches from."""

    name: Name
    endpoint: Annotated[str, Meta(max_length=256)]
    curve_public_key: CurveKey


class Mend(Message, frozen=True):
    carries_data = "always"

    request: Count
    object_id: ObjectId
    version: Annotated[int, Meta(ge=1, le=2**31)]
    inventory_sha256: Sha256
    epoch: Count
    source: Source


class Mended(Message, frozen=True):
    carries_data = "may"

    request: Count
    outcome: Name


class Fetch(Message, frozen=True):
    carries_data = "may"

    request: Count
    object_id: ObjectId
    path: Path
    offset: Count
    length: Annotated[int, Meta(ge=1, le=DATA_BYTES_MAX)]


class Audit(Message, frozen=True):
    request: Count
    object_id: ObjectId
    version: Annotated[int, Meta(ge=1, le=2**31)]
    nonce: Sha256
    blocks: Annotated[int, Meta(ge=0, le=BLOCKS_MAX)]


class Audited(Message, frozen=True):
    request: Count
    digest: Sha256
    file_count: Count
    read_bytes: Count
    unread_files: Count
    verify_mode: Literal["evicted", "direct", "unproven"]


class Recheck(Message, frozen=True):
    request: Count
    object_id: ObjectId


class Rechecked(Message, frozen=True):
    request: Count
    outcome: Literal["intact", "damaged", "not-judged"]
    inventory_sha256: Sha256
    damages: Count
    read_bytes: Count


class Layout(Message, frozen=True):
    carries_data = "may"

    request: Count


class Laid(Message, frozen=True):
    carries_data = "may"

    request: Count
    version: Count


class Tell(Message, frozen=True):
    carries_data = "may"

    request: Count
    after: ToldUpTo | None
    upto: ToldUpTo | None
    as_of: Count


class Told(Message, frozen=True):
    request: Count
    upto: ToldUpTo


class Journal(Message, frozen=True):
    request: Count
    segment: Annotated[int, Meta(ge=1, le=2**31)]
    offset: Count
    length: Annotated[int, Meta(ge=1, le=DATA_BYTES_MAX)]


class Status(Message, frozen=True):
    request: Count


class State(Message, frozen=True):
    request: Count
    state: Name
    message: Text
    free_bytes: Count
    total_bytes: Count
    objects: Count
    content_bytes: Count


class Working(Message, frozen=True):
    """The node is still at work on a request; its answer is to come."""

    request: Count


class Refused(Message, frozen=True):
    """`request` or `op_id` says what was refused; both are nil when the connection itself is."""

    request: Count | None
    op_id: OpId | None
    code: Name
    message: Text
    retry: bool


Look = Stat | Read | Blocks | Objects | Tree | Leaves | Findings | Account | Status
Request = Look | Sweep | Mend | Fetch | Audit | Recheck | Layout | Tell | Journal
ToNode = Hello | Ping | Put | Chunk | Request
Answer = (
    Object
    | Bytes
    | Listing
    | Branch
    | Sweeping
    | Accounted
    | Mended
    | Audited
    | Rechecked
    | State
    | Laid
    | Told
)
FromNode = Welcome | Pong | Proceed | Committed | Working | Refused | Answer
