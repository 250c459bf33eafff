"""An intake with everything it needs, in one process: real folders, catalogue and notary.

The nodes are the tests' own (replication.writer.PutClient): they keep what they are sent in memory
and sign for it, or lie as a test wants. Packages are prepared in a thread, not in a worker process.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.roles.notary import Notary
from ingest_watch.arrivals import Arrivals
from ingest_watch.decisions import Decisions
from ingest_watch.delivery import Delivery, SourceFolders
from ingest_watch.desks import Serves
from ingest_watch.drop_folder import DropFolder
from ingest_watch.intake import ClaimTerms, Intake
from ingest_watch.keeping import Keeping
from ingest_watch.lanes import Priority
from ingest_watch.later_version import LaterVersions
from ingest_watch.notary import Demands, KnownNode
from ingest_watch.places import Places
from ingest_watch.preparation import Job, Preparation, Profile
from ingest_watch.prepare import prepare, take_up
from ingest_watch.settle import CompleteWhen, Settler, SettleRule
from ingest_watch.signing_desk import SigningDesk
from ingest_watch.transfer import IntakeTools, SenderSettings, TransferLead
from monitoring.metrics import NotaryMetrics, new_registry
from replication.inventory_fetch import InventoryFetch
from replication.messages import WireRefusal
from replication.peers import Peer
from replication.placements import Placements
from replication.put_writer import Progress, PutSource
from replication.writer import CopyWriter
from storage.catalogue import transfer_lists
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Transfer
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.model import SignedAnswer
from storage.node_answer import FORMAT
from storage.signing import SigningKey
from storage.volume.order import StoreOrder
from tests.bags import bag_files, write_files
from tests.conftest import WaitUntil

SOURCE = "portal"
BACKLOG = "holdings"  # a bulk source beside it
HOLDER = "ingest@here"


@dataclass
class MemoryNode:
    """Keeps objects in memory. What it says of them is true, unless `lie` changes it."""

    name: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    lie: dict[str, object] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # the newest version of each
    inventories: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by id and path
    puts: int = 0
    reads: int = 0
    reachable: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reachable.set()

    @property
    def peer(self) -> Peer:
        return Peer(
            self.name, "tcp://127.0.0.1:9", "0" * 40, self.key.verify_key.hex(), f"room-{self.name}"
        )

    async def put(
        self, order: StoreOrder, source: PutSource, progress: Progress | None = None
    ) -> SignedAnswer:
        await self.reachable.wait()
        self.puts += 1
        content, total_bytes = b"", order.total_bytes
        while len(content) < total_bytes:
            content += await source.read(len(content), min(65536, total_bytes - len(content)))
        file_list = content[: order.file_list_bytes]
        assert hashlib.sha256(file_list).hexdigest() == order.file_list_sha256
        self._keep(order, content)
        return self._signed(order)

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        self.reads += 1
        if (object_id, path) not in self.inventories:
            raise WireRefusal("no such file is kept here", "file-unknown")
        return self.inventories[object_id, path][offset : offset + length]

    def _keep(self, order: StoreOrder, content: bytes) -> None:
        inventory = content[order.file_list_bytes :][: order.inventory_bytes]
        path = f"v{order.version}/inventory.json"
        known = self.inventories.setdefault((order.object_id, path), inventory)
        assert known == inventory, "a version was sent again with other bytes"
        versions = sum(object_id == order.object_id for object_id, _ in self.inventories)
        assert versions == order.version, "a version came before the one before it"
        self.objects[order.object_id] = content

    def _signed(self, order: StoreOrder) -> SignedAnswer:
        said = {
            "format": FORMAT,
            "op_id": order.op_id,
            "node": self.name,
            "node_uuid": f"uuid-of-{self.name}",
            "domain": self.peer.domain,
            "object_id": order.object_id,
            "version": order.version,
            "inventory_sha256": order.inventory_sha256,
            "file_count": order.file_count,
            "content_bytes": order.content_bytes,
            "verify_mode": "evicted",
            "committed_at": "2026-11-22T00:00:00.000000Z",
            "journal_sequence": 1,
        }
        payload = msgspec.json.encode(said | self.lie)
        return SignedAnswer(payload, self.key.sign(payload))


@dataclass
class IntakeWorld:
    """Folders, catalogue, nodes and notary; `intake()` begins one life of an intake process."""

    folder: Path
    catalogue: CatalogueWriter
    nodes: list[MemoryNode]
    notary: "SwitchedNotary"
    rule: SettleRule
    profile: Profile
    wait_until: WaitUntil
    prepare: Callable[[Job], Preparation] = prepare
    versions_from: tuple[str, ...] = ()  # sources that may send new versions
    awaits_registration: bool = False  # custody passes when the form is signed
    claim_s: float = 60.0
    now_s: float = 0.0

    @property
    def drop(self) -> Path:
        return self.folder / "drop"

    @property
    def bulk(self) -> Path:
        """The drop folder of BACKLOG."""
        return self.folder / "bulk"

    @property
    def returned(self) -> Path:
        return self.folder / "return"

    @property
    def accepted(self) -> Path:
        return self.folder / "accepted"

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @asynccontextmanager
    async def intake(self, at_once: int = 2) -> AsyncIterator["RunningIntake"]:
        """An intake at work; leaving it ends it in the middle of whatever it does."""
        running = self._assemble()
        await running.intake.resume()
        work = running.intake.work
        tasks = [asyncio.create_task(work(lane)) for lane in Priority for _ in range(at_once)]
        try:
            yield running
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def transfers(self) -> list[Transfer]:
        """Every transfer, oldest first."""
        return list(reversed(await self.catalogue.look(transfer_lists.page, limit=1000)))

    def answers(self, name: str) -> set[str]:
        """The kinds of answers that lie in the return folder for `name`."""
        return {
            path.name.removeprefix(f"{name}.").removesuffix(".json")
            for path in self.returned.glob("*.json")
            if path.name.startswith(f"{name}.")
        }

    def delivery(self, serves: Serves) -> Delivery:
        """One intake's delivery; `serves` says whether it is the one that serves a source."""
        folders = {
            name: SourceFolders(
                name, drop, self.returned, self.accepted, return_mark=self.folder / "return.mount"
            )
            for name, drop in self._drops().items()
        }
        return Delivery(self.catalogue, folders, self.staging, now, serves)

    def _drops(self) -> dict[str, DropFolder]:
        return {
            SOURCE: DropFolder(self.drop, self.folder / "drop.json", self.rule),
            BACKLOG: DropFolder(self.bulk, self.folder / "bulk.json", self.rule),
        }

    def _assemble(self) -> "RunningIntake":
        desk = SigningDesk(self.notary.socket)
        drops = self._drops()
        clients = {node.name: node for node in self.nodes}
        writer = CopyWriter(
            clients, Placements([node.peer for node in self.nodes], len(self.nodes))
        )
        later = LaterVersions(self.catalogue, InventoryFetch(clients), self.versions_from)
        places = Places(waiting_max=256)
        tools = IntakeTools(
            archive="馆",
            staging=self.staging,
            senders={
                name: SenderSettings(
                    drop, self.profile, awaits_registration=self.awaits_registration
                )
                for name, drop in drops.items()
            },
            catalogue=self.catalogue,
            desk=desk,
            keeping=Keeping(self.catalogue, writer, desk, later, places, now),
            prepare=self._in_thread,
            take_up=lambda job: asyncio.to_thread(take_up, job),
            now=now,
            places=places,
        )
        arrivals = {
            name: Arrivals(name, drop, Settler(self.rule), self.catalogue, now, lambda: self.now_s)
            for name, drop in drops.items()
        }
        return RunningIntake(
            self,
            Intake(
                self.catalogue,
                {Priority.DAILY: [arrivals[SOURCE]], Priority.BACKLOG: [arrivals[BACKLOG]]},
                TransferLead(tools),
                ClaimTerms(HOLDER, self.claim_s, batch_gone_after_s=0),
                lambda: datetime.now(UTC),
                lambda: None,
            ),
            self.delivery(_alone),
            Decisions("馆", self.catalogue, desk, now),
        )

    async def _in_thread(self, job: Job) -> Preparation:
        return await asyncio.to_thread(self.prepare, job)


