"""Bugs that a build of the simulation may have: a step or a rule with another in its place.

They live here and nowhere in the product. Each must be found; docs/simulator.md says after how many
seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from replication.peers import Peer
from storage.catalogue import leases
from storage.catalogue.model import Lease, Tenure
from storage.model import SignedAnswer
from storage.volume.incoming import Incoming
from storage.volume.order import StoreOrder
from storage.volume.read_back import CopyToRead, Flaw
from tests.simulation.catalogue import SimulatedCatalogue
from tests.simulation.checked import (
    CheckedAdmission,
    CheckedJournal,
    CheckedMender,
    CheckedService,
)
from tests.simulation.disk import DiskPath, SimulatedSync
from tests.simulation.intake import SimulatedIntake
from tests.simulation.node import SimulatedMender, SimulatedNodeService
from tests.simulation.package import Listed, sha256
from tests.simulation.volume import Steps
from tests.simulation.volume_records import SimulatedIndex
from tests.simulation.volume_steps import SimulatedPublisher, SimulatedRecovery


@dataclass(frozen=True, slots=True)
class Build:
    """What the processes of one world are made of."""

    steps: Steps
    mender: type[SimulatedMender] = CheckedMender
    service: type[SimulatedNodeService] = CheckedService
    intake: type[SimulatedIntake] = SimulatedIntake
    catalogue: type[SimulatedCatalogue] = SimulatedCatalogue
    peers: Callable[[tuple[Peer, ...]], tuple[Peer, ...]] = lambda peers: peers
    copies: Callable[[int], int] = lambda copies: copies


@dataclass(frozen=True, slots=True)
class Bug:
    """One seeded bug."""

    what: str
    build: Build


_STEPS = Steps(
    sync=SimulatedSync,
    journal=CheckedJournal,
    index=SimulatedIndex,
    publisher=SimulatedPublisher,
    recovery=SimulatedRecovery,
    admission=CheckedAdmission,
)
SOUND = Build(_STEPS)


class _OneSync(SimulatedSync):
    """Of an operation's two syncs only the first is made: names are not durable."""

    def ask(self) -> None:
        if self._is_first_of_its_operation:
            super().ask()

    def __init__(self, disk: Any) -> None:
        super().__init__(disk)
        disk.descriptors = getattr(disk, "descriptors", 0) + 1
        self._is_first_of_its_operation = disk.descriptors % 2 == 1


class _AskingAgain(CheckedJournal):
    """An fsync that failed is asked again, and says that all is well (knowledge, M1)."""

    def _make_durable(self) -> None:
        try:
            super()._make_durable()
        except OSError:
            super()._make_durable()


class _UnsyncedJournal(CheckedJournal):
    """Records are written, and not synced, before the answer leaves."""

    def _make_durable(self) -> None:
        """Later, perhaps."""


class _ForgetfulIndex(SimulatedIndex):
    """Epochs are not looked at."""

    def epoch(self, scope: str) -> int:
        return 1


class _NewEachTime(CheckedAdmission):
    """An operation that is committed already is taken for a new one."""

    def _known_answer(self, order: StoreOrder) -> SignedAnswer | None:
        return None


class _QuarantineFirst(SimulatedPublisher):
    """The bad copy is moved aside before the new one takes its place."""

    def replace_damaged(self, staged: DiskPath, object_id: str) -> str | None:
        target = self.folder_of(object_id)
        aside = self._quarantine(target, target.name) if target.exists() else None
        self._disk.rename(staged.text, target.text)
        return aside


class _BadBytesRemoved(SimulatedPublisher):
    """The bad copy is removed once its successor stands there."""

    def _quarantine(self, path: DiskPath, name: str) -> str:
        self._disk.remove(path.text)
        return f"quarantine/{name}"


class _TrustingRecovery(SimulatedRecovery):
    """What a crash left published is put on record without being read back."""

    def _read_back(self, copy: CopyToRead) -> Flaw | None:
        return None


