"""Store one object on N nodes at once, and believe only what each of them signed.

docs/wire/put.md; DESIGN.md promise 1. Goes on until every node has committed: a node that is away,
full or slow is asked again under the same op_id and holds nobody else up. Signs nothing itself.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from monitoring.log import get_log
from replication.node_client import AnswerUnsigned
from replication.peers import Peer
from replication.placements import Placements
from replication.put_writer import Progress, PutRefused, PutSource
from replication.staged_source import HeldSource, HeldStream, OpenSource
from storage.errors import Refusal
from storage.model import SignedAnswer
from storage.node_answer import NodeAnswer, NodeAnswerRefused, believe
from storage.signing import VerifyKey
from storage.volume.order import StoreOrder

log = get_log(__name__)

RETRY_S_MIN = 0.5
RETRY_S_MAX = 30.0
# Up to this size a package is read once for all nodes, and held until all but one of them have it:
# a hop to a thread for each chunk and node costs more than its bytes, and a slow node no memory.
_HELD_BYTES_MAX = 4 * 1024 * 1024


class StoreRefused(Refusal):
    """A node will never take this object as it is announced; a person must look."""

    code = "store-refused"


class PutClient(Protocol):
    """A connection to one node (node_client.py)."""

    async def put(
        self, order: StoreOrder, source: PutSource, progress: Progress | None = None
    ) -> SignedAnswer:
        """Send everything; return the node's answer once it has committed."""
        ...


@dataclass(frozen=True, slots=True)
class ProvenCopy:
    """One node's copy; its answer verified under the key by which we know the node."""

    peer: Peer
    said: NodeAnswer
    answer: SignedAnswer


@dataclass(frozen=True, slots=True)
class PackageToStore:
    """What is stored, and whom to tell meanwhile."""

    order: StoreOrder
    open_source: Callable[[], OpenSource]  # one for each node: they read at different speeds
    proven: Callable[[ProvenCopy], Awaitable[None]]  # called once for each node, in any order
    progress: Callable[[int], None]  # bytes that the slowest node has written
    # Told why a node does not take it now, and "" when it has it after all.
    delayed: Callable[[str, str], None] = lambda _node, _reason: None
    holders: frozenset[str] = frozenset()  # nodes that have the version before this one


class CopyWriter:
    """Stores packages on the nodes that placement chooses for them."""

    def __init__(self, clients: Mapping[str, PutClient], placements: Placements) -> None:
        self._clients = clients
        self._placements = placements
        self._keys = {peer.name: VerifyKey.from_hex(peer.verify_key) for peer in placements.peers}

    @property
    def copies(self) -> int:
        """How many of each package."""
        return self._placements.copies

    async def store(self, package: PackageToStore) -> None:
        """Return when N of N nodes have proven their copies.

        Waits for nodes as long as it takes; where another layout is heeded meanwhile, for the
        nodes of that one. Cancelling loses nothing, and storing the same order again resumes.
        Raises StoreRefused (in an ExceptionGroup) when a node says never, and TooFewDomains.
        """
        package = await _read_once(package, self._placements.copies)
        async with asyncio.TaskGroup() as nodes:
            await self._store_on_all(package, nodes)

    async def _store_on_all(self, package: PackageToStore, nodes: asyncio.TaskGroup) -> None:
        storing: dict[str, asyncio.Task[None]] = {}
        written: dict[str, int] = {}

        def noting(name: str) -> Progress:
            def note(written_bytes: int) -> None:
                written[name] = written_bytes
                package.progress(min(written.values()))

            return note

        while True:
            version = self._placements.version
            proven = {name for name, task in storing.items() if task.done()}
            wanted = self._placements.choose(package.order.object_id, package.holders, proven)
            written = {peer.name: written.get(peer.name, 0) for peer in wanted}
            for name in storing.keys() - written.keys() - proven:
                storing.pop(name).cancel()
            for peer in wanted:
                if peer.name not in storing:
                    work = self._store_on(peer, package, noting(peer.name))
                    storing[peer.name] = nodes.create_task(work)
            if written.keys() <= proven:
                return
            changed = nodes.create_task(self._placements.changed(version))
            under_way = {task for task in storing.values() if not task.done()}
            await asyncio.wait({changed, *under_way}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()

    async def _store_on(self, peer: Peer, package: PackageToStore, progress: Progress) -> None:
        delay_s = RETRY_S_MIN
        while True:
            try:
                copy = await self._put(peer, package, progress)
            except PutRefused as refusal:
                if not refusal.retry:
                    raise StoreRefused(f"{peer.name}: {refusal}") from refusal
                reason = str(refusal)
            except (NodeAnswerRefused, AnswerUnsigned) as refusal:
                reason = str(refusal)
            else:
                package.delayed(peer.name, "")
                await package.proven(copy)
                return
            package.delayed(peer.name, reason)
            log.warning("replication.put.delayed", node=peer.name, reason=reason, delay_s=delay_s)
            await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries
            delay_s = min(2 * delay_s, RETRY_S_MAX)

    async def _put(self, peer: Peer, package: PackageToStore, progress: Progress) -> ProvenCopy:
        order = package.order
        with closing(package.open_source()) as source:
            answer = await self._clients[peer.name].put(order, source, progress)
        said = believe(answer, peer.name, self._keys[peer.name])
        asked = (order.object_id, order.version, order.inventory_sha256, order.file_count)
        if (said.object_id, said.version, said.inventory_sha256, said.file_count) != asked:
            raise NodeAnswerRefused(f"{peer.name} signed something else than it was sent")
        return ProvenCopy(peer, said, answer)


async def _read_once(package: PackageToStore, copies: int) -> PackageToStore:
    """A small package with its stream in memory while it is worth it; a large one as it is."""
    length = package.order.total_bytes
    if length > _HELD_BYTES_MAX:
        return package
    with closing(package.open_source()) as source:
        held = HeldStream(await source.read(0, length))
    lacking = copies

    async def proven(copy: ProvenCopy) -> None:
        nonlocal lacking
        lacking -= 1
        if lacking <= 1:
            held.let_go()
        await package.proven(copy)

    open_held = partial(HeldSource, held, package.open_source)
    return replace(package, open_source=open_held, proven=proven)
