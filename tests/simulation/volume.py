"""A node's volume over a simulated disk, as replication.node_volume.NodeVolume wants it.

docs/formats/volume.md. The commit of a group, admission, recovery, records and the gate are the
product's; what they are told of is volume_steps.py's and volume_records.py's. Sweeps and answers
audits besides. One version per object.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from storage.hash_tree.branch import Subtree, children_of, partitions_below
from storage.hash_tree.leaf import Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum
from storage.model import SignedAnswer, StoredObject
from storage.sweep.model import DamageKind
from storage.volume.events import Event, Speaker, timestamp
from storage.volume.findings import Finding
from storage.volume.gate import Gate
from storage.volume.group import GroupParts, Outcome, commit_group
from storage.volume.incoming import Incoming
from storage.volume.order import KEEPER_SCOPE, StoreOrder
from storage.volume.records import Records
from storage.volume.refusals import (
    FileUnknown,
    ObjectUnknown,
    OperationClosed,
    VolumeRefusal,
    WriteLost,
)
from storage.volume.settings import VolumeSettings
from tests.simulation.disk import Disk, DiskPath, SimulatedSync
from tests.simulation.package import read_inventory, sha256
from tests.simulation.scheduler import Process
from tests.simulation.volume_records import SimulatedIndex, SimulatedJournal
from tests.simulation.volume_steps import (
    INVENTORY,
    ROOT,
    V1_INVENTORY,
    BlockLists,
    Guard,
    Readers,
    SimulatedAdmission,
    SimulatedPublisher,
    SimulatedRecovery,
    folder_of,
)

_EMPTY = SetSum().subtree()


@dataclass(frozen=True, slots=True)
class Steps:
    """The modelled steps, each of which a seeded bug may put another in the place of."""

    sync: type[SimulatedSync]
    journal: type[SimulatedJournal]
    index: type[SimulatedIndex]
    publisher: type[SimulatedPublisher]
    recovery: type[SimulatedRecovery]
    admission: type[SimulatedAdmission]


class SimulatedVolume:
    """An open volume, as replication.node_volume.NodeVolume wants it."""

    def __init__(self, disk: Disk, process: Process, speaker: Speaker, steps: Steps) -> None:
        self.disk = disk
        self.process = process
        self.speaker = speaker
        self._steps = steps
        self.gate = Gate()
        with SimulatedSync(disk) as sync:
            sync.ask()  # the self-test's: what an earlier process left in memory is durable
        self.journal = steps.journal(disk, process)
        self.index = steps.index()
        self.index.apply(self.journal.records)
        self._publisher = steps.publisher(disk, process)
        root = cast("Path", DiskPath(disk, ROOT))
        settings = VolumeSettings(root, speaker.node, speaker.domain, reserve_bytes=0)
        journal: Any = self.journal
        index: Any = self.index
        guard: Any = Guard()
        self._records = Records(journal, index, self._condemn)
        self._admission = steps.admission(settings, self.gate, guard, self._records, self._failed)
        self._admission.disk = disk
        self._admission.process = process
        self._admission.sync = steps.sync
        publisher: Any = self._publisher
        readers: Any = Readers(disk)
        blocks: Any = BlockLists()
        self._parts = GroupParts(
            speaker, guard, publisher, self._records, readers, blocks, self.gate, self._condemn
        )
        self._waiting: list[tuple[Incoming, Any]] = []
        steps.recovery(settings, speaker, self._records, publisher, blocks).run()
        self._records.note(Event("opened", {"node_uuid": speaker.node_uuid}))

    # replication.node_volume.NodeVolume

    def begin(self, order: StoreOrder) -> Incoming | SignedAnswer:
        return self._admission.begin(order)

    async def commit(self, incoming: Incoming) -> SignedAnswer:
        incoming.refuse_unless_sealed()
        future = self.process.loop.create_future()
        self._waiting.append((incoming, future))
        if len(self._waiting) == 1:
            self.process.start(self._collect())
        answer: SignedAnswer = await future
        return answer

    def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return self._file(object_id, path)[offset : offset + length]

    def file_size(self, object_id: str, path: str) -> int:
        return len(self._file(object_id, path))

    def block_leaves(self, object_id: str, path: str, first: int, count: int) -> bytes:
        raise FileUnknown(f"{object_id} {path} {first} {count}: no file here has blocks")

    def stat(self, object_id: str) -> StoredObject | None:
        return self.index.stored_object(object_id)

    def objects(self, after: str, limit: int) -> list[StoredObject]:
        names = sorted(name for name in self.index.stored if name > after)
        return [self.index.stored[name] for name in names[:limit]]

    def findings(self, after: int, limit: int) -> list[Finding]:
        return [each for each in self.index.findings if each.sequence > after][:limit]

    def tree_branch(self, level: int, index: int) -> list[Subtree]:
        """Sums of what the index has, made anew for each question."""
        sums: dict[int, SetSum] = {}
        for leaf in self._leaves():
            partition = partition_of(leaf.object_id)
            before = sums.get(partition, SetSum())
            sums[partition] = before.changed([], [leaf_digest(leaf)])
        known = {partition: each.subtree() for partition, each in sums.items()}
        return children_of(level, [known.get(n, _EMPTY) for n in partitions_below(level, index)])

    def leaves(self, partition: int, after: str, limit: int) -> list[Leaf]:
        found = [leaf for leaf in self._leaves() if partition_of(leaf.object_id) == partition]
        return [leaf for leaf in found if leaf.object_id > after][:limit]

    def _leaves(self) -> list[Leaf]:
        """As storage/volume/index_tree.py has them: a copy that is gone has none."""
        open_kinds = {
            each.object_id: each.kind for each in self.index.findings if each.mended_at is None
        }
        leaves = []
        for object_id, kept in sorted(self.index.stored.items()):
            kind = open_kinds.get(object_id)
            if kind != DamageKind.OBJECT_MISSING:
                state = LeafState.STORED if kind is None else LeafState.DAMAGED
                leaves.append(Leaf(object_id, kept.head, kept.inventory_sha256, state))
        return leaves

    def staged_bytes(self, op_id: str) -> bytes | None:
        """What is in the files of an open operation; None where none is open."""
        return self._admission.staged_bytes(op_id)

    @property
    def epoch(self) -> int:
        return self.index.epoch(KEEPER_SCOPE)

    # The sweep and the audit.

    def sweep(self) -> list[str]:
        """Read every copy anew; ids of those that were found damaged now."""
        return [
            object_id
            for object_id in list(self.index.stored)
            if not self._admission.is_committing(object_id) and self.check(object_id)
        ]

    def check(self, object_id: str) -> bool:
        """Whether this copy is damaged; a finding that is new goes on record."""
        kept = self.index.stored_object(object_id)
        if kept is None:
            raise ObjectUnknown(f"{object_id} is not kept here")
        flaw = self._damage(kept)
        if flaw is None:
            return False
        if not self.index.has_open_finding(object_id):
            self._note(object_id, flaw)
        return True

    def audited(self, object_id: str, nonce: bytes) -> str:
        """A digest over nonce and content, read from the medium."""
        kept = self.index.stored_object(object_id)
        if kept is None:
            raise ObjectUnknown(f"{object_id} is not kept here")
        digest = hashlib.sha256(nonce)
        folder = folder_of(self.disk, object_id).text
        for path in sorted(self.disk.below(folder)):
            digest.update(path[len(folder) :].encode() + b"\0" + self.disk.read_medium(path))
        return digest.hexdigest()

    def _damage(self, kept: StoredObject) -> str | None:
        folder = folder_of(self.disk, kept.object_id).text
        if not self.disk.exists(folder):
            return "the object is not there"
        try:
            inventory = self.disk.read_medium(f"{folder}/{V1_INVENTORY}")
            if sha256(inventory) != kept.inventory_sha256:
                return f"{V1_INVENTORY} has another SHA-256"
            if self.disk.read_medium(f"{folder}/{INVENTORY}") != inventory:
                return f"{INVENTORY} has another SHA-256"
            for file in read_inventory(inventory).files:
                if sha256(self.disk.read_medium(f"{folder}/v1/{file.path}")) != file.sha256:
                    return f"v1/{file.path} has another SHA-256"
        except (OSError, msgspec.MsgspecError) as error:
            return f"cannot be read: {error}"
        return None

    def _note(self, object_id: str, detail: str) -> None:
        gone = detail.endswith("not there")
        kind = DamageKind.OBJECT_MISSING if gone else DamageKind.ALTERED
        event = Event(
            "finding",
            {
                "object_id": object_id,
                "finding": kind.value,
                "path": "",
                "detail": detail,
                "found_at": timestamp(self.process.now()),
                "evidence": "",
            },
        )
        self._records.note(event)

    def _file(self, object_id: str, path: str) -> bytes:
        if self.index.stored_object(object_id) is None:
            raise ObjectUnknown(f"{object_id} is not kept here")
        name = f"{folder_of(self.disk, object_id).text}/{path}"
        if name not in self.disk.names:
            raise FileUnknown(f"{object_id} has no {path}")
        return self.disk.read(name)

    # Groups.

    async def _collect(self) -> None:
        """A group closes after a moment (storage/volume/committer.py)."""
        await self.process.rest(self.disk.chance.uniform(0.005, 0.3))
        group, self._waiting = self._waiting, []
        wanted = [(member, future) for member, future in group if not future.cancelled()]
        ready = [member for member, _ in wanted if member.claim()]
        outcomes: dict[str, Outcome] = commit_group(self._parts, ready) if ready else {}
        for member, future in wanted:
            closed = OperationClosed(f"operation {member.op_id} was closed meanwhile")
            outcome = outcomes.get(member.op_id, closed)
            if future.cancelled():
                continue
            if isinstance(outcome, SignedAnswer):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _failed(self, _incoming: Incoming, reason: VolumeRefusal) -> None:
        if isinstance(reason, WriteLost):
            self._condemn(reason)

    def _condemn(self, reason: VolumeRefusal) -> None:
        self.gate.shut(str(reason))
        self._admission.condemn_all(reason)