class _ResumesUnsynced(CheckedAdmission):
    """After a restart an operation goes on where the node was, whatever the disk still has."""

    def _begin_new(self, order: StoreOrder) -> Incoming:
        disk: Any = self.disk
        reached = disk.reached = getattr(disk, "reached", {})
        incoming = super()._begin_new(order)
        begun = incoming.write

        def write(offset: int, data: Any) -> int:
            now_at = reached[order.op_id] = begun(offset, data)
            return now_at

        # What is replaced is this operation's own method.
        incoming.write = write  # type: ignore[method-assign]
        incoming.written = min(reached.get(order.op_id, 0), max(0, order.total_bytes - 1))
        return incoming


class _TrustingMender(CheckedMender):
    """What the source sends is taken for what was signed."""

    def _verify(self, what: str, content: bytes, expected: str) -> None:
        """Nothing is compared."""

    def _as_listed(self, files: Any, bodies: Any) -> Any:
        return [
            Listed(file.path, len(body), sha256(body))
            for file, body in zip(files, bodies, strict=True)
        ]


class _HastyIntake(SimulatedIntake):
    """The staged copy goes when the first node has signed."""

    keeps_staged_until_stored = False


class _LeaseWithoutEpoch(SimulatedCatalogue):
    """Whoever takes the lease over gets the epoch of whoever had it."""

    async def do(self, act: Any, *args: Any, **kwargs: Any) -> Any:
        return await super().do(_acquire if act is leases.acquire else act, *args, **kwargs)


def _acquire(connection: Connection, scope: str, tenure: Tenure, at: str) -> Lease | None:
    lease = leases.acquire(connection, scope, tenure, at)
    connection.exec_driver_sql("UPDATE leases SET epoch = 1")
    return None if lease is None else replace(lease, epoch=1)


def _with_own_domains(peers: tuple[Peer, ...]) -> tuple[Peer, ...]:
    return tuple(replace(peer, domain=peer.name) for peer in peers)


def _with(**steps: Any) -> Build:
    return Build(replace(_STEPS, **steps))


BUGS = {
    "no-directory-sync": Bug("names are not synced after publishing", _with(sync=_OneSync)),
    "answer-before-journal": Bug(
        "the answer leaves before its record is synced", _with(journal=_UnsyncedJournal)
    ),
    "fsync-asked-again": Bug(
        "an fsync of the journal that failed is tried again", _with(journal=_AskingAgain)
    ),
    "epoch-not-checked": Bug("a node does not compare epochs", _with(index=_ForgetfulIndex)),
    "operation-taken-for-new": Bug(
        "a committed operation that is asked again is written again",
        _with(admission=_NewEachTime),
    ),
    "offset-not-synced": Bug(
        "after a restart an operation goes on at an offset that the disk does not have",
        _with(admission=_ResumesUnsynced),
    ),
    "quarantine-first": Bug(
        "a bad copy is moved aside before its successor stands", _with(publisher=_QuarantineFirst)
    ),
    "bad-bytes-removed": Bug(
        "a bad copy is removed instead of moved aside", _with(publisher=_BadBytesRemoved)
    ),
    "recovery-does-not-read": Bug(
        "recovery records what it finds published without reading it back",
        _with(recovery=_TrustingRecovery),
    ),
    "unverified-source": Bug(
        "a mend takes what its source sends", replace(SOUND, mender=_TrustingMender)
    ),
    "two-of-three": Bug(
        "two copies are enough for a receipt", replace(SOUND, copies=lambda copies: copies - 1)
    ),
    "one-domain": Bug(
        "each node counts as a failure domain of its own", replace(SOUND, peers=_with_own_domains)
    ),
    "staged-copy-removed": Bug(
        "the staged copy goes when the first node has signed", replace(SOUND, intake=_HastyIntake)
    ),
    "lease-without-epoch": Bug(
        "a lease that changes hands keeps its epoch", replace(SOUND, catalogue=_LeaseWithoutEpoch)
    ),
}
