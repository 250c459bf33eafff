"""A node's volume over a simulated disk: the product's rules, and a model of what they are told of.

docs/formats/volume.md. Real: who may begin (Admission), what becomes of an operation (Incoming), the
commit of a group (commit_group), what a crash left (Recovery), the gate. Modelled: how bytes come
to lie on the disk and are read back, step by step as that page has it. One version per object.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from storage.durable import SyncDescriptor
from storage.model import SignedAnswer, StoredObject, VerifyMode
from storage.sweep.model import DamageKind
from storage.volume.admission import Admission, Free
from storage.volume.events import Event, Speaker, timestamp
from storage.volume.findings import Finding
from storage.volume.gate import Gate
from storage.volume.group import GroupParts, Outcome, commit_group
from storage.volume.incoming import Incoming
from storage.volume.order import KEEPER_SCOPE, StoreOrder, encode_order
from storage.volume.read_back import CopyToRead, Flaw
from storage.volume.receiving import PreviousVersion, StagedOperation
from storage.volume.records import Records
from storage.volume.recovery import Recovery
from storage.volume.refusals import (
    ContentRefused,
    FileUnknown,
    ObjectUnknown,
    OperationClosed,
    VolumeRefusal,
    WriteLost,
)
from storage.volume.settings import VolumeSettings
from tests.simulation.disk import Disk, DiskPath, SimulatedSync, StillCached
from tests.simulation.package import read_list, sha256
from tests.simulation.scheduler import Process
from tests.simulation.volume_records import SimulatedIndex, SimulatedJournal

ROOT = "root"
INVENTORY = "inventory.json"
V1_INVENTORY = "v1/inventory.json"


@dataclass(frozen=True, slots=True)
class Steps:
    """The modelled steps, each of which a seeded bug may put another in the place of."""

    sync: type[SimulatedSync]
    journal: type[SimulatedJournal]
    index: type[SimulatedIndex]
    publisher: "type[SimulatedPublisher]"
    recovery: "type[SimulatedRecovery]"
    admission: "type[SimulatedAdmission]"


class SimulatedPublisher:
    """Names below the root (storage/volume/publish.py): the same renames in the same order."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._process = process
        self._set_aside = 0

    def folder_of(self, object_id: str) -> DiskPath:
        return folder_of(self._disk, object_id)

    def publish(self, staged: DiskPath, object_id: str) -> None:
        self._disk.rename(staged.text, self.folder_of(object_id).text)

    def replace_damaged(self, staged: DiskPath, object_id: str) -> str | None:
        target = self.folder_of(object_id)
        if not target.exists():
            self._disk.rename(staged.text, target.text)
            return None
        self._disk.exchange(staged.text, target.text)
        return self._quarantine(staged, target.name)

    def set_aside(self, path: DiskPath) -> str:
        return self._quarantine(path, path.name)

    def remove_empty_tuples(self, _object_id: str) -> None:
        """Folders are there while anything is in them."""

    def _quarantine(self, path: DiskPath, name: str) -> str:
        self._set_aside += 1
        moment = timestamp(self._process.now()).replace(":", "")
        target = f"quarantine/{moment}-{self._set_aside}-{name}"
        self._disk.rename(path.text, target)
        return target


