"""Keep a process that stores up to date with the layout: reads the catalogue, heeds what is new.

docs/operations/membership.md. Whoever reads the catalogue believes it; signatures are for nodes,
which have none.
"""

import msgspec

from monitoring.log import get_log
from replication.layout import Layout
from replication.placements import Placements
from storage.catalogue import layouts
from storage.catalogue.writer import CatalogueWriter

log = get_log(__name__)


async def newest_layout(catalogue: CatalogueWriter) -> Layout | None:
    """The layout that holds, or None before the first."""
    kept = await catalogue.look(layouts.newest)
    return None if kept is None else msgspec.json.decode(kept.payload, type=Layout)


class LayoutWatch:
    """Looks whether there is a newer layout. Call `look` often: it costs one small query."""

    def __init__(self, catalogue: CatalogueWriter, placements: Placements) -> None:
        self._catalogue = catalogue
        self._placements = placements

    async def look(self) -> str:
        """Heed the layout that holds; a sentence for operators."""
        if await self._catalogue.look(layouts.newest_version) > self._placements.version:
            layout = await newest_layout(self._catalogue)
            assert layout is not None, "a version has a layout"
            self._placements.heed(layout)
            log.info("layout.heeded", version=layout.version)
            self._warn_of_strangers(layout)
        version = self._placements.version
        return f"Layout {version}" if version else "No layout yet: as configured"

    def _warn_of_strangers(self, layout: Layout) -> None:
        known = {peer.name for peer in self._placements.peers}
        for member in layout.members:
            if member.name not in known:
                log.warning("layout.node.unconfigured", node=member.name)
