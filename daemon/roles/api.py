"""The role `api`: what is held, read-only, over HTTP and over the control socket.

DESIGN.md §3. Every byte it gives is verified (replication/reader.py); it holds no right to write.
Pages and routes are daemon/console/.
"""

import asyncio
import base64
import heapq
from collections.abc import Callable
from itertools import islice
from typing import Any, TypeVar

from daemon.config import Config, required
from daemon.console.node_ages import AgesOfNodes
from daemon.console.server import Console, ConsoleServer
from daemon.console.transfer_members import transfer_members
from daemon.control import ControlRefused, Request
from daemon.lifecycle import Opening, Part, Role, Work
from daemon.roles.holdings import open_reader_of, reader_figures
from daemon.roles.openings import open_catalogue, open_clients, utc_now
from daemon.roles.records import Records
from daemon.roles.salvage_verbs import SalvageVerbs
from daemon.roles.tally_verbs import TallyVerbs
from monitoring.metrics import ApiMetrics, ReaderMetrics, new_registry
from replication.copies import Patience
from replication.paces import SlowLimits
from replication.reader import ReaderLimits, VerifiedReader
from replication.salvage import Salvage
from storage.catalogue import absences, copies, held, packages, transfer_lists
from storage.catalogue.absences import Absence
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Package, PackageState, TransferState
from storage.catalogue.timestamps import to_text
from storage.model import BLOCK_BYTES
from storage.view.holdings import HeldVersion
from storage.view.listing import ListedFile
from storage.view.reader import ViewFile

ROLE = "api"
_PAGE_MAX = 1000
RECORDS_PREFIX = "lantai/"

T = TypeVar("T")


def build(config: Config) -> Role:
    """Raises ConfigurationError when the file has no [api]."""
    settings = required(config.api, ROLE)
    registry = new_registry(ROLE, settings.name)
    metrics = ApiMetrics(registry)
    reader_metrics = ReaderMetrics(registry)

    async def open_role(opening: Opening) -> Work:
        catalogue = await open_catalogue(config, opening)
        clients = await open_clients(config, opening, ROLE, settings.name)
        slow = SlowLimits(after_s=config.site.slow_node_after_s)
        limits = ReaderLimits(patience=Patience(slow=slow))
        reader = open_reader_of(clients, opening, reader_metrics, limits)
        answers = Answers(catalogue, reader)
        salvage = SalvageVerbs(Salvage(clients), answers.file, answers.away)
        console = Console(config.site.name, catalogue, answers, AgesOfNodes(clients), metrics)
        server = ConsoleServer(settings.bind, console)
        await opening.stack.enter_async_context(server)
        part = Part("http", server.wait)
        verbs = answers.verbs() | salvage.verbs()
        verbs |= Records(answers.look).verbs() | TallyVerbs(answers.look).verbs()
        return Work((part, reader_figures(reader, reader_metrics)), verbs)

    return Role(ROLE, settings.name, settings.metrics_address, registry, open_role)