class _Reception:
    """One stream on its way to its files (storage/volume/receiving.py)."""

    def __init__(self, disk: Disk, staged: StagedOperation, order: StoreOrder) -> None:
        self.missing_bytes = order.total_bytes
        self._disk = disk
        self._staged = staged
        self._order = order
        self._held = b""
        self._written: list[str] = []
        self._parts = self._own_parts()
        self._files: list[tuple[str, int, str]] = []

    def write(self, data: memoryview) -> int:
        self._held += bytes(data)
        self.missing_bytes -= len(data)
        while self._parts and len(self._held) >= self._parts[0][1]:
            path, length, expected = self._parts.pop(0)
            body, self._held = self._held[:length], self._held[length:]
            if sha256(body) != expected:
                raise ContentRefused(f"{path} does not have the SHA-256 announced")
            self._disk.create(path, body)
            self._written.append(path)
            if path.endswith("file-list.jsonl"):
                self._expect_content(body)
        return len(data)

    def received(self) -> bytes:
        """The stream so far, as its files have it."""
        return b"".join(map(self._disk.read, self._written)) + self._held

    def finish(self) -> None:
        if self._held or self._parts:
            raise ContentRefused("the stream ends in the middle of a file")

    def close(self) -> None:
        """No descriptor is open between two pieces."""

    def _own_parts(self) -> list[tuple[str, int, str]]:
        order, folder = self._order, str(self._staged.object)
        lists = str(self._staged.file_list(order, order.version))
        return [
            (lists, order.file_list_bytes, order.file_list_sha256),
            (f"{folder}/{V1_INVENTORY}", order.inventory_bytes, order.inventory_sha256),
        ]

    def _expect_content(self, file_list: bytes) -> None:
        listed = read_list(file_list)
        if sum(file.size_bytes for file in listed) != self._order.content_bytes:
            raise ContentRefused("the file list names other bytes than were announced")
        folder = str(self._staged.object)
        self._parts += [
            (f"{folder}/v1/{file.path}", file.size_bytes, file.sha256) for file in listed
        ]


class SimulatedIncoming(Incoming):
    """The product's operation, its files on a simulated disk."""

    def __init__(
        self,
        order: StoreOrder,
        disk: Disk,
        process: Process,
        number: int,
        on_close: Callable[[Incoming, VolumeRefusal | None], None],
        sync: type[SimulatedSync],
    ) -> None:
        self._disk = disk
        self._process = process
        self._sync = sync
        self._number = number
        self._reception: _Reception | None = None
        folder = DiskPath(disk, f"staging/{order.op_id}")
        super().__init__(order, cast(Path, folder), number, on_close)

    def idle_s(self) -> float:
        return self._process.clock() - self._moved_at

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        self._moved_at = self._process.clock()
        return super().write(offset, data)

    def received(self) -> bytes:
        """The stream so far, as its files have it."""
        reception = self._reception
        return b"" if reception is None else reception.received()

    def _open_syncs(self) -> tuple[SyncDescriptor, ...]:
        return cast(tuple[SyncDescriptor, ...], (self._sync(self._disk), self._sync(self._disk)))

    def _lay_out(self) -> None:
        self._moved_at = self._process.clock()
        self._disk.create(str(self.staged.order), encode_order(self.order))
        self._receiver = self._receive_next(None)

    def _receive_next(self, previous: PreviousVersion | Path | None) -> Any:
        assert previous is None, "one version per object"
        self._to_come.pop(0)
        self._reception = _Reception(self._disk, self.staged, self.order)
        return self._reception

    def _end_version(self, receiver: Any) -> None:
        receiver.finish()
        folder = str(self.staged.object)
        inventory = self._disk.read(f"{folder}/{V1_INVENTORY}")
        self._disk.create(f"{folder}/{INVENTORY}", inventory)
        self._sealed = True

    def _discard(self) -> None:
        self._disk.remove(str(self.staged.folder))


class SimulatedAdmission(Admission):
    """The product's admission; only the disk is another."""

    disk: Disk
    process: Process
    sync: type[SimulatedSync]

    def _lay_out(self, order: StoreOrder, previous: PreviousVersion | None) -> Incoming:
        assert previous is None, "one version per object"
        return SimulatedIncoming(
            order, self.disk, self.process, next(self._numbers), self._closed, self.sync
        )

    def staged_bytes(self, op_id: str) -> bytes | None:
        """What is in the files of an open operation that is still received."""
        incoming = self._open.get(op_id)
        if not isinstance(incoming, SimulatedIncoming) or incoming.is_sealed:
            return None
        return incoming.received()

    def _free(self) -> Free:
        return Free(self.disk.free_bytes, None)


