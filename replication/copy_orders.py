"""Have one node make a copy from another's, by ticket, and believe only what it signs for it.

docs/wire/repair.md. Why the copy is made, and what goes on record, is for whoever orders it:
repair.py mends, moving.py moves.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.tickets import FORMAT, MendOrder, Ticket, issue
from storage.catalogue.model import Copy, CopyState
from storage.crash_point import crash_point
from storage.errors import Refusal
from storage.model import SignedAnswer
from storage.node_answer import NodeAnswerRefused, believe
from storage.signing import SigningKey, VerifyKey

# A whole object is read and written, which may be a terabyte on slow disks.
_COPY_S_MAX = 24 * 3600.0
PACE_REMEMBERED = 10_000


class CopyNotMade(Refusal):
    """No proven copy came of an order; the message says why, in the node's words."""

    code: ClassVar[str] = "copy-not-made"


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """Which object goes from where to where."""

    package_id: int
    object_id: str
    version: int
    inventory_sha256: str
    source: str
    target: str


class CopyOrders:
    """Orders copies of nodes, with the keeper's key."""

    def __init__(self, clients: Mapping[str, NodeClient], key: SigningKey) -> None:
        self._clients = clients
        self._key = key
        # Target → when each copy was made there, by the monotonic clock: how fast it is filled.
        self.made_at_s: dict[str, deque[float]] = {}

    async def carry_out(self, order: CopyOrder, epoch: int) -> Copy:
        """Return the copy as the catalogue records it. Raises CopyNotMade."""
        target, source = self._clients[order.target], self._clients[order.source].peer
        wanted = order.object_id, order.version, order.inventory_sha256
        ticket = issue(self._key, Ticket(FORMAT, *wanted, order.source, order.target, epoch))
        crash_point("keeper.mend-ordering")
        try:
            done = await target.mend(MendOrder(*wanted, epoch, source), ticket, _COPY_S_MAX)
            if done.answer is None:
                raise CopyNotMade(done.outcome)
            copy = self._believed(order, done.answer)
        except (WireRefusal, NodeAnswerRefused) as refusal:
            raise CopyNotMade(str(refusal)) from refusal
        made = self.made_at_s.setdefault(order.target, deque(maxlen=PACE_REMEMBERED))
        made.append(time.monotonic())
        crash_point("keeper.mend-answered")
        return copy

    def _believed(self, order: CopyOrder, answer: SignedAnswer) -> Copy:
        peer = self._clients[order.target].peer
        said = believe(answer, peer.name, VerifyKey.from_hex(peer.verify_key))
        if (said.object_id, said.inventory_sha256) != (order.object_id, order.inventory_sha256):
            raise NodeAnswerRefused(f"{peer.name} signed something else than was ordered")
        return Copy(
            order.package_id, peer.name, peer.domain, CopyState.COMMITTED,
            said.verify_mode, said.committed_at, said.committed_at, answer,
        )  # fmt: skip
