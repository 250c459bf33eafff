"""Three nodes with real volumes on a real wire, a catalogue, and the keeper's own repair.

Everything is the product's: volumes on disk, CURVE and ZAP on loopback, the sweep in processes,
mending by ticket, the salvage. Only the roles' processes are missing: all of it lives in one loop.
"""

import asyncio
import hashlib
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from replication.auditing import CopyAuditor
from replication.authentication import Authenticator
from replication.comparison import Comparing, Comparison
from replication.doubts import Doubts
from replication.endpoints import CurveKeys
from replication.mending import CopyMender
from replication.messages import Source
from replication.node_client import NodeClient
from replication.node_service import NodeIdentity, NodeService
from replication.node_volume import DiskThreads, NodeParts
from replication.partition_walk import PAGE
from replication.peers import Peer
from replication.pull import Piece
from replication.reader import VerifiedReader
from replication.repair import Repair, RepairLimits
from replication.repair_plan import RepairPlan, StormLimits
from replication.roles import Authority, Role, RoleTable
from replication.salvage import Salvage, blocks_of
from replication.tickets import TicketOffice
from replication.transport import Wire, generate_keys
from storage.catalogue import copies, findings, packages, transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import (
    Actor,
    AnswerKind,
    Arrival,
    Claim,
    Copy,
    CopyState,
    Facts,
    Lease,
    NewAnswer,
    NewPackage,
    Package,
    Step,
    Tenure,
    TransferState,
)
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.medium import MediumReader
from storage.model import ObjectVersion, SignedAnswer, VerifyMode
from storage.signing import SigningKey
from storage.sweep.check_object import check_object
from storage.sweep.model import ObjectCheck, ObjectToCheck
from storage.sweep.plan import SweepSettings
from storage.sweep.recording import target_of
from storage.sweep.sweeper import Sweeper
from storage.view.holdings import HeldVersion
from storage.view.listing import ListedFile
from storage.view.reader import ViewFile
from storage.volume.index_tree import counting
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, new_volume, store

NODES = ("node-1", "node-2", "node-3")
SOURCE = "gov"
# The guard is on; a test that damages everything at once says how much that may be.
WIDE = StormLimits(objects_per_node_hour_max=10_000)


@dataclass
class RepairNode:
    """One node: a volume, and a place on the wire."""

    name: str
    keys: CurveKeys
    volume: Volume
    key: SigningKey
    wire: Wire
    service: NodeService
    authenticator: Authenticator

    @property
    def peer(self) -> Peer:
        return Peer(
            self.name, self.service.endpoint, self.keys.public, self.key.verify_key.hex(),
            f"room-{self.name}",
        )  # fmt: skip

    def folder(self, object_id: str) -> Path:
        return self.volume.root / self.volume.object_folder(object_id)

    def target(self, object_id: str) -> ObjectToCheck:
        stored = self.volume.stat(object_id)
        assert stored is not None, object_id
        return target_of(self.volume, stored)

    def forget(self, object_id: str, folder_too: bool = True) -> None:
        """As an index that was made anew from an older journal, or an older disk, would."""
        if folder_too:
            shutil.rmtree(self.folder(object_id))
        with (
            closing(sqlite3.connect(self.volume.settings.index)) as index,
            index,
            counting(index, object_id),
        ):
            index.execute("DELETE FROM objects WHERE object_id=?", (object_id,))
        assert self.volume.stat(object_id) is None

    def check(self, object_id: str) -> ObjectCheck:
        """Judge one copy with the product's own check."""
        reader = MediumReader(self.volume.verify_mode)
        return check_object(self.target(object_id), reader, lambda _read_bytes: None)

    async def sweep(self) -> None:
        """One whole cycle, in processes as on a node."""
        sweeper = Sweeper(self.volume, SweepSettings(workers=1), chance=0.5)
        before = self.volume.sweep_cycle()
        number = 1 if before is None else before.number + 1
        sweeper.start_now()
        stop = asyncio.Event()
        running = asyncio.create_task(sweeper.run(stop))
        async with asyncio.timeout(120):
            while not self._has_finished(number):
                assert not running.done(), running.exception()
                await asyncio.wait([running], timeout=0.05)
        stop.set()
        await running

    def _has_finished(self, number: int) -> bool:
        cycle = self.volume.sweep_cycle()
        return cycle is not None and cycle.number >= number and cycle.finished_at is not None


