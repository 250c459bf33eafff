"""The role `node`: keeps one storage root, serves it on the wire, sweeps it, mends its copies.

Opens nothing that it did not recognise, test and recover; serves nobody before a stranger's key
was refused. Joins storage.volume, storage.sweep and replication; decides nothing itself.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from daemon.config import Config, Node, required
from daemon.control import ControlRefused, Request, Verb
from daemon.keys import KeyFolder
from daemon.lifecycle import Opening, Part, Role, Work
from daemon.roles.node_door import Door, open_door
from daemon.roles.node_metrics import NodeGauges
from daemon.roles.openings import open_wire
from monitoring.log import get_log
from monitoring.metrics import new_registry
from replication.auditing import CopyAuditor
from replication.authentication import Authenticator
from replication.endpoints import CurveKeys
from replication.layout_shelf import LayoutShelf
from replication.mending import CopyMender
from replication.messages import Source
from replication.node_client import NodeClient
from replication.node_service import NodeIdentity, NodeService
from replication.node_volume import DiskThreads, NodeParts
from replication.peers import Peer
from replication.pull import Piece
from replication.roles import Authority, RoleTable
from replication.roles import Role as WireRole
from replication.sweep_actions import Action, SweepAction
from replication.tickets import TicketOffice
from replication.transport import Wire
from storage.signing import AnyOf, SigningKey, VerifyKey
from storage.sweep.model import PassKind, PassOrder, PassScope, rfc3339
from storage.sweep.pace import HoursOfDay, Patience
from storage.sweep.plan import StorageClass, SweepSettings
from storage.sweep.sweeper import Sweeper, TrailPlace
from storage.volume.refusals import VolumeRefusal
from storage.volume.settings import VolumeSettings
from storage.volume.volume import Volume

log = get_log(__name__)

ROLE = "node"
_GREETING_S = 10.0
# An operation that nobody has written to for so long is given up; its writer begins it again.
_ABANDONED_S = 6 * 3600.0


def build(config: Config, auditor: type[CopyAuditor] = CopyAuditor) -> Role:
    """Raises ConfigurationError when the file has no [node]. A test gives an auditor that lies."""
    settings = required(config.node, ROLE)
    registry = new_registry(ROLE, settings.name)

    async def open_role(opening: Opening) -> Work:
        node = await _open(config, settings, opening, registry, auditor)
        return node.work()

    return Role(ROLE, settings.name, settings.metrics_address, registry, open_role)


def volume_settings(settings: Node) -> VolumeSettings:
    """[node] as the volume is told it."""
    return VolumeSettings(
        root=settings.root,
        node=settings.name,
        domain=settings.domain,
        reserve_bytes=settings.reserve_bytes,
        allow_unproven=settings.allow_unproven,
        group_packages_max=settings.commit.group_packages_max,
        group_wait_s=settings.commit.group_wait_s,
        operations_max=settings.commit.operations_max,
        read_back_processes=settings.workers,
    )


@dataclass(slots=True)
class RunningNode:
    """Everything that an open node is made of."""

    name: str
    endpoint: str
    volume: Volume
    sweeper: Sweeper
    service: NodeService
    door: Door
    gauges: NodeGauges

    def work(self) -> Work:
        """The parts that run for ever, and what the control socket answers."""
        parts = (
            Part("authentication", self._authenticate),
            Part("wire", self._serve),
            Part("sweep", self._sweep),
            Part("figures", self._measure),
        )
        verbs: dict[str, Verb] = {
            "status": self._status,
            "sweep-start": partial(self._steer_sweep, "start"),
            "sweep-pause": partial(self._steer_sweep, "pause"),
            "sweep-resume": partial(self._steer_sweep, "resume"),
            "sweep-status": self._sweep_status,
            "self-test": self._test_itself,
        }
        return Work(parts, verbs)

    async def _authenticate(self, part: Part) -> None:
        await _watching(part, self.door.authentication, "Judging keys")

    async def _serve(self, part: Part) -> None:
        await _watching(part, self.door.serving, f"Serving at {self.endpoint}")

    async def _sweep(self, part: Part) -> None:
        stop = asyncio.Event()
        sweeping = asyncio.create_task(self.sweeper.run(stop), name="sweep")
        try:
            await _watching(part, sweeping, "Sweeping to the deadline")
        finally:
            stop.set()
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    async def _measure(self, part: Part) -> None:
        while True:
            await asyncio.to_thread(self.volume.abandon_idle, _ABANDONED_S)
            await self._watch_disk()
            state = await self.gauges.measure()
            part.beat(f"{state.objects} objects, {state.state}: {state.message}")
            await part.pause(2)

    async def _watch_disk(self) -> None:
        try:
            await asyncio.to_thread(self.volume.watch_disk)
        except VolumeRefusal as refusal:
            log.warning("node.disk.unfit", reason=str(refusal))

    async def _status(self, _request: Request) -> dict[str, Any]:
        state = await asyncio.to_thread(self.volume.state)
        sweep = await self.sweeper.status()
        return {
            "volume": state.state,
            "message": state.message,
            "objects": state.objects,
            "content_bytes": state.content_bytes,
            "free_bytes": state.free_bytes,
            "verify_mode": self.volume.verify_mode,
            "burn_in": self.volume.burn_in,
            "sweep_running": sweep.running,
            "sweep_broken": sweep.broken,
            "oldest_checked_at": sweep.oldest_checked_at,
            "connections": self.service.connections,
        }

    async def _test_itself(self, _request: Request) -> str:
        """After a fault of the disk: a clean test lets the volume take writes again."""
        await asyncio.to_thread(self.volume.self_test)
        return f"passed: read back {self.volume.verify_mode}"

    async def _steer_sweep(self, action: Action, request: Request) -> dict[str, Any]:
        if request.text("node", self.name) != self.name:
            raise ControlRefused(f"this is {self.name}; ask the keeper to have another node swept")
        wanted = SweepAction.from_members(action, dict(request.arguments))
        if action == "pause":
            self.sweeper.pause(wanted.pause_s)
        elif action == "resume":
            self.sweeper.resume()
        else:
            scope = PassScope(wanted.scope)
            self.sweeper.start_now(PassOrder(PassKind(wanted.kind), scope, wanted.subject))
        return await self._sweep_status(request)

    async def _sweep_status(self, _request: Request) -> dict[str, Any]:
        return {"nodes": [{"node": self.name, **asdict(await self.sweeper.status())}]}


async def _open(
    config: Config,
    settings: Node,
    opening: Opening,
    registry: CollectorRegistry,
    auditor: type[CopyAuditor],
) -> RunningNode:
    folder = KeyFolder(config.site.keys_folder)
    keys = folder.curve_keys(settings.name)
    opening.say(f"Testing and recovering {settings.root}")
    key = folder.signing_key(settings.name)
    volume = await asyncio.to_thread(Volume.open, volume_settings(settings), key)
    opening.stack.push_async_callback(asyncio.to_thread, volume.close)
    sweeper = Sweeper(
        volume,
        sweep_settings(settings),
        chance=_chance(settings.name),
        canaries=volume.settings.canaries,
        trails=TrailPlace(volume.settings.trails),
    )
    wire = open_wire(opening)
    authenticator = Authenticator(wire, role_table(config), time.monotonic)
    identity = NodeIdentity(
        settings.name, volume.identity.node_uuid, settings.domain, lambda: volume.epoch
    )
    parts = _node_parts(settings, volume, sweeper, wire, keys, opening)
    audits = auditor(volume, volume.settings.canaries, lambda: rfc3339(datetime.now(UTC)))
    opening.stack.callback(audits.close)
    layouts = await asyncio.to_thread(_layouts, settings, volume, key)
    parts = replace(parts, auditor=audits, chronicle=volume.chronicle, layouts=layouts)
    service = NodeService(parts, identity, authenticator)
    opening.stack.callback(service.close)
    gauges = NodeGauges(registry, volume, sweeper, service, authenticator, settings.sweep)
    door = await open_door(opening, wire, authenticator, service, settings.bind, keys)
    return RunningNode(settings.name, settings.bind, volume, sweeper, service, door, gauges)


def role_table(config: Config) -> RoleTable:
    """Who may talk to this node, by public key."""
    return RoleTable(
        Authority(each.name, WireRole(each.role), each.curve_public_key)
        for each in config.authorities
    )


def _node_parts(
    settings: Node, volume: Volume, sweeper: Sweeper, wire: Wire, keys: CurveKeys, opening: Opening
) -> NodeParts:
    if settings.keeper_verify_key is None:
        return NodeParts(volume, sweeper, keepers=volume)
    office = TicketOffice(settings.name, _keepers(settings.keeper_verify_key))

    @asynccontextmanager
    async def connect(source: Source, ticket: bytes) -> AsyncIterator[_TicketedSource]:
        # What the source signs is not asked for in a repair, so its verify key is not needed.
        peer = Peer(source.name, source.endpoint, source.curve_public_key, "0" * 64, "")
        client = NodeClient(wire, peer, keys, ROLE)
        await client.connect()
        try:
            await client.wait_until_greeted(_GREETING_S)
            yield _TicketedSource(client, ticket)
        finally:
            await client.close()

    disk = DiskThreads()
    opening.stack.callback(disk.close)
    pulls = volume.settings.beside / "pulls"
    mender = CopyMender(volume, disk, office, connect, pulls)
    return NodeParts(volume, sweeper, mender, office, keepers=volume)


def _keepers(named: str | tuple[str, ...]) -> AnyOf:
    keys = (named,) if isinstance(named, str) else named
    return AnyOf(tuple(VerifyKey.from_hex(each) for each in keys))


def _layouts(settings: Node, volume: Volume, key: SigningKey) -> LayoutShelf | None:
    """What the keeper tells of who belongs, beside the root; None where its key is not known."""
    if settings.keeper_verify_key is None:
        return None
    keeper, identity = _keepers(settings.keeper_verify_key), volume.identity
    return LayoutShelf(volume.settings.layouts, settings.name, identity.node_uuid, key, keeper)


@dataclass(frozen=True, slots=True)
class _TicketedSource:
    """A node to fetch from, with the keeper's permission in hand."""

    client: NodeClient
    ticket: bytes

    async def fetch(self, object_id: str, path: str, offset: int, length: int) -> Piece:
        part = await self.client.fetch(object_id, path, offset, length, self.ticket)
        return Piece(part.data, part.end)


def sweep_settings(settings: Node) -> SweepSettings:
    """[node.sweep] as the sweep is told it."""
    said = settings.sweep
    return SweepSettings(
        deadline_days=said.deadline_days,
        aim_days=said.aim_days,
        classes=tuple(
            StorageClass(each.name, each.deadline_days, each.sources) for each in said.classes
        ),
        read_bytes_per_second_max=said.read_bytes_per_second_max,
        read_files_per_second_max=said.read_files_per_second_max,
        tranquility=said.tranquility,
        workers=said.workers,
        windows=tuple(HoursOfDay.parse(window) for window in said.hours),
        patience=Patience(
            said.yield_above_read_latency_ms / 1000, said.yield_above_commit_latency_ms / 1000
        ),
        quick_period_hours=said.quick_period_hours,
    )


def _chance(name: str) -> float:
    """A number from 0 to 1 that spreads the nodes over time, always the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


async def _watching(part: Part, task: asyncio.Task[None], status: str) -> None:
    """Beat while `task` runs, on the loop that it runs on; raises what it raises."""
    while not task.done():
        part.beat(status)
        await asyncio.wait([task], timeout=5)
    await task