class SimulatedRecovery(Recovery):
    """The product's recovery; only the disk is another."""

    @property
    def disk(self) -> Disk:
        return cast(DiskPath, self.settings.root).disk

    def _sync(self) -> SyncDescriptor:
        return cast(SyncDescriptor, SimulatedSync(self.disk))

    def _read_back(self, copy: CopyToRead) -> Flaw | None:
        return read_back(self.disk, copy)

    def _discard(self, staged: StagedOperation) -> None:
        self.disk.remove(str(staged.folder))


class _Guard:
    def check(self) -> None:
        """The disk under a simulated volume is the one it was opened on."""


class _Readers:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def read_back(self, copies: Sequence[CopyToRead], _mode: VerifyMode) -> list[Flaw | None]:
        return [read_back(self._disk, copy) for copy in copies]


class _BlockLists:
    def take_over(self, *_where: object) -> None:
        """Files here are smaller than a block."""


def folder_of(disk: Disk, object_id: str) -> DiskPath:
    return DiskPath(disk, f"{ROOT}/{object_id.replace(':', '%3a').replace('/', '%2f')}")


def read_back(disk: Disk, copy: CopyToRead) -> Flaw | None:
    """Every file of the copy from the medium (storage/volume/read_back.py)."""
    folder, (version,) = str(copy.object_folder), copy.versions
    try:
        listed = read_list(cast(DiskPath, version.file_list).read_bytes())
        expected = [(INVENTORY, version.inventory_sha256), (V1_INVENTORY, version.inventory_sha256)]
        expected += [(f"v1/{file.path}", file.sha256) for file in listed]
        for path, digest in expected:
            if sha256(disk.read_medium(f"{folder}/{path}")) != digest:
                return Flaw(f"{path} is not what was written", medium_suspect=True)
    except StillCached as error:
        return Flaw(f"somebody else reads it: {error}", medium_suspect=False)
    except (OSError, msgspec.MsgspecError) as error:
        return Flaw(f"cannot be read back: {error}", medium_suspect=True)
    return None


class SimulatedVolume:
    """An open volume, as replication.node_volume.NodeVolume wants it."""

    def __init__(self, disk: Disk, process: Process, speaker: Speaker, steps: Steps) -> None:
        self.disk = disk
        self.process = process
        self.speaker = speaker
        self._steps = steps
        self.gate = Gate()
        self.journal = steps.journal(disk, process)
        self.index = steps.index()
        self.index.apply(self.journal.records)
        self._publisher = steps.publisher(disk, process)
        root = cast(Path, DiskPath(disk, ROOT))
        settings = VolumeSettings(root, speaker.node, speaker.domain, reserve_bytes=0)
        journal: Any = self.journal
        index: Any = self.index
        guard: Any = _Guard()
        self._records = Records(journal, index, self._condemn)
        self._admission = steps.admission(settings, self.gate, guard, self._records, self._failed)
        self._admission.disk = disk
        self._admission.process = process
        self._admission.sync = steps.sync
        publisher: Any = self._publisher
        readers: Any = _Readers(disk)
        blocks: Any = _BlockLists()
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

    def staged_bytes(self, op_id: str) -> bytes | None:
        """What is in the files of an open operation; None where none is open."""
        return self._admission.staged_bytes(op_id)

    @property
    def epoch(self) -> int:
        return self.index.epoch(KEEPER_SCOPE)

    # The sweep and the audit.

    def sweep(self) -> list[str]:
        """Read every copy anew; ids of those that were found damaged now."""
        found = []
        for object_id in list(self.index.stored):
            if not self._admission.is_committing(object_id) and self.check(object_id):
                found.append(object_id)
        return found

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
            for file in read_list(msgspec.json.encode(_files_of(inventory))):
                if sha256(self.disk.read_medium(f"{folder}/v1/{file.path}")) != file.sha256:
                    return f"v1/{file.path} has another SHA-256"
        except OSError as error:
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


def _files_of(inventory: bytes) -> list[Any]:
    return list(msgspec.json.decode(inventory)["files"])
