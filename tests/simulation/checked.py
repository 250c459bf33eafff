"""The simulated parts with a look at the truth at each moment that counts."""

from collections.abc import Callable
from typing import Any

from replication.messages import Committed, Mend, Proceed
from replication.node_service import Connection
from replication.node_session import Say
from replication.node_volume import MendOutcome
from storage.model import SignedAnswer
from storage.volume.incoming import Incoming
from storage.volume.journal import Compose
from storage.volume.journal_records import Record
from storage.volume.order import StoreOrder
from tests.simulation.disk import Disk
from tests.simulation.node import SimulatedMender, SimulatedNodeService
from tests.simulation.truth import Truth
from tests.simulation.volume_records import SimulatedJournal
from tests.simulation.volume_steps import SimulatedAdmission

COPIES = frozenset({"committed", "mended"})


class WatchedDisk(Disk):
    """A disk that knows which truth it belongs to."""

    truth: Truth
    begun: Callable[[StoreOrder], None]  # told of each operation that begins


class CheckedJournal(SimulatedJournal):
    """Each record of a copy is held against the medium when it counts."""

    def append(self, compose: Compose) -> list[Record]:
        records = super().append(compose)
        disk: Any = self._disk
        for record in records:
            if record.kind in COPIES:
                disk.truth.committed(disk.name, str(record.members["object_id"]))
        return records


class CheckedAdmission(SimulatedAdmission):
    """Each operation that begins is held against the epochs that came before."""

    def begin(self, order: StoreOrder) -> Incoming | SignedAnswer:
        begun = super().begin(order)
        if isinstance(begun, Incoming):
            disk: Any = self.disk
            disk.truth.acted(disk.name, order)
            disk.begun(order)
        return begun


class CheckedService(SimulatedNodeService):
    """Each answer is held against the medium before it leaves."""

    volume: Any
    truth: Truth
    begun: Callable[[StoreOrder], None]  # told of each operation that begins

    def _say(self, connection: Connection, say: Say) -> None:
        name = self._identity.node
        message = say.message
        if isinstance(message, Committed):
            self.truth.answered(name, say.data or b"")
        elif isinstance(message, Proceed) and message.offset:
            volume: Any = self._parts.volume
            staged = volume.staged_bytes(message.op_id)
            if staged is not None:
                self.truth.acknowledged(name, message.op_id, staged, message.offset)
        super()._say(connection, say)


class CheckedMender(SimulatedMender):
    """A mender whose answers are held against the medium."""

    async def mend(self, order: Mend, ticket: bytes) -> MendOutcome:
        outcome = await super().mend(order, ticket)
        disk: Any = self._own_volume.disk
        if outcome.answer is not None:
            answer = outcome.answer
            disk.truth.answered(disk.name, answer.signature + answer.payload)
        return outcome
