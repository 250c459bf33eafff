"""Requests that a node answers from its volume: reading, listing, sweeping, mending, auditing.

docs/wire/README.md. One request, one answer; who may ask was decided by node_session.py, and the
bytes of a copy are as the disk has them: whoever reads them verifies them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from replication.chronicle_position import page_of, to_wire
from replication.listings import ListedFinding, ListedLeaf, ListedObject, encode_listing
from replication.message_codec import shortened
from replication.messages import (
    DATA_BYTES_MAX,
    LEAF_BYTES,
    Account,
    Accounted,
    Answer,
    Audit,
    Audited,
    Blocks,
    Branch,
    Bytes,
    Fetch,
    Findings,
    Journal,
    Laid,
    Layout,
    Leaves,
    Listing,
    Mend,
    Mended,
    Object,
    Objects,
    Read,
    Recheck,
    Rechecked,
    Request,
    Stat,
    State,
    Status,
    Sweep,
    Sweeping,
    Tell,
    Told,
    Tree,
    WireRefusal,
)
from replication.node_volume import DiskThreads, NodeParts
from replication.roles import Authority
from replication.sweep_account import CYCLES_MAX, to_cycles, to_forecasts
from storage.audit.framing import Question
from storage.hash_tree.branch import FANOUT, encode_branch
from storage.sweep.model import PassKind, PassOrder, PassScope


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its data frame."""

    message: Answer
    data: bytes | None = None


