"""How long ago each node read its objects, asked of the nodes themselves for the console.

docs/wire/README.md (`account`). A node that does not answer at once is shown as away, with nothing
claimed of it. Asked at most every few seconds, however many people look.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.sweep.account import CheckedAges

_ANSWER_S = 2.0
_FRESH_S = 10.0


@dataclass(frozen=True, slots=True)
class NodeAges:
    """One node; `ages` is None when it does not answer."""

    node: str
    domain: str
    ages: CheckedAges | None
    oldest_checked_at: str | None


class AgesOfNodes:
    """Asks the nodes, and remembers for a moment what they said."""

    def __init__(self, clients: Mapping[str, NodeClient]) -> None:
        self._clients = clients
        self._lock = asyncio.Lock()
        self._told: list[NodeAges] = []
        self._asked_s = -_FRESH_S

    async def all(self) -> list[NodeAges]:
        """Every configured node, in the order of configuration."""
        async with self._lock:
            if time.monotonic() - self._asked_s >= _FRESH_S:
                self._told = list(await asyncio.gather(*map(self._ask, self._clients.values())))
                self._asked_s = time.monotonic()
            return self._told

    async def _ask(self, client: NodeClient) -> NodeAges:
        name, domain = client.peer.name, client.peer.domain
        if not client.is_connected:
            return NodeAges(name, domain, None, None)
        try:
            async with asyncio.timeout(_ANSWER_S):
                account = await client.account()
        except (TimeoutError, WireRefusal):
            return NodeAges(name, domain, None, None)
        return NodeAges(name, domain, account.ages, account.oldest_checked_at)


def objects_by_domain(nodes: Iterable[NodeAges]) -> dict[str, int | None]:
    """Objects in each failure domain; None where a node of it does not answer."""
    domains: dict[str, int | None] = {}
    for node in nodes:
        known = domains.get(node.domain, 0)
        if known is None or node.ages is None:
            domains[node.domain] = None
        else:
            domains[node.domain] = known + node.ages.objects
    return domains