class Answers:
    """What the verbs of docs/operations/control.md answer, as JSON values."""

    def __init__(self, catalogue: Catalogue, reader: VerifiedReader) -> None:
        self._catalogue = catalogue
        self._reader = reader

    def verbs(self) -> dict[str, Callable[[Request], Any]]:
        """Verb → what answers it."""
        return {
            "packages": self.packages,
            "package": self.package,
            "files": self.files,
            "read": self.read,
            "transfers": self.transfers,
        }

    async def packages(self, request: Request) -> dict[str, Any]:
        """A page of what is kept, in the order of ids."""
        limit = _limit(request)
        source = request.text("source", "") or None
        after = request.text("after", "")
        page = await self.look(held.stored_after, after, source, limit + 1)
        return {"packages": list(map(_members, page[:limit])), "more": len(page) > limit}

    async def package(self, request: Request) -> dict[str, Any]:
        """One version of a package, and where each copy lies."""
        stored = await self._stored(request.text("object_id"))
        package = _of_version(stored, request.number("version", 0))
        held_copies = await self.look(copies.of_package, package.id)
        away = {each.node: each.until for each in await self._absent()}
        listed = [
            {
                "node": copy.node,
                "domain": copy.domain,
                "state": copy.state,
                "verify_mode": copy.verify_mode,
                "committed_at": copy.committed_at,
                "checked_at": copy.checked_at,
                "away_until": away.get(copy.node),
            }
            for copy in held_copies
        ]
        return {**_members(package), "versions": len(stored), "copies": listed}

    async def files(self, request: Request) -> dict[str, Any]:
        """A page of the sender's files of one version."""
        package = await self._package(request.text("object_id"), request.number("version", 0))
        after, limit = request.text("after", ""), _limit(request)
        version = await self._held(package)
        sent = await self._reader.files(version)
        records = await self._reader.records(version)
        every = heapq.merge(
            records.entries_after(after),
            sent.files.entries_after(after),
            key=lambda entry: entry.path.encode(),
        )
        page = list(islice(every, limit + 1))
        listed = [
            {"path": entry.path, "size_bytes": entry.size_bytes, "sha256": entry.sha256}
            for entry in page[:limit]
        ]
        return {"version": package.version, "files": listed, "more": len(page) > limit}

    async def read(self, request: Request) -> dict[str, Any]:
        """Verified bytes of one file."""
        length = min(request.number("length"), BLOCK_BYTES)
        file = await self.file(
            request.text("object_id"), request.number("version", 0), request.text("path")
        )
        data = await self._reader.read(file, request.number("offset"), length)
        return {"data_base64": base64.b64encode(data).decode()}

    async def transfers(self, request: Request) -> dict[str, Any]:
        """What arrived, newest first."""
        limit = _limit(request)
        state = request.text("state", "")
        states = [TransferState(state)] if state in set(TransferState) else []
        if state and not states:
            known = ", ".join(TransferState)
            raise ControlRefused(f"there is no state {state!r}; there are: {known}")
        page = await self.look(transfer_lists.page, states=states, limit=limit + 1)
        listed = [transfer_members(transfer) for transfer in page[:limit]]
        return {"transfers": listed, "more": len(page) > limit}

    async def file(self, object_id: str, version: int, path: str) -> ViewFile:
        """One file, ready to be read. Raises ControlRefused if there is none."""
        version_held = await self._held(await self._package(object_id, version))
        if path.startswith(RECORDS_PREFIX):
            found = (await self._reader.records(version_held)).find(path)
        else:
            found = (await self._reader.files(version_held)).files.find(path)
        if not isinstance(found, ListedFile):
            raise ControlRefused(f"{object_id} has no file {path!r}")
        return ViewFile(version_held, found.entry)

    async def read_file(self, file: ViewFile, offset: int, length: int) -> bytes:
        """Verified bytes of `file`."""
        return await self._reader.read(file, offset, length)

    async def away(self) -> frozenset[str]:
        """Nodes that are away by plan."""
        return absences.nodes_of(await self._absent())

    async def _absent(self) -> list[Absence]:
        return await self.look(absences.present, to_text(utc_now()))

    async def _held(self, package: Package) -> HeldVersion:
        return await self.look(held.held_version, package)

    async def _package(self, object_id: str, version: int) -> Package:
        return _of_version(await self._stored(object_id), version)

    async def _stored(self, object_id: str) -> list[Package]:
        """Every stored version, the first one first; at least one."""
        known = await self.look(packages.versions_of_object, object_id)
        stored = [each for each in known if each.state is PackageState.STORED]
        if not stored:
            raise ControlRefused(f"nothing is kept under {object_id!r}; see `lantai packages`")
        return stored

    async def look(self, act: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `act(connection, …)` in a reading transaction, in another thread."""
        return await asyncio.to_thread(self._catalogue.look, act, *args, **kwargs)


def _of_version(stored: list[Package], version: int) -> Package:
    """The version of that number; 0 is the newest. Raises ControlRefused."""
    for each in reversed(stored):
        if version in (0, each.version):
            return each
    raise ControlRefused(
        f"version {version} of {stored[0].object_id!r} is not kept; the newest is "
        f"{stored[-1].version} 无此版本"
    )


def _members(package: Package) -> dict[str, Any]:
    return {
        "object_id": package.object_id,
        "source": package.source,
        "identifier": package.identifier,
        "version": package.version,
        "file_count": package.file_count,
        "content_bytes": package.content_bytes,
        "state": package.state,
        "stored_at": package.stored_at,
        "matter": package.matter,
        "record_class": package.record_class,
        "retention": package.retention,
        "copies_good": package.copies_committed,
        "copies_target": package.copies_wanted,
        "safety": package.safety,
    }


def _limit(request: Request) -> int:
    return max(1, min(request.number("limit", 100), _PAGE_MAX))
