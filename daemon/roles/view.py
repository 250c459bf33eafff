"""The role `view`: the read-only file tree for staff, every byte verified.

Mounts through fusermount3, or answers for a mount that storage/view/starter.py made as root and
handed over. Holds no right to write anywhere.
"""

import asyncio
import os

from daemon.config import Config, required
from daemon.lifecycle import Opening, Part, Role, Work
from daemon.roles.holdings import CatalogueHoldings, open_reader, reader_figures
from daemon.roles.openings import open_catalogue
from monitoring.metrics import ReaderMetrics, new_registry
from replication.copies import Patience
from replication.paces import SlowLimits
from replication.reader import ReaderLimits
from storage.view.mount import ViewSettings, serve_view
from storage.view.starter import inherited_descriptor

ROLE = "view"


def build(config: Config) -> Role:
    """Raises ConfigurationError when the file has no [view]."""
    settings = required(config.view, ROLE)
    registry = new_registry(ROLE, settings.name)
    metrics = ReaderMetrics(registry)

    async def open_role(opening: Opening) -> Work:
        catalogue = await open_catalogue(config, opening)
        limits = ReaderLimits(
            block_bytes_max=settings.cache_bytes,
            patience=Patience(
                settings.read_timeout_s / 2, slow=SlowLimits(after_s=config.site.slow_node_after_s)
            ),
        )
        reader = await open_reader(config, opening, ROLE, settings.name, metrics, limits)
        mount = ViewSettings(
            settings.mountpoint, settings.allow_other, inherited_descriptor(os.environ)
        )

        async def serve(part: Part) -> None:
            stop = asyncio.Event()
            serving = asyncio.create_task(
                serve_view(CatalogueHoldings(catalogue), reader, mount, stop)
            )
            try:
                while not serving.done():
                    part.beat(f"Showing the holdings at {settings.mountpoint}")
                    await asyncio.wait([serving], timeout=5)
                await serving
            finally:
                stop.set()
                await asyncio.wait([serving], timeout=20)

        return Work((Part("tree", serve), reader_figures(reader, metrics)))

    return Role(ROLE, settings.name, settings.metrics_address, registry, open_role)