class RequestDesk:
    """Answers requests, each in a thread where the disk is asked."""

    def __init__(self, parts: NodeParts, disk: DiskThreads) -> None:
        self._parts = parts
        self._volume = parts.volume
        self.mends: Counter[str] = Counter()  # that ended, by outcome
        self._disk = disk

    async def answer(self, request: Request, data: bytes | None, authority: Authority) -> Reply:
        """Raises whatever the volume raises; refusals.py turns it into words."""
        match request:
            case Mend():
                return await self._mend(request, data or b"")
            case Fetch():
                self._admit(request, data or b"", authority)
                return await self._disk.read(self._read, request)
            case Read():
                return await self._disk.read(self._read, request)
            case Blocks():
                return await self._disk.read(self._blocks, request)
            case Sweep():
                return await self._sweep(request)
            case Audit() | Recheck():
                return await self._read_anew(request)
            case Account():
                return await self._account(request)
            case Tell() | Journal():
                return await self._chronicle(request, data)
            case Layout():
                return await self._layout(request, data)
            case _:
                await self._hear_keeper(request)
                return await self._disk.read(self._look_up, request)

    async def _hear_keeper(self, request: Request) -> None:
        """Whoever leads asks for findings; who led before is refused them."""
        keepers = self._parts.keepers
        if isinstance(request, Findings) and request.epoch and keepers is not None:
            await self._disk.write(keepers.hear_keeper, request.epoch)

    def _look_up(self, request: Stat | Objects | Tree | Leaves | Findings | Status) -> Reply:
        match request:
            case Stat():
                return self._stat(request)
            case Objects():
                return self._objects(request)
            case Tree():
                return self._tree(request)
            case Leaves():
                return self._leaves(request)
            case Findings():
                return self._findings(request)
            case Status():
                return self._status(request)

    def _read(self, request: Read | Fetch) -> Reply:
        size = self._volume.file_size(request.object_id, request.path)
        data = self._volume.read(request.object_id, request.path, request.offset, request.length)
        assert len(data) <= request.length
        end = request.offset + len(data) >= size
        return Reply(Bytes(request.request, request.offset, end), data)

    def _blocks(self, request: Blocks) -> Reply:
        leaves = self._volume.block_leaves(
            request.object_id, request.path, request.first, request.count
        )
        assert len(leaves) <= request.count * LEAF_BYTES
        # A list may outlive its file, so the file's size does not say where it ends.
        end = len(leaves) < request.count * LEAF_BYTES
        return Reply(Bytes(request.request, request.first * LEAF_BYTES, end), leaves)

    def _stat(self, request: Stat) -> Reply:
        stored = self._volume.stat(request.object_id)
        if stored is None:
            raise WireRefusal("no such object is kept here", "object-unknown")
        return Reply(Object(request=request.request, **asdict(stored)))

    def _objects(self, request: Objects) -> Reply:
        # One more than asked for says whether there is more.
        found = self._volume.objects(request.after, request.limit + 1)
        return _listing(
            request.request, request.limit, [ListedObject(**asdict(each)) for each in found]
        )

    def _tree(self, request: Tree) -> Reply:
        if request.index >= FANOUT**request.level:
            text = f"level {request.level} of the tree has no node {request.index}"
            raise WireRefusal(text, "branch-unknown")
        children = self._volume.tree_branch(request.level, request.index)
        return Reply(Branch(request.request), encode_branch(children))

    def _leaves(self, request: Leaves) -> Reply:
        found = self._volume.leaves(request.partition, request.after, request.limit + 1)
        return _listing(
            request.request, request.limit, [ListedLeaf(**asdict(each)) for each in found]
        )

    def _findings(self, request: Findings) -> Reply:
        found = self._volume.findings(request.after, request.limit + 1)
        return _listing(
            request.request, request.limit, [ListedFinding(**asdict(each)) for each in found]
        )

    async def _sweep(self, request: Sweep) -> Reply:
        sweep = self._parts.sweep
        if sweep is None:
            raise WireRefusal("this node does not sweep", "not-here")
        match request.action:
            case "start":
                scope = PassScope(request.scope)
                sweep.start_now(PassOrder(PassKind(request.kind), scope, request.subject))
            case "pause":
                sweep.pause(request.pause_s)
            case "resume":
                sweep.resume()
            case "status":
                pass
        status = await sweep.status()
        shown = {"broken": shortened(status.broken), "forecasts": to_forecasts(status)}
        members = asdict(status) | shown
        return Reply(Sweeping(request=request.request, **members))

    async def _account(self, request: Account) -> Reply:
        if self._parts.sweep is None:
            raise WireRefusal("this node does not sweep", "not-here")
        account = await self._parts.sweep.account(request.after, CYCLES_MAX)
        return Reply(
            Accounted(
                request=request.request,
                deadline_s=account.deadline_s,
                oldest_checked_at=account.oldest_checked_at,
                ages=account.ages,
                cycles=to_cycles(account),
            )
        )

    def _status(self, request: Status) -> Reply:
        state = self._volume.state()
        return Reply(
            State(
                request=request.request,
                state=str(state.state),
                message=shortened(state.message),
                free_bytes=state.free_bytes,
                total_bytes=state.total_bytes,
                objects=state.objects,
                content_bytes=state.content_bytes,
            )
        )

    async def _read_anew(self, request: Audit | Recheck) -> Reply:
        auditor = self._parts.auditor
        if auditor is None:
            raise WireRefusal("this node answers no audits", "not-here")
        if isinstance(request, Recheck):
            checked = await auditor.recheck(request.object_id)
            return Reply(Rechecked(request=request.request, **asdict(checked)))
        nonce = bytes.fromhex(request.nonce)
        question = Question(request.object_id, request.version, nonce, request.blocks)
        answer = await auditor.audit(question)
        return Reply(Audited(request=request.request, **asdict(answer)))

    async def _mend(self, request: Mend, ticket: bytes) -> Reply:
        if self._parts.mender is None:
            raise WireRefusal("this node does not mend", "not-here")
        outcome = await self._parts.mender.mend(request, ticket)
        self.mends[outcome.outcome] += 1
        answer = outcome.answer
        signed = None if answer is None else answer.signature + answer.payload
        return Reply(Mended(request.request, outcome.outcome), signed)

    async def _layout(self, request: Layout, told: bytes | None) -> Reply:
        place = self._parts.layouts
        if place is None:
            raise WireRefusal("this node knows no keeper whose layout it could read", "not-here")
        if told is None:
            version, kept = await self._disk.read(place.kept)
            return Reply(Laid(request.request, version), kept or None)
        ack = await self._disk.write(place.take, told)
        return Reply(Laid(request.request, (await self._disk.read(place.kept))[0]), ack)

    async def _chronicle(self, request: Tell | Journal, data: bytes | None) -> Reply:
        chronicle = self._parts.chronicle
        if chronicle is None:
            raise WireRefusal("this node keeps no chronicle", "not-here")
        if isinstance(request, Journal):
            part = request.segment, request.offset, request.length
            raw, end = await self._disk.read(chronicle.journal_part, *part)
            return Reply(Bytes(request.request, request.offset, end), raw)
        page = page_of(request, data)
        if page is None:
            reached = await self._disk.read(chronicle.position)
        else:
            reached = await self._disk.write(chronicle.tell, page)
        return Reply(Told(request.request, to_wire(reached)))

    def _admit(self, fetch: Fetch, ticket: bytes, authority: Authority) -> None:
        if self._parts.tickets is None:
            raise WireRefusal("this node knows no keeper whose tickets it could read", "not-here")
        self._parts.tickets.admit(fetch, authority.name, ticket)


def _listing(
    request: int,
    limit: int,
    entries: Sequence[ListedObject] | Sequence[ListedLeaf] | Sequence[ListedFinding],
) -> Reply:
    """As many entries as were asked for and fit into a data frame."""
    count = min(limit, len(entries))
    data = encode_listing(entries[:count])
    while len(data) > DATA_BYTES_MAX:
        count //= 2
        data = encode_listing(entries[:count])
    return Reply(Listing(request, more=count < len(entries)), data)