@dataclass
class RepairWorld:
    """`store` packages, damage what you like, `sweep`, `mend`, and look."""

    nodes: dict[str, RepairNode]
    clients: dict[str, NodeClient]
    catalogue: CatalogueWriter
    repair: Repair
    spool: Path
    keeper_key: SigningKey
    stored: dict[str, MadePackage] = field(default_factory=dict)
    lease: Lease = field(default_factory=lambda: Lease("keeper", "keeper@test", 1, "2099"))

    async def store(self, packages_to_store: Iterable[MadePackage]) -> None:
        """Put each on every node and, with the nodes' own answers, into the catalogue."""
        made = list(packages_to_store)
        answers: dict[str, dict[str, SignedAnswer]] = {
            package.order.object_id: {} for package in made
        }
        for node in self.nodes.values():
            for first in range(0, len(made), 32):
                group = made[first : first + 32]
                given = await asyncio.gather(*(store(node.volume, package) for package in group))
                for package, answer in zip(group, given, strict=True):
                    answers[package.order.object_id][node.name] = answer
        for package in made:
            object_id = package.order.object_id
            await self.catalogue.do(_catalogue, package, answers[object_id])
            self.stored[object_id] = package

    async def sweep(self) -> None:
        """Every node, one whole cycle; the keeper hears of it."""
        for node in self.nodes.values():
            await node.sweep()
        await self.learn()

    async def learn(self) -> None:
        for name in self.nodes:
            await self.repair.learn(name)

    async def mend(self) -> RepairPlan:
        """Plan and mend until nothing is left that may be mended; the last plan."""
        plan = await self.repair.mend_all(self.lease)
        while plan.mends:
            plan = await self.repair.mend_all(self.lease)
        return plan

    async def compare(self, page: int = PAGE) -> Comparison:
        """Hold the catalogue against the nodes, and note what they forgot."""
        actor = Actor("keeper", "test")
        doubts = Doubts(self.catalogue, self.clients, actor, lambda: datetime.now(UTC))
        return await Comparing(self.catalogue, doubts, page).compare(self.clients)

    async def found(self) -> set[tuple[str, str]]:
        """(node, object) of every open finding."""
        listed = await self.catalogue.look(findings.still_open, limit=100_000)
        return {(each.node, each.object_id or "") for each in listed}

    async def package(self, object_id: str) -> Package:
        return (await self.catalogue.look(packages.versions_of_object, object_id))[-1]

    def holds_good(self, node: str, object_id: str) -> bool:
        return self.nodes[node].check(object_id).intact

    async def begin(self, package: MadePackage) -> None:
        """Put a package on record as being written, before any node has it."""
        await self.catalogue.do(_begin, package)

    async def read(self, held: HeldVersion, path: str) -> bytes:
        """One file of one version, verified."""
        reader = VerifiedReader(self.clients, lambda _bad: None, self.spool)
        try:
            listed = (await reader.files(held)).files.find(path)
            assert isinstance(listed, ListedFile), path
            return await reader.read(ViewFile(held, listed.entry), 0, listed.entry.size_bytes)
        finally:
            await reader.close()

    async def salvaged(self, object_id: str, path: str) -> bytes:
        """The file put together from good blocks. Raises BlockLost, BlocksUnknown."""
        package = await self.package(object_id)
        held = HeldVersion(object_id, package.version, package.inventory_sha256, "", NODES)
        reader = VerifiedReader(self.clients, lambda _bad: None, self.spool)
        try:
            listed = (await reader.files(held)).files.find(path)
        finally:
            await reader.close()
        assert isinstance(listed, ListedFile), path
        file = ViewFile(held, listed.entry)
        salvage = Salvage(self.clients)
        count = blocks_of(listed.entry.size_bytes)
        data = b"".join([(await salvage.block(file, index)).data for index in range(count)])
        assert hashlib.sha256(data).hexdigest() == listed.entry.sha256
        return data

    def fingerprint(self, node: str, object_id: str) -> Mapping[str, bytes]:
        """Every name and every byte of one copy."""
        folder = self.nodes[node].folder(object_id)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def _catalogue(
    connection: Connection, package: MadePackage, answers: Mapping[str, SignedAnswer]
) -> None:
    """One stored package with its copies, through the catalogue's own acts."""
    claim, begun = _begin(connection, package)
    at = to_text(datetime.now(UTC))
    for node, answer in answers.items():
        copy = Copy(
            begun.id,
            node,
            f"room-{node}",
            CopyState.COMMITTED,
            VerifyMode.EVICTED,
            at,
            None,
            answer,
        )
        copies.record(connection, copy)
    receipt = NewAnswer(AnswerKind.STORED, b"{}", "d" * 64, bytes(64))
    packages.finish(connection, claim, begun.id, receipt, at)


