"""What the wire needs of a node: its volume, its sweep, its mender, and threads for the disk.

The volume itself is storage.volume, the sweep storage.sweep; the node role joins them. Blocking
calls run in two bounded pools, so that a stuck write leaves reads alone, and both leave the event
loop, and with it the heartbeats, alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from replication.messages import Fetch, Mend, WireRefusal
from storage.audit.answer import AuditAnswer
from storage.audit.framing import Question
from storage.chronicle.page import Page, Position
from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import Leaf
from storage.model import SignedAnswer, StoredObject
from storage.sweep.account import SweepAccount
from storage.sweep.model import PassOrder, SweepStatus
from storage.sweep.recheck import Recheck
from storage.volume.findings import Finding
from storage.volume.order import StoreOrder

P = ParamSpec("P")
T = TypeVar("T")


class Incoming(Protocol):
    """One operation that is being written."""

    @property
    def written(self) -> int:
        """Bytes of the stream that are in the staging files, without a gap."""
        ...

    def write(self, offset: int, data: memoryview | bytes) -> int:
        """Append at `offset`, which is `written`; return the new `written`."""
        ...

    def abandon(self) -> None: ...


class VolumeState(Protocol):
    """How a node's disk is."""

    @property
    def state(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def objects(self) -> int: ...
    @property
    def content_bytes(self) -> int: ...


class NodeVolume(Protocol):
    """A node's disk. All calls but `commit` block; all may be made from any thread."""

    def begin(self, order: StoreOrder) -> Incoming | SignedAnswer: ...
    # Each volume takes back only what its own `begin` gave, which a Protocol cannot say.
    async def commit(self, incoming: Any) -> SignedAnswer: ...
    def read(self, object_id: str, path: str, offset: int, length: int) -> bytes: ...
    def file_size(self, object_id: str, path: str) -> int: ...
    def block_leaves(self, object_id: str, path: str, first: int, count: int) -> bytes: ...
    def stat(self, object_id: str) -> StoredObject | None: ...
    def objects(self, after: str, limit: int) -> Sequence[StoredObject]: ...
    def tree_branch(self, level: int, index: int) -> Sequence[Subtree]: ...
    def leaves(self, partition: int, after: str, limit: int) -> Sequence[Leaf]: ...
    def findings(self, after: int, limit: int) -> Sequence[Finding]: ...
    def state(self) -> VolumeState: ...


class KeeperEpochs(Protocol):
    """What the node remembers of keepers: the highest epoch that one led under."""

    def hear_keeper(self, epoch: int) -> None: ...


class SweepControl(Protocol):
    """The node's sweep, as far as a keeper may steer it."""

    def start_now(self, order: PassOrder) -> None: ...
    def pause(self, for_s: float) -> None: ...
    def resume(self) -> None: ...
    async def status(self) -> SweepStatus: ...
    async def account(self, after: int, limit: int) -> SweepAccount: ...


@dataclass(frozen=True, slots=True)
class MendOutcome:
    """docs/wire/repair.md, last table."""

    outcome: str
    answer: SignedAnswer | None


class Mender(Protocol):
    """Replaces a bad copy on this node."""

    async def mend(self, order: Mend, ticket: bytes) -> MendOutcome: ...


class Auditor(Protocol):
    """Reads objects when the keeper asks (docs/wire/audit.md)."""

    async def audit(self, question: Question) -> AuditAnswer: ...
    async def recheck(self, object_id: str) -> Recheck: ...


class LayoutPlace(Protocol):
    """Where this node keeps who belongs to the archive (docs/wire/layout.md). Both block."""

    def take(self, raw: bytes) -> bytes: ...
    def kept(self) -> tuple[int, bytes]: ...
    def refusal_of(self, version: int) -> WireRefusal | None: ...


class Chronicle(Protocol):
    """What this node has been told of the ledger, and its own journal. All block."""

    def position(self) -> Position: ...
    def tell(self, page: Page) -> Position: ...
    def journal_part(self, segment: int, offset: int, length: int) -> tuple[bytes, bool]: ...


class TicketGate(Protocol):
    """Judges tickets that other nodes show. `admit` raises a Refusal."""

    def admit(self, fetch: Fetch, target: str, raw: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class NodeParts:
    """A node as the wire sees it. What is absent is refused (`not-here`)."""

    volume: NodeVolume
    sweep: SweepControl | None = None
    mender: Mender | None = None
    tickets: TicketGate | None = None
    auditor: Auditor | None = None
    layouts: LayoutPlace | None = None
    chronicle: Chronicle | None = None
    keepers: KeeperEpochs | None = None


class DiskThreads:
    """The threads that may wait for the disk."""

    def __init__(self, writers: int = 4, readers: int = 4) -> None:
        self._writers = ThreadPoolExecutor(writers, "disk-write")
        self._readers = ThreadPoolExecutor(readers, "disk-read")

    async def write(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, partial(call, *args, **kwargs))

    async def read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Begin nothing more. Does not wait for a disk that is stuck."""
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
