"""Writes into no catalogue that knows less than the nodes: one restored from an old backup.

docs/formats/chronicle.md, "Which catalogue may be written"; docs/operations/catalogue-lost.md. Asks
each node how far it was told, at start and as nodes come back. Until a majority has answered, or
nobody did for some seconds, whoever writes is held; when a node was told more, or otherwise, for
as long as that is so. Reading goes on.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

from daemon.control import ControlRefused, Request, Verb
from daemon.lifecycle import Part, Work
from monitoring.catalogue_metrics import CatalogueMetrics
from monitoring.log import get_log
from replication.membership import majority
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.telling import stands
from storage.catalogue.chronicle import Standing
from storage.catalogue.writer import CatalogueWriter
from storage.errors import Refusal

log = get_log(__name__)

# Without a majority of the nodes nothing is stored anyway; packages are received all the same.
_PATIENCE_S = 5.0
_FIRST_LOOKS_S = 0.25
_LATER_LOOKS_S = 30.0

_WHAT_TO_DO = {
    Standing.BEHIND: (
        "catalogue-behind: {} know acts that this catalogue does not, so it is older than the "
        "archive (restored from a backup?). Nothing is written into it; reading goes on. Run "
        "`lantai catalogue reconcile`, or `lantai catalogue rebuild` into an empty one. "
        "目录库落后于存储节点,已停止写入;请执行 lantai catalogue reconcile。"
    ),
    Standing.FORKED: (
        "catalogue-forked: {} know another past than this catalogue: it was restored and then "
        "written, or is another archive's. Nothing is written into it; reading goes on. Run "
        "`lantai catalogue rebuild --into` a new one, and see docs/operations/catalogue-lost.md. "
        "目录库与存储节点的历史不一致,已停止写入;请重建目录库。"
    ),
}


class CatalogueRefused(Refusal):
    """The nodes know what this catalogue does not: nothing may be written into it."""

    code = "catalogue-behind"


class CatalogueGuard:
    """One for each process that writes the catalogue."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        metrics: CatalogueMetrics,
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._metrics = metrics
        self._admitted = False
        self._sentence = "Asking the nodes what they know"

    def hold(self, work: Work, free: frozenset[str]) -> Work:
        """The same work, but parts and verbs that are not `free` wait for the nodes' word."""
        for part in work.parts:
            if part.name not in free:
                part.begin_after(self._wait)
        verbs = {
            name: verb if name in free else self._held(verb) for name, verb in work.verbs.items()
        }
        return replace(work, parts=(Part("catalogue", self._watch), *work.parts), verbs=verbs)

    async def _wait(self, part: Part) -> None:
        while not self._admitted:
            part.beat(self._sentence)
            await part.pause(_FIRST_LOOKS_S)

    def _held(self, verb: Verb) -> Verb:
        async def answer(request: Request) -> object:
            if not self._admitted:
                raise ControlRefused(self._sentence)
            return await verb(request)

        return answer

    async def _watch(self, part: Part) -> None:
        began_s = time.monotonic()
        while True:
            standings = await self._look()
            refused = _refusal(standings)
            self._metrics.refused.set(refused is not None)
            if refused is not None and self._admitted:
                # What is under way rests on what this catalogue does not know: begin anew, held.
                raise CatalogueRefused(refused)
            if refused is not None and refused != self._sentence:
                log.error("catalogue.refused", reason=refused)
            heard = len(standings) >= majority(len(self._clients))
            if refused is None and (heard or time.monotonic() - began_s > _PATIENCE_S):
                self._admitted = True
            self._sentence = refused or f"As {len(standings)} nodes know it"
            part.beat(self._sentence)
            await part.pause(_LATER_LOOKS_S if self._admitted else _FIRST_LOOKS_S)

    async def _look(self) -> dict[str, Standing]:
        """How the catalogue stands to each node that answers."""
        standings = {}
        for node, client in self._clients.items():
            if not client.is_connected:
                continue
            try:
                standings[node], _ = await stands(self._catalogue, client)
            except WireRefusal as refusal:
                log.info("catalogue.node.silent", node=node, reason=str(refusal))
        return standings


def _refusal(standings: Mapping[str, Standing]) -> str | None:
    """What to do about it; None while no node knows better."""
    for standing, words in _WHAT_TO_DO.items():
        nodes = sorted(node for node, found in standings.items() if found is standing)
        if nodes:
            return words.format(", ".join(nodes))
    return None
