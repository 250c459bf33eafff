"""One simulated archive: hosts, their processes, and what an operator does.

Two intakes, two keepers, three to five nodes, a catalogue and a notary's rule. Starts, kills and
restarts processes; what strikes them is faults.py's, what must hold truth.py's.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, cast

from sqlalchemy import Connection

from ingest_watch.notary import Demands, KnownNode
from replication.node_client import NodeClient
from replication.node_service import NodeIdentity
from replication.node_session import SessionLimits
from replication.peers import Peer
from replication.roles import Authority, Role, RoleTable
from replication.tickets import TicketOffice
from storage.catalogue import findings, packages, suspects, transfer_lists
from storage.catalogue.model import Actor, Transfer
from storage.catalogue.timestamps import to_text
from storage.errors import LantaiError
from storage.model import VerifyMode
from storage.volume.events import Speaker
from storage.volume.order import StoreOrder
from tests.simulation.bugs import Build
from tests.simulation.catalogue import CatalogueServer
from tests.simulation.checked import WatchedDisk
from tests.simulation.client import SimulatedClient
from tests.simulation.disk import Disk, File, Trouble
from tests.simulation.intake import Host, IntakeTools, Notary
from tests.simulation.keeper import KeeperTools, SimulatedKeeper
from tests.simulation.keys import signing_key, verify_key, verify_key_hex
from tests.simulation.network import Network, key_of
from tests.simulation.node import Door, NodeTools, serve
from tests.simulation.options import Options
from tests.simulation.package import SimulatedPackage, make_package
from tests.simulation.scheduler import Crashed, Process, Scheduler, make_running
from tests.simulation.story import Story
from tests.simulation.truth import NodeTruth, Truth, Violation
from tests.simulation.volume import SimulatedVolume

INTAKES = ("ingest-1", "ingest-2")
KEEPERS = ("keeper-1", "keeper-2")
_RESTART_S_MAX = 20.0
_OPERATOR_S = 20.0


@dataclass(slots=True)
class Machine:
    """One host: what runs on it now, and how often something was started."""

    name: str
    process: Process | None = None
    volume: SimulatedVolume | None = None
    starts: int = 0
    skew_s: float = 0.0
    is_due: bool = False  # a restart is on its way


@dataclass(slots=True)
class World:
    """Everything there is in one seed."""

    options: Options
    chance: Random
    build: Build
    scheduler: Scheduler
    story: Story
    network: Network
    truth: Truth
    catalogue: CatalogueServer
    machines: dict[str, Machine] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    door: Door = field(default_factory=lambda: Door(RoleTable([])))
    drop: dict[str, SimulatedPackage] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    graveyard: list[Process] = field(default_factory=list)
    object_ids: dict[str, str] = field(default_factory=dict)  # of the sender's names
    has_faults: bool = True  # until the calm begins
    mends_to_cut: int = 2  # that a crash is going to end
    calls: int = 0  # on which a person had to release a suspect

    # Beginning.

    def begin(self) -> None:
        """Lay everything out and start every process."""
        self._lay_out_nodes()
        self._lay_out_door()
        for number in range(self.options.packages):
            at_s = self.chance.uniform(0, self.options.faults_s)
            self.scheduler.after(at_s, partial(self._drop, number))
        for name in self.machines:
            self.start(name)
        self._operate()

    def _lay_out_nodes(self) -> None:
        options = self.options
        names = [f"node-{number}" for number in range(1, options.nodes + 1)]
        domains = [f"room-{number}" for number in range(1, options.copies + 1)]
        domains += [
            self.chance.choice([*domains, f"room-{n}"]) for n in range(4, options.nodes + 1)
        ]
        peers = []
        for name, domain in zip(names, domains, strict=True):
            disk = WatchedDisk(name, self.chance, self._trouble_of(name), options.power_keeps)
            disk.truth = self.truth
            disk.removed = partial(self.truth.removed, name)
            disk.begun = partial(self._endanger, disk)
            disk.hit = partial(self._hit, name)
            disk.may_hit = partial(self._may_hit, name)
            self.truth.nodes[name] = NodeTruth(disk, domain, f"{name}-disk-1")
            peers.append(
                Peer(name, f"simulated://{name}", key_of(name), verify_key_hex(name), domain)
            )
            self.machines[name] = Machine(name)
        self.peers = tuple(peers)
        for name in (*INTAKES, *KEEPERS):
            skew_s = self.chance.uniform(-1, 1) * options.clock_skew_s
            self.machines[name] = Machine(name, skew_s=skew_s)
            self.hosts[name] = Host(name)

    def _lay_out_door(self) -> None:
        def authority(name: str) -> Authority:
            return Authority(name, Role(name.partition("-")[0]), key_of(name))

        self.door = Door(RoleTable(map(authority, self.machines)))

    def _drop(self, number: int) -> None:
        """A sender puts a package into the drop folder, some of them twice."""
        object_id = f"lantai:gov/case-{number}"
        package = make_package(
            f"case-{number}", object_id, self.chance, self.options.file_bytes_max
        )
        self.truth.packages[object_id] = package
        names = [package.name]
        if number < self.options.duplicates:
            names.append(f"{package.name}-again")
        for name in names:
            self.drop[name] = package
            self.object_ids[name] = object_id
        self.story.tell(f"the sender drops {', '.join(names)}: {len(package.stream)} bytes")

    # Processes.

    def start(self, name: str) -> None:
        """Start what runs on this host; a process that runs there already stays."""
        machine = self.machines[name]
        machine.is_due = False
        if machine.process is not None and machine.process.is_alive:
            return
        if machine.process is not None:
            self.graveyard.append(machine.process)
        process = machine.process = Process(self.scheduler, name)
        process.skew_s = machine.skew_s
        machine.starts += 1
        self.story.tell(f"{name} starts" if machine.starts == 1 else f"{name} starts again")
        make_running(process)
        try:
            self._start(machine, process)
        except (Crashed, Violation):
            pass
        except (OSError, LantaiError) as error:
            self.story.tell(f"{name} does not come up: {error}")
            self.stop(name, "it could not start")
        finally:
            make_running(None)

    def _start(self, machine: Machine, process: Process) -> None:
        if machine.name in INTAKES:
            self._start_intake(process)
        elif machine.name in KEEPERS:
            self._start_keeper(process)
        else:
            self._start_node(machine, process)

    def _start_node(self, machine: Machine, process: Process) -> None:
        truth = self.truth.nodes[machine.name]
        truth.disk.is_fenced = False
        speaker = Speaker(
            machine.name, truth.uuid, truth.domain, VerifyMode.DIRECT, signing_key(machine.name)
        )
        volume = SimulatedVolume(truth.disk, process, speaker, self.build.steps)
        machine.volume = volume
        self.truth.opened(machine.name, volume.index.stored)
        identity = NodeIdentity(machine.name, truth.uuid, truth.domain, lambda: volume.epoch)
        window_bytes = self.options.window_bytes
        limits = SessionLimits(window_bytes=window_bytes, window_bytes_min=window_bytes)
        tools = NodeTools(
            self.network, self.door, TicketOffice(machine.name, verify_key("keeper")), identity,
            self._connect_node, self.build.mender, self.build.service, limits,
            self.options.sweep_s,
        )  # fmt: skip
        service: Any = serve(process, volume, tools)
        service.truth = self.truth

    def _connect_node(self, process: Process, node: str) -> NodeClient:
        return SimulatedClient(self.network, process, self._peer(node), "node")

    def _start_intake(self, process: Process) -> None:
        peers = self.build.peers(self.peers)
        clients = self._clients(process, "ingest")
        known = {
            peer.name: KnownNode(peer.name, peer.domain, verify_key(peer.name)) for peer in peers
        }
        copies = self.build.copies(self.options.copies)
        tools = IntakeTools(
            catalogue=self.build.catalogue(self.catalogue, self.network, process),
            clients=clients,
            peers=peers,
            copies=copies,
            drop=self.drop,
            notary=Notary(signing_key("notary"), known, Demands(copies)),
            delivered=self._delivered,
            moved=self._moved,
            unstaged=self._unstaged,
            host=self.hosts[process.name],
            begun=self._begun,
        )
        process.start(self.build.intake(process, tools).run())

    def _start_keeper(self, process: Process) -> None:
        catalogue = self.build.catalogue(self.catalogue, self.network, process)
        catalogue.leased = self.truth.leased
        clients = self._clients(process, "keeper")
        tools = KeeperTools(catalogue, clients, signing_key("keeper"), self.options.lease_s)
        SimulatedKeeper(process, tools).start()

    def _clients(self, process: Process, role: str) -> dict[str, NodeClient]:
        clients = {}
        for peer in self.peers:
            client = SimulatedClient(self.network, process, peer, role)
            process.start(client.connect())
            clients[peer.name] = cast("NodeClient", client)
        return clients

    def _peer(self, name: str) -> Peer:
        return next(peer for peer in self.peers if peer.name == name)

    def stop(self, name: str, why: str, *, power_cut: bool = False) -> None:
        """A process ends; it is started again after a while."""
        machine = self.machines[name]
        if machine.process is not None:
            machine.process.kill()
        self.story.tell(f"{name} is dead: {why}")
        if name in self.truth.nodes:
            disk = self.truth.nodes[name].disk
            disk.is_fenced = True
            if power_cut:
                disk.cut_power()
            with suppress(Violation):
                self.truth.stopped(name)
        elif power_cut:
            self.hosts[name].staged.clear()  # it was never synced (docs/decisions/0005)
        if not machine.is_due:
            machine.is_due = True
            delay_s = self.chance.uniform(0.1, _RESTART_S_MAX)
            self.scheduler.after(delay_s, lambda: self.start(name))

    def _trouble_of(self, node: str) -> Any:
        def happen(trouble: Trouble) -> None:
            machine = self.machines[node]
            if machine.process is not None and machine.process.is_alive:
                power_cut = trouble is Trouble.POWER_CUT
                self.stop(node, f"in the middle of a step, {trouble}", power_cut=power_cut)
            raise Crashed(node)

        return happen

    def _may_hit(self, node: str, file: File) -> bool:
        """Whether a misdirected write may land here."""
        object_id = self.truth.object_of(self.truth.nodes[node].disk, file)
        return object_id is not None and self.truth.may_injure(node, object_id)

    def _hit(self, node: str, file: File) -> None:
        object_id = self.truth.object_of(self.truth.nodes[node].disk, file)
        assert object_id is not None
        self.truth.nodes[node].injured.add(object_id)
        self.story.tell(f"a write of {node} lands in {object_id}")

    def _endanger(self, disk: Disk, order: StoreOrder) -> None:
        """An operation begins: the worst moments for a crash are those to come.

        Mends come late: the first of the calm are in danger, too, around their publication.
        """
        crashes, trouble = self.options.crashes_in_writing, Trouble.KILL
        if self.chance.random() < 0.5:
            trouble = Trouble.POWER_CUT
        if order.replaces_damaged and crashes and self.mends_to_cut:
            self.mends_to_cut -= 1
            disk.prepare(trouble, self.chance.randint(8, 22))
        elif self.has_faults and self.chance.random() < crashes:
            disk.prepare(trouble, self.chance.randint(1, 25))

    # What the outside sees.

    def _begun(self, op_id: str, stream: bytes) -> None:
        self.truth.streams[op_id] = stream

    def _delivered(self, transfer: Transfer, body: bytes) -> None:
        self.story.tell(f"the stored receipt of {transfer.name} is in the return folder")
        self.truth.delivered(transfer, body)

    def _moved(self, transfer: Transfer) -> None:
        if self.drop.pop(transfer.name, None) is not None:
            self.story.tell(f"{transfer.name} is moved to accepted/")

    def _unstaged(self, transfer: Transfer) -> None:
        self.truth.unstaged(transfer, self.object_ids[transfer.name])

    # The operator.

    def _operate(self) -> None:
        """Restart nodes that take no writes any more, and release suspects, as the runbooks say."""
        for name, machine in self.machines.items():
            volume, process = machine.volume, machine.process
            if volume is None or process is None or not process.is_alive:
                continue
            if volume.gate.reason is not None and not process.is_frozen:
                self.stop(name, "an operator restarts it: it takes no writes")
        for suspect in self.catalogue.look(suspects.all_of):
            self.calls += 1
            self.story.tell(f"an operator trusts {suspect.node} again: {suspect.reason}")
            at = to_text(Process(self.scheduler, "operator").now())
            self.catalogue.act(
                suspects.release, suspect.node, "looked at", Actor("operator", "desk"), at
            )
        self.scheduler.after(_OPERATOR_S, self._operate)

    def replace_disk(self, node: str) -> None:
        """An empty disk in the place of the old one, under the same name."""
        truth = self.truth.nodes[node]
        self.stop(node, "its disk is replaced by an empty one")
        truth.disk.wipe()
        number = int(truth.uuid.rpartition("-")[2]) + 1
        truth.uuid = f"{node}-disk-{number}"
        truth.injured |= set(self.truth.packages)
        truth.kept.clear()
        truth.epochs.clear()

    # The end.

    def unrest(self) -> str:
        """Why this is not over yet; empty once every package has its receipt and N whole copies."""
        if self.drop or len(self.object_ids) < self.options.packages + self.options.duplicates:
            return f"in the drop folder: {', '.join(self.drop)}"
        for object_id in self.truth.packages:
            if not self.truth.receipts[object_id]:
                return f"no receipt for {object_id}"
            good = self.truth.good_nodes(object_id)
            if len({self.truth.nodes[node].domain for node in good}) < self.options.copies:
                return f"{object_id} is good on {good} alone"
        return self.catalogue.look(_unrest)

    def end(self) -> None:
        """Let go of everything."""
        alive = [each.process for each in self.machines.values() if each.process is not None]
        for process in (*self.graveyard, *alive):
            process.bury()
        self.catalogue.close()


def _unrest(connection: Connection) -> str:
    """Why the catalogue is not at rest."""
    if transfer_lists.unfinished(connection):
        return "a transfer is not finished"
    if short := packages.below_target(connection):
        return f"by the catalogue {short[0].object_id} has too few copies"
    if found := findings.bad_copies(connection):
        return f"by the catalogue the copy of {found[0].object_id} on {found[0].node} is bad"
    return ""
