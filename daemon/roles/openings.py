"""What several roles open alike: the catalogue, the wire, a client for each node.

Each is entered into the role's stack and left in reverse order when the role stops.
"""

import asyncio
import socket
from datetime import UTC, datetime

from daemon.config import Config
from daemon.keys import KeyFolder
from daemon.lifecycle import Opening
from replication.node_client import NodeClient
from replication.peers import Peer
from replication.transport import Wire
from storage.catalogue.engine import Catalogue
from storage.catalogue.writer import CatalogueWriter


def utc_now() -> datetime:
    """The wall clock, for records; never for deciding what came first."""
    return datetime.now(UTC)


def holder_name(instance: str) -> str:
    """`instance@host`, as claims and leases name who acts: no two that run have the same.

    After a restart it is the same again, and takes over what it held itself at once.
    """
    return f"{instance}@{socket.gethostname()}"


async def open_catalogue(config: Config, opening: Opening) -> Catalogue:
    """Bring the tables up to date and open them. Raises CatalogueUnavailable, SchemaOutdated."""
    # Alembic takes a second to import; only processes that open the catalogue pay it.
    from storage.catalogue.migration import upgrade

    opening.say("Opening the catalogue")
    await asyncio.to_thread(upgrade, config.catalogue.url)
    catalogue = Catalogue.open(config.catalogue.url)
    opening.stack.callback(catalogue.close)
    await asyncio.to_thread(catalogue.require_intact)
    await asyncio.to_thread(catalogue.require_schema)
    return catalogue


async def open_writer(config: Config, opening: Opening) -> CatalogueWriter:
    """The catalogue, with this process's one writing thread."""
    catalogue = await open_catalogue(config, opening)
    return await opening.stack.enter_async_context(CatalogueWriter(catalogue))


def open_wire(opening: Opening) -> Wire:
    """The process's one ZeroMQ context."""
    wire = Wire()
    opening.stack.callback(wire.close)
    return wire


def peers_of(config: Config) -> tuple[Peer, ...]:
    """The nodes, as the wire knows them."""
    return tuple(
        Peer(
            peer.name,
            peer.endpoint,
            peer.curve_public_key,
            peer.verify_key,
            peer.domain,
            peer.weight,
        )
        for peer in config.peers
    )


async def open_clients(
    config: Config, opening: Opening, role: str, name: str
) -> dict[str, NodeClient]:
    """A client for each node, connecting from now on with the keys of `name`."""
    wire = open_wire(opening)
    keys = KeyFolder(config.site.keys_folder).curve_keys(name)
    clients = {}
    for peer in peers_of(config):
        client = NodeClient(wire, peer, keys, role)
        await client.connect()
        opening.stack.push_async_callback(client.close)
        clients[peer.name] = client
    return clients
