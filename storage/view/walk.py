"""Walking the tree: what a name in a folder is, and what a folder's entries are.

Asks `Holdings` for packages and `Reader` for file lists, and combines them by the rules of tree.py,
names.py and listing.py. Keeps nothing between calls and knows no FUSE. "Not there" is None and is
said only when the list that would have it was read and verified; all else raises.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from storage.model import FileEntry
from storage.view.holdings import HeldPackage, Holdings, HoldingsTotals
from storage.view.listing import FileListing, Listed, ListedFile, NameListing
from storage.view.names import (
    NAME_BYTES_MAX,
    folder_name,
    identifier_of,
    stored_name,
    version_folder,
)
from storage.view.reader import Reader, ViewFile
from storage.view.tree import (
    Area,
    Position,
    Root,
    Source,
    StaleInode,
    committed_nanoseconds,
)

# Packages asked of the catalogue at once: about what one reply to the kernel holds.
_PAGE_PACKAGES = 256

RECORDS_PREFIX = "lantai"
CONTENT_PREFIX = "content"
RECEIVED_PREFIX = "received"

_NO_NAMES = NameListing(b"")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the tree. `file` is None for folders."""

    name: bytes
    position: Position
    file: FileEntry | None
    modified_ns: int | None  # None where the tree itself is meant, which has no date
    cookie: int = 0  # > 0 in listings: where to go on after this entry


class Walker:
    """The tree over one `Holdings` and one `Reader`."""

    def __init__(self, holdings: Holdings, reader: Reader) -> None:
        self._holdings = holdings
        self._reader = reader

    async def lookup(self, folder: Position, name: bytes) -> Entry | None:
        """The entry `name` of `folder`, or None if there surely is none."""
        match folder.place:
            case Root():
                return await self._lookup_source(name)
            case Source(source) if folder.depth == 0:
                return await self._lookup_package(source, name)
            case Source(source):
                versions = _versions(await self._package(source, folder.offset))
                return next((entry for entry in versions if entry.name == name), None)
            case Area() as area:
                return await self._lookup_file(area, folder, name)

    async def entry(self, position: Position) -> Entry:
        """The entry that a known position stands for. Its name is left empty if it is not known."""
        match position.place:
            case Root():
                return Entry(b"", position, None, None)
            case Source(source) if position.depth == 0:
                return _source_entry(source)
            case Source(source):
                return _package_entry(source, await self._package(source, position.offset))
            case Area(held) if position.depth == 0:
                return Entry(b"", position, None, committed_nanoseconds(held))
            case Area() as area:
                listing, _ = await self._lists(area)
                return _listed_entry(area, b"", listing.at(position.offset, position.depth))

    async def file(self, position: Position) -> ViewFile | None:
        """The file to read at `position`, or None if it is a folder."""
        entry = await self.entry(position)
        if entry.file is None or not isinstance(position.place, Area):
            return None
        return ViewFile(position.place.held, entry.file)

    async def read(self, file: ViewFile, offset: int, length: int) -> bytes:
        """Verified bytes of `file`: `length` of them, fewer only at its end."""
        return await self._reader.read(file, offset, length)

    async def entries(self, folder: Position, start: int) -> AsyncIterator[Entry]:
        """The entries of `folder` after the cookie `start`; 0 is the beginning."""
        match folder.place:
            case Root():
                names = await self._holdings.sources()
                for number, name in enumerate(names[start:], start=start + 1):
                    yield _source_entry(name, number)
            case Source(source) if folder.depth == 0:
                async for entry in self._packages(source, start):
                    yield entry
            case Source(source):
                for entry in _versions(await self._package(source, folder.offset))[start:]:
                    yield entry
            case Area() as area:
                async for entry in self._files(area, folder, start):
                    yield entry

    async def totals(self) -> HoldingsTotals:
        """How much there is in all."""
        return await self._holdings.totals()

    async def _lookup_source(self, name: bytes) -> Entry | None:
        source = identifier_of(name)
        if source is None or source not in await self._holdings.sources():
            return None
        return _source_entry(source)

    async def _lookup_package(self, source: str, name: bytes) -> Entry | None:
        identifier = identifier_of(name)
        if identifier is None:
            return None
        held = await self._holdings.package(source, identifier)
        return None if held is None else _package_entry(source, held)

    async def _package(self, source: str, sequence: int) -> HeldPackage:
        page = await self._holdings.packages(source, sequence - 1, 1)
        if not page or page[0].sequence != sequence:
            raise StaleInode(f"package {sequence} of {source} is not in the catalogue")
        return page[0]

    async def _packages(self, source: str, start: int) -> AsyncIterator[Entry]:
        while page := await self._holdings.packages(source, start, _PAGE_PACKAGES):
            for held in page:
                assert held.sequence > start, "packages come in ascending order"
                start = held.sequence
                entry = _package_entry(source, held)
                # An escaped identifier can outgrow what a file system may call a file; it is
                # reached through the API then. No identifier without escapes does.
                if len(entry.name) <= NAME_BYTES_MAX:
                    yield entry

    async def _files(self, area: Area, folder: Position, start: int) -> AsyncIterator[Entry]:
        listing, names = await self._lists(area)
        for child in listing.children(_folder_path(area, folder, listing), start):
            name = names.raw_name(child.listed.path)
            yield _listed_entry(area, name, child.listed, child.cookie)

    async def _lookup_file(self, area: Area, folder: Position, name: bytes) -> Entry | None:
        listing, names = await self._lists(area)
        path = f"{_folder_path(area, folder, listing)}/{stored_name(name)}"
        listed = listing.find(path)
        if listed is None or names.raw_name(path) != name:
            return None
        return _listed_entry(area, name, listed)

    async def _lists(self, area: Area) -> tuple[FileListing, NameListing]:
        if area.records:
            return await self._reader.records(area.held), _NO_NAMES
        version = await self._reader.files(area.held)
        return version.files, version.names


def _folder_path(area: Area, folder: Position, listing: FileListing) -> str:
    """The logical path of `folder`."""
    if folder.depth > 0:
        listed = listing.at(folder.offset, folder.depth)
        if isinstance(listed, ListedFile):
            raise StaleInode(f"{listed.path} is a file, not a folder")
        return listed.path
    if area.records:
        return RECORDS_PREFIX
    return RECEIVED_PREFIX if listing.find(CONTENT_PREFIX) is None else CONTENT_PREFIX


def _source_entry(source: str, cookie: int = 0) -> Entry:
    return Entry(folder_name(source), Position(Source(source)), None, None, cookie)


def _package_entry(source: str, held: HeldPackage) -> Entry:
    position = Position(Source(source), depth=1, offset=held.sequence)
    modified_ns = committed_nanoseconds(held.versions[-1])
    return Entry(folder_name(held.identifier), position, None, modified_ns, held.sequence)


def _versions(package: HeldPackage) -> list[Entry]:
    """`v1`, `v1.lantai`, `v2`, …: cookies count them, and later versions come last."""
    areas = [Area(held, records) for held in package.versions for records in (False, True)]
    return [
        Entry(
            version_folder(area.held.version, records=area.records),
            Position(area),
            None,
            committed_nanoseconds(area.held),
            cookie,
        )
        for cookie, area in enumerate(areas, start=1)
    ]


def _listed_entry(area: Area, name: bytes, listed: Listed, cookie: int = 0) -> Entry:
    position = Position(area, listed.path.count("/") + 1, listed.offset)
    file = listed.entry if isinstance(listed, ListedFile) else None
    return Entry(name, position, file, committed_nanoseconds(area.held), cookie)
