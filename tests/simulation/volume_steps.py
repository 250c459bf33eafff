"""How an operation's bytes come to lie on a simulated disk: the modelled steps of the volume.

docs/formats/volume.md, "Write order and commit point", step by step; held to the product's volume
by tests/conformance/test_simulated_volume.py. Over them run the product's own rules: who may begin
(Admission), what becomes of an operation (Incoming), what a crash left (Recovery).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from storage.durable import SyncDescriptor
from storage.model import VerifyMode
from storage.volume.admission import Admission, Free
from storage.volume.events import timestamp
from storage.volume.incoming import Incoming
from storage.volume.order import StoreOrder, encode_order
from storage.volume.read_back import CopyToRead, Flaw
from storage.volume.receiving import PreviousVersion, StagedOperation
from storage.volume.recovery import Recovery
from storage.volume.refusals import ContentRefused, VolumeRefusal
from tests.simulation.disk import Disk, DiskPath, SimulatedSync, StillCached
from tests.simulation.package import read_list, sha256
from tests.simulation.scheduler import Process

ROOT = "root"
INVENTORY = "inventory.json"
V1_INVENTORY = "v1/inventory.json"


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
        super().__init__(order, cast("Path", folder), number, on_close)

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
        return cast("tuple[SyncDescriptor, ...]", (self._sync(self._disk), self._sync(self._disk)))

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
        return cast("DiskPath", self.settings.root).disk

    def _sync(self) -> SyncDescriptor:
        return cast("SyncDescriptor", SimulatedSync(self.disk))

    def _read_back(self, copy: CopyToRead) -> Flaw | None:
        return read_back(self.disk, copy)

    def _discard(self, staged: StagedOperation) -> None:
        self.disk.remove(str(staged.folder))


class Guard:
    """storage.volume.identity.MountGuard."""

    def check(self) -> None:
        """The disk under a simulated volume is the one it was opened on."""


class Readers:
    """storage.volume.readers.Readers."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def read_back(self, copies: Sequence[CopyToRead], _mode: VerifyMode) -> list[Flaw | None]:
        return [read_back(self._disk, copy) for copy in copies]


class BlockLists:
    """storage.volume.block_lists.BlockLists."""

    def take_over(self, *_where: object) -> None:
        """Files here are smaller than a block."""


def folder_of(disk: Disk, object_id: str) -> DiskPath:
    return DiskPath(disk, f"{ROOT}/{object_id.replace(':', '%3a').replace('/', '%2f')}")


def read_back(disk: Disk, copy: CopyToRead) -> Flaw | None:
    """Every file of the copy from the medium (storage/volume/read_back.py)."""
    folder, (version,) = str(copy.object_folder), copy.versions
    try:
        listed = read_list(cast("DiskPath", version.file_list).read_bytes())
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
