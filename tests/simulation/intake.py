"""An ingest process: claims drop entries, stores packages on N nodes, delivers receipts.

The order of ingest_watch/intake.py, keeping.py and delivery.py, over the product's catalogue acts,
writer and notary's rule. Settling, opening and judging a package have no part in it.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from ingest_watch import answers as statements
from ingest_watch.answers import CopyStatement, TransferFacts
from ingest_watch.notary import Demands, KnownNode, examine
from replication.node_client import NodeClient
from replication.peers import Peer
from replication.placements import Placements
from replication.writer import CopyWriter, PackageToStore, ProvenCopy
from storage.catalogue import answers, packages, transfer_lists, transfers
from storage.catalogue.errors import (
    CatalogueUnavailable,
    ClaimLost,
    CopiesMissing,
    IllegalTransition,
    PackageExists,
)
from storage.catalogue.model import (
    AnswerKind,
    Arrival,
    Claim,
    Copy,
    CopyState,
    NewAnswer,
    NewPackage,
    Package,
    PackageState,
    Step,
    Tenure,
    Transfer,
    TransferState,
)
from storage.catalogue.timestamps import to_text
from storage.model import FileEntry, ObjectVersion
from storage.signing import SigningKey
from storage.volume.order import StoreOrder
from tests.simulation.catalogue import SimulatedCatalogue
from tests.simulation.package import SimulatedPackage, sha256
from tests.simulation.scheduler import Process

SOURCE = "gov"
_SCAN_S = 8.0
_CLAIM_S = 30.0
# With an empty drop folder only every so many looks are more than that.
_IDLE_LOOKS = 4
_GIVES_UP = (ClaimLost, PackageExists, IllegalTransition, CopiesMissing, CatalogueUnavailable)


@dataclass(slots=True)
class Host:
    """What an intake host's own disk keeps over a restart: staged copies, by transfer."""

    name: str
    staged: dict[int, SimulatedPackage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntakeTools:
    """What an intake is started with."""

    catalogue: SimulatedCatalogue
    clients: Mapping[str, NodeClient]
    peers: tuple[Peer, ...]
    copies: int
    drop: dict[str, SimulatedPackage]  # the drop folder, by name
    notary: "Notary"
    delivered: Callable[[Transfer, bytes], None]
    moved: Callable[[Transfer], None]
    unstaged: Callable[[Transfer], None]
    host: Host
    begun: Callable[[str, bytes], None]  # told of each operation before a node hears of it


@dataclass(frozen=True, slots=True)
class Notary:
    """Signs what the product's rule lets pass."""

    key: SigningKey
    nodes: Mapping[str, KnownNode]
    demands: Demands

    def signed(self, body: bytes) -> NewAnswer:
        """Raises StatementRefused, NodeAnswerRefused."""
        examine(body, self.nodes, self.demands)
        digest = hashlib.sha256(body).hexdigest()
        return NewAnswer(AnswerKind.STORED, body, digest, self.key.sign(body))


class _Held:
    """A stream in memory."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream

    async def read(self, offset: int, length: int) -> bytes:
        return self._stream[offset : offset + length]

    def close(self) -> None:
        """Nothing is open."""


class SimulatedIntake:
    """One ingest process."""

    keeps_staged_until_stored = True

    def __init__(self, process: Process, tools: IntakeTools) -> None:
        self._process = process
        self._tools = tools
        self._catalogue = tools.catalogue
        self._leading: set[int] = set()
        self._told: set[str] = set()  # names whose sender has the receipt
        self._writer = CopyWriter(tools.clients, Placements(tools.peers, tools.copies))

    async def run(self) -> None:
        """Look, take over, deliver, for ever."""
        self._process.start(self._renew())
        looks = 0
        while True:
            looks += 1
            idle = not self._tools.drop and looks % _IDLE_LOOKS
            acts = () if idle else (self._claim, self._take_over, self._deliver)
            for act in acts:
                with suppress(CatalogueUnavailable):
                    await act()
            await self._process.rest(_SCAN_S * self._process.scheduler.chance.uniform(0.8, 1.2))

    async def _claim(self) -> None:
        led = {each.name for each in await self._catalogue.look(transfer_lists.unfinished)}
        for name, package in list(self._tools.drop.items()):
            if name in led or name in self._told:
                continue
            arrival = Arrival(SOURCE, name, name.encode(), package.identity)
            claimed = await self._catalogue.do(
                transfers.claim, arrival, self._tenure(), self._now()
            )
            if claimed is not None:
                self._lead(claimed)

    async def _take_over(self) -> None:
        for seen in await self._catalogue.look(transfer_lists.unfinished):
            if seen.id in self._leading:
                continue
            taken = await self._catalogue.do(transfers.take_over, seen, self._tenure(), self._now())
            if taken is not None:
                self._lead(taken)

    async def _renew(self) -> None:
        while True:
            await self._process.rest(_CLAIM_S / 4)
            if not self._leading:
                continue
            with suppress(CatalogueUnavailable):
                for transfer in await self._catalogue.look(transfer_lists.unfinished):
                    if transfer.id in self._leading and transfer.claim_holder == self._holder:
                        with suppress(ClaimLost):
                            until = self._tenure().expires_at
                            await self._catalogue.do(transfers.renew, transfer.claim, until)

    def _lead(self, transfer: Transfer) -> None:
        self._leading.add(transfer.id)
        self._process.start(self._keep(transfer))

    async def _keep(self, transfer: Transfer) -> None:
        try:
            await self._to_stored(transfer)
        except _GIVES_UP:
            pass  # somebody else has it, or it is taken over once the catalogue answers
        except BaseExceptionGroup as group:
            if group.split(_GIVES_UP)[1] is not None:
                raise
        finally:
            self._leading.discard(transfer.id)

    async def _to_stored(self, transfer: Transfer) -> None:
        claim = transfer.claim
        package = await self._stage(transfer)
        if package is None:
            # Whoever had it before has delivered it meanwhile: the entry is gone.
            await self._catalogue.do(
                transfers.move, claim, Step(TransferState.WAITING), self._now()
            )
            await self._catalogue.do(transfers.withdraw, transfer.id, self._now())
            return
        transfer = await self._judge(transfer, claim)
        while True:
            same = await self._catalogue.look(
                packages.find_same, SOURCE, package.identity[:16], package.identity
            )
            if same is None or same.transfer_id == transfer.id:
                break
            if same.state is PackageState.STORED:
                await self._catalogue.do(packages.finish_duplicate, claim, same.id, self._now())
                return
            await self._process.rest(1.0)
        begun = await self._begin(claim, package)
        await self._store(transfer, claim, package, begun)

    async def _stage(self, transfer: Transfer) -> SimulatedPackage | None:
        """The private copy; made anew where this host has none."""
        host = self._tools.host
        if transfer.id not in host.staged:
            dropped = self._tools.drop.get(transfer.name)
            if dropped is None:
                return None  # delivered meanwhile, by whoever had it before
            await self._process.rest(self._process.scheduler.chance.uniform(0.01, 0.5))
            host.staged[transfer.id] = dropped
        return host.staged[transfer.id]

    async def _judge(self, transfer: Transfer, claim: Claim) -> Transfer:
        path = [TransferState.STAGING, TransferState.JUDGING, TransferState.ACCEPTED]
        if transfer.state in path:
            path = path[path.index(transfer.state) + 1 :]
        elif transfer.state is TransferState.WRITING:
            path = []
        for state in path:
            transfer = await self._catalogue.do(transfers.move, claim, Step(state), self._now())
        return transfer

    async def _begin(self, claim: Claim, package: SimulatedPackage) -> Package:
        version = ObjectVersion(
            package.object_id, 1, sha256(package.inventory), len(package.files),
            len(package.content),
        )  # fmt: skip
        chance = self._process.scheduler.chance
        new = NewPackage(
            SOURCE, package.identity[:16], package.identity, version,
            sha256(package.file_list), f"{chance.getrandbits(128):032x}", self._tools.copies,
        )  # fmt: skip
        return await self._catalogue.do(packages.begin_writing, claim, new, self._now())

    async def _store(
        self, transfer: Transfer, claim: Claim, package: SimulatedPackage, begun: Package
    ) -> None:
        proven: list[ProvenCopy] = []
        self._tools.begun(begun.op_id, package.stream)

        async def note(copy: ProvenCopy) -> None:
            proven.append(copy)
            if not self.keeps_staged_until_stored:
                self._unstage(transfer)

        to_store = PackageToStore(
            order=order_of(begun, package, claim.epoch),
            open_source=lambda: _Held(package.stream),
            proven=note,
            progress=lambda _written: None,
        )
        await self._writer.store(to_store)
        receipt = self._tools.notary.signed(self._body(transfer, package, begun, proven))
        kept = [_copy(begun.id, copy) for copy in proven]
        await self._catalogue.do(packages.finish, claim, begun.id, receipt, self._now(), kept)

    def _body(
        self,
        transfer: Transfer,
        package: SimulatedPackage,
        begun: Package,
        proven: list[ProvenCopy],
    ) -> bytes:
        facts = TransferFacts(
            "simulated", SOURCE, transfer.name, str(transfer.id), begun.created_at,
            begun.identifier, begun.identity, begun.object_id, begun.file_count,
            begun.content_bytes,
        )  # fmt: skip
        files = [FileEntry(f.path, f.size_bytes, f.sha256, None) for f in package.files]
        by_node = sorted(proven, key=lambda copy: copy.peer.name)
        said = [CopyStatement(copy.peer.name, copy.answer) for copy in by_node]
        return statements.stored(facts, (), begun.object_version, files, said)

    async def _deliver(self) -> None:
        """Receipts into the return folder, then originals away, then staged copies."""
        for answer in await self._catalogue.look(answers.outbox):
            transfer = await self._catalogue.look(transfers.get, answer.transfer_id)
            self._told.add(transfer.name)
            self._tools.delivered(transfer, answer.body or b"")
            await self._catalogue.do(answers.mark_written, [answer.id], self._now())
        for transfer in await self._catalogue.look(transfer_lists.to_be_moved, SOURCE):
            self._tools.moved(transfer)
            self._unstage(transfer)
            with suppress(IllegalTransition):
                await self._catalogue.do(transfers.close, transfer.id, self._now())

    def _unstage(self, transfer: Transfer) -> None:
        if self._tools.host.staged.pop(transfer.id, None) is not None:
            self._tools.unstaged(transfer)

    @property
    def _holder(self) -> str:
        return f"ingest@{self._process.name}"

    def _tenure(self) -> Tenure:
        until = to_text(self._process.now() + timedelta(seconds=_CLAIM_S))
        return Tenure(self._holder, until)

    def _now(self) -> str:
        return to_text(self._process.now())


def order_of(begun: Package, package: SimulatedPackage, epoch: int) -> StoreOrder:
    """What every node is told of a package."""
    return StoreOrder(
        op_id=begun.op_id,
        object_id=begun.object_id,
        version=1,
        epoch=epoch,
        file_list_bytes=len(package.file_list),
        inventory_bytes=len(package.inventory),
        content_bytes=len(package.content),
        file_count=len(package.files),
        file_list_sha256=sha256(package.file_list),
        inventory_sha256=sha256(package.inventory),
    )


def _copy(package_id: int, copy: ProvenCopy) -> Copy:
    return Copy(
        package_id, copy.peer.name, copy.peer.domain, CopyState.COMMITTED,
        copy.said.verify_mode, copy.said.committed_at, None, copy.answer,
    )  # fmt: skip
