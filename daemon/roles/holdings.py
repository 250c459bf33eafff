"""What the view and the API read from: the catalogue's holdings, and the nodes' verified bytes.

Joins storage.view's protocols to the catalogue and the wire; decides and verifies nothing itself.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from daemon.config import Config
from daemon.lifecycle import Opening, Part
from daemon.roles.openings import open_clients
from monitoring.log import get_log
from monitoring.metrics import ReaderMetrics, Totals
from replication.copies import BadCopy
from replication.node_client import NodeClient
from replication.reader import ReaderLimits, VerifiedReader
from storage.catalogue import held
from storage.catalogue.engine import Catalogue
from storage.view.holdings import HeldPackage, HoldingsTotals

log = get_log(__name__)

_MEASURE_S = 2.0

P = ParamSpec("P")
T = TypeVar("T")


class CatalogueHoldings:
    """`storage.view.holdings.Holdings` over the catalogue, each question in a thread."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def sources(self) -> list[str]:
        return await asyncio.to_thread(self._catalogue.look, held.sources)

    async def packages(self, source: str, after: int, limit: int) -> list[HeldPackage]:
        look = self._catalogue.look
        return await asyncio.to_thread(look, held.held_after, source, after, limit)

    async def package(self, source: str, identifier: str) -> HeldPackage | None:
        return await asyncio.to_thread(self._catalogue.look, held.held_package, source, identifier)

    async def totals(self) -> HoldingsTotals:
        return await asyncio.to_thread(self._catalogue.look, held.totals)


async def open_reader(
    config: Config,
    opening: Opening,
    role: str,
    name: str,
    metrics: ReaderMetrics,
    limits: ReaderLimits | None = None,
) -> VerifiedReader:
    """A reader over all nodes, connecting with the keys of `name`."""
    return open_reader_of(await open_clients(config, opening, role, name), opening, metrics, limits)


def open_reader_of(
    clients: Mapping[str, NodeClient],
    opening: Opening,
    metrics: ReaderMetrics,
    limits: ReaderLimits | None = None,
) -> VerifiedReader:
    """A reader over `clients`, which stay the caller's."""
    spool = opening.stack.enter_context(tempfile.TemporaryDirectory(prefix="lantai-reader-"))
    for node in clients:
        metrics.verification_failures.labels(node)
        metrics.node_slow.labels(node)
        metrics.node_answer_seconds.labels(node)
    reader = VerifiedReader(clients, _reporter(metrics), Path(spool), limits)
    opening.stack.push_async_callback(reader.close)
    return reader


def reader_figures(reader: VerifiedReader, metrics: ReaderMetrics) -> Part:
    """The part that brings the reader's figures up to date."""
    totals = Totals()

    async def measure(part: Part) -> None:
        while True:
            counts = reader.counts
            totals.raise_to(metrics.reads, counts.reads)
            totals.raise_to(metrics.verified_bytes, counts.verified_bytes)
            totals.raise_to(metrics.failovers, counts.failovers)
            totals.raise_to(metrics.refusals, counts.refusals)
            _set_paces(reader, metrics)
            slow = ", ".join(sorted(reader.paces.slow))
            part.beat(
                f"{counts.reads} reads answered, {counts.refusals} fetches in vain"
                + (f"; reading around slow nodes: {slow}" if slow else "")
            )
            await part.pause(_MEASURE_S)

    return Part("figures", measure)


def _set_paces(reader: VerifiedReader, metrics: ReaderMetrics) -> None:
    for node, answer_s in reader.paces.answer_s.items():
        metrics.node_answer_seconds.labels(node).set(answer_s)
        metrics.node_slow.labels(node).set(reader.paces.is_slow(node))


def _reporter(metrics: ReaderMetrics) -> Callable[[BadCopy], None]:
    def report(bad: BadCopy) -> None:
        """The node's own sweep will find it too; a reader only says so and reads elsewhere."""
        metrics.verification_failures.labels(bad.node).inc()
        log.warning(
            "reader.copy.wrong",
            node=bad.node,
            object_id=bad.held.object_id,
            kind=bad.damage.kind,
            path=bad.damage.path,
        )

    return report