def _begin(connection: Connection, package: MadePackage) -> tuple[Claim, Package]:
    order = package.order
    name = order.object_id.rpartition("/")[2]
    dropped = f"{name}.v{order.version}"
    identity = order.file_list_sha256
    at = to_text(datetime.now(UTC))
    arrival = Arrival(SOURCE, dropped, dropped.encode(), "f" * 64)
    taken = transfers.claim(connection, arrival, Tenure("ingest@t", "2099"), at)
    assert taken is not None
    facts = Facts(name, identity, order.object_id, order.file_count, order.content_bytes)
    for state in (TransferState.STAGING, TransferState.JUDGING, TransferState.ACCEPTED):
        transfers.move(connection, taken.claim, Step(state, facts=facts), at)
    version = ObjectVersion(
        order.object_id,
        order.version,
        order.inventory_sha256,
        order.file_count,
        order.content_bytes,
    )
    new = NewPackage(SOURCE, name, identity, version, order.file_list_sha256, order.op_id, 3)
    return taken.claim, packages.begin_writing(connection, taken.claim, new, at)


@dataclass(frozen=True)
class _TicketedSource:
    client: NodeClient
    ticket: bytes

    async def fetch(self, object_id: str, path: str, offset: int, length: int) -> Piece:
        part = await self.client.fetch(object_id, path, offset, length, self.ticket)
        return Piece(part.data, part.end)


async def _start_node(
    stack: AsyncExitStack,
    name: str,
    folder: Path,
    keys: CurveKeys,
    roles: RoleTable,
    keeper: SigningKey,
) -> RepairNode:
    key = SigningKey.generate()
    volume = new_volume(folder / name, key, node=name, domain=f"room-{name}")
    stack.callback(volume.close)
    wire = Wire()
    stack.callback(wire.close)
    office = TicketOffice(name, keeper.verify_key)
    disk = DiskThreads()
    stack.callback(disk.close)

    @asynccontextmanager
    async def connect(source: Source, ticket: bytes) -> AsyncIterator[_TicketedSource]:
        peer = Peer(source.name, source.endpoint, source.curve_public_key, "0" * 64, "")
        client = NodeClient(wire, peer, keys, "node")
        await client.connect()
        try:
            await client.wait_until_greeted(10)
            yield _TicketedSource(client, ticket)
        finally:
            await client.close()

    mender = CopyMender(volume, disk, office, connect, folder / name / "pulls")
    auditor = CopyAuditor(volume, volume.settings.canaries, lambda: to_text(datetime.now(UTC)))
    stack.callback(auditor.close)
    authenticator = Authenticator(wire, roles, time.monotonic)
    identity = NodeIdentity(name, volume.identity.node_uuid, f"room-{name}", lambda: volume.epoch)
    service = NodeService(NodeParts(volume, None, mender, office, auditor), identity, authenticator)
    stack.callback(service.close)
    for work in (
        authenticator.run(),
        service.run(wire, "tcp://127.0.0.1:*", keys),
    ):
        task = asyncio.create_task(work)
        stack.push_async_callback(_end, task)
    async with asyncio.timeout(20):
        await service.serving.wait()
    return RepairNode(name, keys, volume, key, wire, service, authenticator)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def repair_world(folder: Path, limits: StormLimits = WIDE) -> AsyncIterator[RepairWorld]:
    """Three nodes, empty; all of it is closed at the end."""
    async with AsyncExitStack() as stack:
        keeper = SigningKey.generate()
        keys = {name: generate_keys() for name in ("keeper", *NODES)}
        roles = RoleTable(
            Authority(name, Role.KEEPER if name == "keeper" else Role.NODE, each.public)
            for name, each in keys.items()
        )
        nodes = {
            name: await _start_node(stack, name, folder, keys[name], roles, keeper)
            for name in NODES
        }
        wire = Wire()
        stack.callback(wire.close)
        clients = {}
        for name, node in nodes.items():
            client = NodeClient(wire, node.peer, keys["keeper"], "keeper")
            await client.connect()
            stack.push_async_callback(client.close)
            await client.wait_until_greeted(20)
            clients[name] = client
        url = f"sqlite:///{folder}/catalogue.sqlite"
        upgrade(url)
        catalogue = Catalogue.open(url)
        stack.callback(catalogue.close)
        writer = await stack.enter_async_context(CatalogueWriter(catalogue))
        repair = Repair(writer, clients, keeper, RepairLimits(4, limits), lambda: datetime.now(UTC))
        (folder / "spool").mkdir()
        yield RepairWorld(nodes, clients, writer, repair, folder / "spool", keeper)
