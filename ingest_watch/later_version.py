"""Which version of its object a package becomes, and how a later one is made from the one before.

docs/formats/package.md, "Versions". The package was prepared as a first version; only its lists are
made anew, beside those, so that preparing it can be repeated. Versions follow each other: the one
before is stored, and its inventory proven, before anything is built on it.
"""

import asyncio
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ingest_watch.object_builder import build_later_version
from ingest_watch.preparation import Acceptable
from storage.catalogue import held
from storage.catalogue.model import Package
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.view.holdings import HeldVersion

_PREVIOUS = "previous-inventory.json"


class FetchesInventories(Protocol):
    """Where the inventory of an earlier version comes from (replication/inventory_fetch.py)."""

    async def fetch(self, held: HeldVersion, target: Path) -> None:
        """Write it to the new file `target`, proven. Raises a Refusal where it is not to be had."""
        ...


class LaterVersions:
    """Makes later versions, for the sources that may send them."""

    def __init__(
        self, catalogue: CatalogueWriter, fetch: FetchesInventories, sources: Collection[str]
    ) -> None:
        self._catalogue = catalogue
        self._fetch = fetch
        self._sources = frozenset(sources)

    def may_come_from(self, source: str) -> bool:
        """Whether other bytes under a known identifier are a new version, and no mistake."""
        return source in self._sources

    async def build(self, package: Acceptable, earlier: Sequence[Package]) -> Acceptable:
        """The package as the version after `earlier`, all of them stored, the first one first.

        The same package and versions give the same object. Raises what `fetch` raises.
        """
        version = len(earlier) + 1
        assert [each.version for each in earlier] == list(range(1, version)), "without a gap"
        folder = package.built.lists_of(package.work, version)
        await asyncio.to_thread(_make_empty, folder)
        previous = folder / _PREVIOUS
        known = await self._catalogue.look(held.held_version, earlier[-1])
        await self._fetch.fetch(known, previous)
        crash_point("version.fetched")
        digests = [each.inventory_sha256 for each in earlier]
        built = await asyncio.to_thread(
            build_later_version, package.work, package.built, previous, digests
        )
        crash_point("version.built")
        return replace(package, built=built)


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