@dataclass
class RunningIntake:
    """One life of an intake process, looked at and delivered from by hand."""

    world: IntakeWorld
    intake: Intake
    delivery: Delivery
    decisions: Decisions

    async def look(self, times: int = 2) -> None:
        """Look at the drop folder so often that what is quiet settles."""
        for _ in range(times):
            self.world.now_s += 60
            for source in (SOURCE, BACKLOG):
                await self.intake.look(source)

    async def settle_down(self) -> None:
        """Return once no transfer is being worked on; deliver what was answered."""
        await self.world.wait_until(lambda: self.intake.is_idle, 30, "an intake at rest")
        await self.delivery.round()


@dataclass
class SwitchedNotary:
    """A real notary behind a real socket, which can be away for a while."""

    socket: Path
    notary: Notary
    _server: asyncio.Server | None = None

    async def arrive(self) -> None:
        self._server = await asyncio.start_unix_server(self.notary.serve, self.socket)

    async def leave(self) -> None:
        if self._server is not None:
            self._server.close()
            self.socket.unlink(missing_ok=True)
            self._server = None


def now() -> str:
    """The moment, as records have it."""
    return to_text(datetime.now(UTC))


@asynccontextmanager
async def intake_world(
    folder: Path, wait_until: WaitUntil, complete_when: CompleteWhen = CompleteWhen.RENAMED
) -> AsyncIterator[IntakeWorld]:
    """A world whose nodes and notary are well."""
    for name in ("drop", "bulk", "return", "accepted", "staging"):
        (folder / name).mkdir()
    url = f"sqlite:///{folder}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    nodes = [MemoryNode(f"node-{number}") for number in (1, 2, 3)]
    known = {
        node.name: KnownNode(node.name, node.peer.domain, node.key.verify_key) for node in nodes
    }
    metrics = NotaryMetrics(new_registry("notary", "notary"))
    notary = Notary(SigningKey.generate(), known, Demands(len(nodes)), metrics)
    async with AsyncExitStack() as stack:
        catalogue = Catalogue.open(url)
        stack.callback(catalogue.close)
        writer = await stack.enter_async_context(CatalogueWriter(catalogue))
        switched = SwitchedNotary(folder / "n.sock", notary)
        await switched.arrive()
        stack.push_async_callback(switched.leave)
        rule = SettleRule(complete_when, quiet_s=30.0)
        profile = Profile(("bagit",), "name")
        yield IntakeWorld(folder, writer, nodes, switched, rule, profile, wait_until)


def send(world: IntakeWorld, name: str, content: bytes = b"page one") -> Path:
    return write_files(world.drop / name, bag_files({"data/1.txt": content}))


async def states(world: IntakeWorld) -> list[str]:
    return [transfer.state.value for transfer in await world.transfers()]


async def has(world: IntakeWorld, *wanted: str) -> bool:
    return any(state in wanted for state in await states(world))


async def _alone(_source: str) -> bool:
    """No other intake serves the source's folders."""
    return True
