"""Open what a rebuilding, a comparison or a reconciliation of the catalogue works with.

docs/operations/catalogue-lost.md. Joins configuration, keys, nodes and databases for
daemon/cli/catalogue.py; speaks to the nodes with the keeper's key. Prints nothing.
"""

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.config import Config, required
from daemon.keys import KeyFolder
from daemon.roles.openings import peers_of, utc_now
from replication.journal_reading import Progress
from replication.membership import majority
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.rebuilding import (
    Gathered,
    MountedVolume,
    NodeToRead,
    RunningNode,
    TooFewNodes,
    add_untold,
    gather,
)
from replication.transport import Wire
from storage.catalogue import index_comparison, pouring
from storage.catalogue.engine import Catalogue
from storage.catalogue.index_comparison import Difference
from storage.catalogue.migration import upgrade
from storage.catalogue.pouring import Poured
from storage.catalogue.replay import Disagreement, disagreements_of
from storage.catalogue.scratch import Scratch
from storage.catalogue.timestamps import to_text
from storage.errors import Refusal
from storage.model import SignedAnswer
from storage.signing import VerifyKey
from storage.volume.identity import read_identity
from storage.volume.refusals import VolumeInUse

_GREETING_S = 10.0
_ROLE = "keeper"


class CatalogueNotEmpty(Refusal):
    """Rebuilding into a catalogue that somebody works with would mix two."""

    code = "catalogue-not-empty"


@dataclass(frozen=True, slots=True)
class Sources:
    """From where it is rebuilt: names of nodes (none: all that answer), or mounted roots."""

    nodes: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    work: Path = Path("/var/tmp")  # noqa: S108 - its folder is made anew, for us alone


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it."""

    nodes: tuple[str, ...]
    poured: Poured
    gathered: Gathered
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Where catalogue and nodes differ."""

    nodes: tuple[str, ...]
    differences: tuple[Difference, ...]
    disagreements: tuple[Disagreement, ...]
    untold_events: int


Rows = Callable[[str, int], None]


async def rebuild(
    config: Config, sources: Sources, url: str, progress: Progress, rows: Rows, *, anyway: bool
) -> Rebuilt:
    """Fill the catalogue at `url` from the nodes. Raises CatalogueNotEmpty, TooFewNodes."""
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    try:
        if not anyway and not await asyncio.to_thread(pouring.is_empty, catalogue):
            raise CatalogueNotEmpty(
                f"{catalogue.url} is not empty. Put it aside first, or name another with --into; "
                "to bring an old one level use `lantai catalogue reconcile`. 目录库非空。"
            )
        async with _gathered(config, sources, progress) as (scratch, nodes):
            found = await add_untold(scratch, nodes, config.site.copies, sources.work)
            at = to_text(utc_now())
            poured = await asyncio.to_thread(pouring.pour, scratch, catalogue, at, rows)
            said = await asyncio.to_thread(disagreements_of, scratch)
            return Rebuilt(tuple(node.name for node in nodes), poured, found, tuple(said))
    finally:
        catalogue.close()


async def check(config: Config, sources: Sources, progress: Progress) -> Compared:
    """Hold the catalogue against the nodes; changes nothing. Raises TooFewNodes."""
    catalogue = Catalogue.open(config.catalogue.url)
    try:
        await asyncio.to_thread(catalogue.require_schema)
        async with _gathered(config, sources, progress) as (scratch, nodes):
            found = await asyncio.to_thread(
                lambda: tuple(index_comparison.differences(scratch, catalogue))
            )
            left = await asyncio.to_thread(index_comparison.untold_events, scratch, catalogue)
            said = await asyncio.to_thread(disagreements_of, scratch)
            return Compared(tuple(node.name for node in nodes), found, tuple(said), left)
    finally:
        catalogue.close()


@asynccontextmanager
async def _gathered(
    config: Config, sources: Sources, progress: Progress
) -> AsyncIterator[tuple[Scratch, Sequence[NodeToRead]]]:
    """A scratch database with everything that the nodes told, and the nodes."""
    keys = {peer.name: VerifyKey.from_hex(peer.verify_key) for peer in config.peers}

    def verify(node: str, answer: SignedAnswer) -> bool:
        return node in keys and keys[node].verify(answer.payload, answer.signature)

    async with AsyncExitStack() as stack:
        nodes = (
            [_mounted(root, keys, stack) for root in sources.roots]
            if sources.roots
            else await _running(config, sources.nodes, stack)
        )
        needed = majority(len(config.peers))
        if len({node.name for node in nodes}) < needed:
            raise TooFewNodes(
                f"{len(nodes)} of {len(config.peers)} nodes can be read, {needed} are needed: what "
                "they lack nobody else would tell. 可读取的存储节点不足半数。"
            )
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=sources.work))
        scratch = Scratch.create(Path(folder))
        stack.callback(scratch.close)
        await gather(scratch, nodes, verify, progress)
        yield scratch, nodes


async def _running(
    config: Config, wanted: Sequence[str], stack: AsyncExitStack
) -> list[NodeToRead]:
    """Those of the nodes that answer; all that were named must."""
    name = required(config.keeper, _ROLE).name
    curve = KeyFolder(config.site.keys_folder).curve_keys(name)
    wire = Wire()
    stack.callback(wire.close)
    known = {peer.name: peer for peer in peers_of(config)}
    unknown = set(wanted) - set(known)
    if unknown:
        raise TooFewNodes(f"there is no node {', '.join(sorted(unknown))} in [[peers]]")
    clients = [NodeClient(wire, known[each], curve, _ROLE) for each in wanted or known]
    for client in clients:
        await client.connect()
        stack.push_async_callback(client.close)
    greeted = await asyncio.gather(*(_greeted(client) for client in clients))
    found: list[NodeToRead] = [
        RunningNode(client) for client, here in zip(clients, greeted, strict=True) if here
    ]
    if wanted and len(found) < len(wanted):
        raise TooFewNodes("not every node that was named answers")
    return found


async def _greeted(client: NodeClient) -> bool:
    try:
        await client.wait_until_greeted(_GREETING_S)
    except WireRefusal:
        return False
    return True


def _mounted(root: Path, keys: dict[str, VerifyKey], stack: AsyncExitStack) -> MountedVolume:
    """A node's disk whose identity is signed by that node, and which no process has open."""
    try:
        name = str(json.loads((root / "node-identity").read_bytes())["node"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TooFewNodes(f"{root} is no storage root of a node: {error}") from error
    if name not in keys:
        raise TooFewNodes(f"{root} is the disk of {name!r}, which is not in [[peers]]")
    read_identity(root, name, keys[name])
    lock = os.open(root.parent / "lock", os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise VolumeInUse(f"a node runs on {root}: leave out --root, it is asked") from error
    return MountedVolume(name, root)
