"""A node process: the product's service, sessions, operations and requests over simulated parts.

replication/node_service.py without its sockets. Also its sweep, its auditor, and its mender, which
pulls what the product's would pull and hands it to the same volume.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import msgspec

from replication.mending import CopyMender
from replication.messages import Mend, Source, WireRefusal
from replication.node_client import NodeClient
from replication.node_puts import NodePuts
from replication.node_requests import RequestDesk
from replication.node_service import NodeIdentity, NodeService
from replication.node_session import Phase, SessionLimits
from replication.node_volume import DiskThreads, NodeParts
from replication.roles import RoleTable
from replication.tickets import TicketOffice
from storage.audit.answer import AuditAnswer
from storage.audit.framing import Question
from storage.errors import VerificationFailed
from storage.model import SignedAnswer, VerifyMode
from storage.sweep.recheck import Recheck, RecheckOutcome
from storage.volume.order import StoreOrder
from storage.volume.refusals import VolumeRefusal
from tests.simulation.disk import DiskPath
from tests.simulation.network import LOOK_S, Network, SimulatedListener
from tests.simulation.package import Listed, read_inventory, sha256
from tests.simulation.scheduler import Process
from tests.simulation.volume import SimulatedVolume

P = ParamSpec("P")
T = TypeVar("T")

PIECE_BYTES = 256


class SlowDisk:
    """replication.node_volume.DiskThreads: what the disk is asked takes a moment."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def write(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._process.rest(self._process.scheduler.chance.uniform(0.0005, 0.02))
        return call(*args, **kwargs)

    async def read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.write(call, *args, **kwargs)

    def close(self) -> None:
        """There are no threads."""


