"""The keeper's orders about absence: an operator says that a node is away by plan, or back.

docs/operations/absence.md. Writes what was said into the ledger and shows it; what follows from it
is decided where copies are mended, counted and reported (storage/catalogue/absences.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from daemon.control import ControlRefused, Request, Verb
from daemon.roles.openings import utc_now
from monitoring.account_metrics import KeeperAccountMetrics
from storage.catalogue import absences
from storage.catalogue.absences import Absence
from storage.catalogue.model import Actor
from storage.catalogue.timestamps import to_moment, to_text
from storage.catalogue.writer import CatalogueWriter

# What lasts longer is no absence: the node is to be replaced.
_DAYS_MAX = 400
_REASON_MAX = 500


class KeeperAbsences:
    """Two verbs of the keeper, and who is away now."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        domains: Mapping[str, str],
        metrics: KeeperAccountMetrics,
    ) -> None:
        """`domains`: the failure domain of every node that is configured."""
        self._catalogue = catalogue
        self._domains = domains
        self._metrics = metrics

    def verbs(self) -> dict[str, Verb]:
        """Verb → what answers it."""
        return {"node-away": self._begin, "node-back": self._end}

    async def present(self) -> list[Absence]:
        """Who is away by plan at this moment."""
        found: list[Absence] = await self._catalogue.look(absences.present, to_text(utc_now()))
        return found

    async def measure(self) -> frozenset[str]:
        """Tell Prometheus who is away; return it."""
        away = absences.nodes_of(await self.present())
        for node in self._domains:
            self._metrics.node_away.labels(node).set(node in away)
        return away

    async def shown(self) -> list[dict[str, Any]]:
        """Who is away, as JSON values."""
        listed: list[dict[str, Any]] = msgspec.to_builtins(await self.present())
        return listed

    async def _begin(self, request: Request) -> dict[str, Any]:
        node, now = self._node(request), utc_now()
        until, reason = _end_of_absence(request.text("until"), now), _reason(request)
        self._refuse_a_second_domain(node, await self.present())
        actor = Actor(request.caller.user_name, "control socket")
        await self._catalogue.do(absences.begin, node, until, reason, actor, to_text(now))
        return {"node": node, "until": until}

    async def _end(self, request: Request) -> dict[str, Any]:
        node, reason = self._node(request), _reason(request)
        actor = Actor(request.caller.user_name, "control socket")
        was = await self._catalogue.do(absences.end, node, reason, actor, to_text(utc_now()))
        return {"node": node, "was_away": was}

    def _node(self, request: Request) -> str:
        node = request.text("node")
        if node not in self._domains:
            raise ControlRefused(
                f"there is no node {node!r}; there are: {', '.join(self._domains)} 没有该节点"
            )
        return node

    def _refuse_a_second_domain(self, node: str, known: list[Absence]) -> None:
        """Copies lie in different domains: so no package misses more than one by plan."""
        elsewhere = [
            each.node
            for each in known
            if each.node != node and self._domains.get(each.node) != self._domains[node]
        ]
        if elsewhere:
            raise ControlRefused(
                f"{', '.join(elsewhere)} in another failure domain is away already: only one domain"
                " may be, so that no package misses two copies. Say `lantai node back` first"
                " 已有其他故障域的节点按计划离线"
            )


def _end_of_absence(text: str, now: datetime) -> str:
    try:
        until = to_moment(text)
    except (ValueError, AssertionError) as error:
        raise ControlRefused(f"until is RFC 3339 with a time zone: {error} 时间无效") from error
    if not now < until <= now + timedelta(days=_DAYS_MAX):
        raise ControlRefused(
            f"until must be in the future and within {_DAYS_MAX} days; a node that stays away for"
            " longer is to be replaced 截止时间须在将来 400 天之内"
        )
    return to_text(until)


def _reason(request: Request) -> str:
    reason = request.text("reason")
    if not 0 < len(reason) <= _REASON_MAX:
        raise ControlRefused(f"a reason has 1 to {_REASON_MAX} characters 须写明理由")
    return reason