class _Tasks:
    """asyncio.TaskGroup, as far as a service begins tasks in it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def create_task(
        self, work: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        return self._process.loop.create_task(work, name=name)


@dataclass(slots=True)
class Door:
    """replication.authentication.Authenticator, when it has let everybody in who is known."""

    roles: RoleTable

    def cut_off(self, _key: str) -> None:
        """Its session is cut; a new connection is one more error away from being cut again."""


class SimulatedNodeService(NodeService):
    """The product's service: sessions, operations, requests; its looks are the scheduler's."""

    def serve(self, network: Network, process: Process, door: Door) -> None:
        """Open the door. Ends with the process."""
        tasks: Any = _Tasks(process)
        disk = cast("DiskThreads", SlowDisk(process))
        self.now = process.clock
        self._disk = disk
        self._desk = RequestDesk(self._parts, disk)
        self._group = tasks
        self._puts = NodePuts(self._parts.volume, disk, tasks, process.clock)
        listener: Any = SimulatedListener(
            network, process, self._identity.node, self._receive, self._has_greeted
        )
        self._listener = listener
        self._network = network
        self._process = process
        self.serving.set()
        process.loop.call_later(LOOK_S, self._look)

    def _has_greeted(self, peer: bytes) -> bool:
        connection = self._connections.get(peer)
        return connection is not None and connection.session.phase is Phase.OPEN

    def _look(self) -> None:
        """What `_keep_ticking` does each second."""
        now = self.now()
        self._puts.tick()
        for connection in list(self._connections.values()):
            route = self._network.route(connection.peer)
            if route is not None and self._network.is_alive(route):
                connection.session.heard_at = max(connection.session.heard_at, now)
            self.perform(connection, connection.session.tick(now))
            if self._is_over(connection.session, now):
                self._forget(connection)
        self._process.loop.call_later(LOOK_S, self._look)


class SimulatedMender(CopyMender):
    """The product's mender; it pulls an object of the simulation's shape."""

    def __init__(
        self,
        volume: SimulatedVolume,
        process: Process,
        office: TicketOffice,
        connect: Callable[[str, bytes], NodeClient],
    ) -> None:
        self._chance = process.scheduler.chance
        self._own_volume = volume

        @asynccontextmanager
        async def connected(source: Source, _ticket: bytes) -> Any:
            client = connect(source.name, _ticket)
            await client.connect()
            try:
                yield client
            finally:
                await client.close()

        super().__init__(
            cast("Any", volume),
            cast("DiskThreads", SlowDisk(process)),
            office,
            connected,
            cast("Path", DiskPath(volume.disk, "work")),
        )

    async def _replace(self, order: Mend, ticket: bytes) -> SignedAnswer:
        async with self._connect(order.source, ticket) as source:
            client = cast("NodeClient", source)
            inventory = await self._fetch(client, order, "v1/inventory.json", ticket)
            self._verify("the inventory", inventory, order.inventory_sha256)
            files = _files(inventory)
            bodies = []
            for file in files:
                body = await self._fetch(client, order, f"v1/{file.path}", ticket)
                self._verify(file.path, body, file.sha256)
                bodies.append(body)
        listed = msgspec.json.encode(self._as_listed(files, bodies))
        content = b"".join(bodies)
        store_order = StoreOrder(
            op_id=f"{self._chance.getrandbits(128):032x}",
            object_id=order.object_id,
            version=1,
            epoch=order.epoch,
            file_list_bytes=len(listed),
            inventory_bytes=len(inventory),
            content_bytes=len(content),
            file_count=len(files),
            file_list_sha256=sha256(listed),
            inventory_sha256=self._expected(order, inventory),
            replaces_damaged=True,
        )
        begun = await self._disk.write(self._volume.begin, store_order)
        if isinstance(begun, SignedAnswer):
            return begun
        await self._write(begun, listed + inventory + content)
        return await self._volume.commit(begun)

    def _expected(self, order: Mend, _inventory: bytes) -> str:
        return order.inventory_sha256

    def _as_listed(self, files: list[Listed], _bodies: list[bytes]) -> list[Listed]:
        return files

    def _verify(self, what: str, content: bytes, expected: str) -> None:
        if sha256(content) != expected:
            raise VerificationFailed(f"{what} as sent does not have its signed digest")

    async def _write(self, incoming: Any, stream: bytes) -> None:
        try:
            offset = 0
            while offset < len(stream):
                piece = stream[offset : offset + PIECE_BYTES]
                offset = await self._disk.write(incoming.write, offset, piece)
        except BaseException:
            await self._disk.write(incoming.abandon)
            raise

    async def _fetch(self, source: NodeClient, order: Mend, path: str, ticket: bytes) -> bytes:
        content, end = b"", False
        while not end:
            part = await source.fetch(order.object_id, path, len(content), PIECE_BYTES, ticket)
            content += part.data
            end = part.end or not part.data
        return content


class SimulatedAuditor:
    """Answers audits and re-checks from the medium (replication/auditing.py)."""

    def __init__(self, volume: SimulatedVolume, disk: SlowDisk) -> None:
        self._volume = volume
        self._disk = disk

    async def audit(self, question: Question) -> AuditAnswer:
        digest = await self._disk.read(self._volume.audited, question.object_id, question.nonce)
        return AuditAnswer(digest, 1, 1, 0, VerifyMode.DIRECT)

    async def recheck(self, object_id: str) -> Recheck:
        kept = self._volume.stat(object_id)
        damaged = await self._disk.read(self._volume.check, object_id)
        outcome = RecheckOutcome.DAMAGED if damaged else RecheckOutcome.INTACT
        assert kept is not None
        return Recheck(outcome, kept.inventory_sha256, int(damaged), 1)


@dataclass(frozen=True, slots=True)
class NodeTools:
    """What a node is started with."""

    network: Network
    door: Door
    office: TicketOffice
    identity: NodeIdentity
    connect: Callable[[Process, str], NodeClient]
    mender: type[SimulatedMender]
    service: type[SimulatedNodeService]
    limits: SessionLimits
    sweep_s: float


def serve(process: Process, volume: SimulatedVolume, tools: NodeTools) -> SimulatedNodeService:
    """Start a node on an open volume."""
    disk = SlowDisk(process)
    mender = tools.mender(
        volume, process, tools.office, lambda name, _ticket: tools.connect(process, name)
    )
    auditor: Any = SimulatedAuditor(volume, disk)
    parts = NodeParts(cast("Any", volume), None, mender, tools.office, auditor)
    service = tools.service(parts, tools.identity, cast("Any", tools.door), tools.limits)
    service.serve(tools.network, process, tools.door)
    process.start(_sweep(process, volume, tools.sweep_s))
    return service


async def _sweep(process: Process, volume: SimulatedVolume, sweep_s: float) -> None:
    while True:
        await process.rest(sweep_s * process.scheduler.chance.uniform(0.8, 1.2))
        try:
            volume.sweep()
        except (OSError, VolumeRefusal):
            continue  # its disk or its journal is in trouble; an operator restarts it


def _files(inventory: bytes) -> list[Listed]:
    """Raises WireRefusal where an inventory is none, which a mender that verifies never meets."""
    try:
        return read_inventory(inventory).files
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireRefusal(f"the inventory cannot be read: {error}", "source-nonsense") from error
