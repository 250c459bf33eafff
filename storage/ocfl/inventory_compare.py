"""Does an inventory name exactly the files of a file list, and all that was said before it?

A node asks this before it commits. docs/formats/package.md ("Versions"; content path =
`vN/content/` + logical path) against docs/wire/put.md (the file list that travels ahead). Memory
flat: both sides are sorted on disk when they are large. Compares names and digests only: it opens
no content file.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from storage.model import FileEntry
from storage.ocfl.inventory import DIGEST_ALGORITHM, INVENTORY_TYPE, content_path
from storage.ocfl.inventory_stream import (
    InventoryUnreadable,
    described_versions,
    digests_and_paths,
    read_head,
)
from storage.ocfl.sorted_records import Record, SortedRecords

_END: Record = ("", "")


@dataclass(frozen=True, slots=True)
class InventoryMismatch:
    """The first thing in which an inventory is not what it was announced to be."""

    what: str


def compare_inventory(
    inventory: Path, object_id: str, version: int, entries: Iterable[FileEntry], work: Path
) -> InventoryMismatch | None:
    """None if the inventory is of this object and version and names exactly these files.

    Each file must stand in the version's state and, with the same digest, in the manifest at its
    own content path; the manifest must hold nothing else for this version. `work` takes temporary
    runs. An inventory that cannot be read is a mismatch too: what arrived is not what was told.
    """
    try:
        return _head_mismatch(inventory, object_id, version) or _file_mismatch(
            inventory, f"v{version}", entries, work
        )
    except InventoryUnreadable as error:
        return InventoryMismatch(str(error))


def compare_history(inventory: Path, previous: Path, version: int) -> InventoryMismatch | None:
    """None if `inventory` says of every version before `version` what `previous` says.

    `previous` is the proven inventory of the version before. Order counts too: both are written by
    `write_inventory`. Memory flat.
    """
    try:
        return _description_mismatch(inventory, previous, version) or _past_mismatch(
            inventory, previous, version
        )
    except InventoryUnreadable as error:
        return InventoryMismatch(str(error))


def _description_mismatch(
    inventory: Path, previous: Path, version: int
) -> InventoryMismatch | None:
    with inventory.open("rb") as new, previous.open("rb") as old:
        said, said_before = described_versions(new), described_versions(old)
    names = [f"v{number}" for number in range(1, version + 1)]
    if [each.name for each in said] != names:
        return InventoryMismatch(f"its versions are not v1 to v{version}, in this order")
    if said[:-1] != said_before:
        return InventoryMismatch("an earlier version is described otherwise than it was")
    return None


def _past_mismatch(inventory: Path, previous: Path, version: int) -> InventoryMismatch | None:
    own = content_path("", f"v{version}")
    with inventory.open("rb") as new, previous.open("rb") as old:
        kept = (pair for pair in digests_and_paths(new, "manifest") if not pair[1].startswith(own))
        if not _are_equal(kept, digests_and_paths(old, "manifest")):
            return InventoryMismatch("the manifest has other files of earlier versions than it had")
    for number in range(1, version):
        state = ("versions", f"v{number}", "state")
        with inventory.open("rb") as new, previous.open("rb") as old:
            if not _are_equal(digests_and_paths(new, *state), digests_and_paths(old, *state)):
                return InventoryMismatch(f"the state of v{number} is not what it was")
    return None


def _are_equal(some: Iterable[Record], others: Iterable[Record]) -> bool:
    return all(one == other for one, other in zip_longest(some, others, fillvalue=_END))


def _head_mismatch(inventory: Path, object_id: str, version: int) -> InventoryMismatch | None:
    with inventory.open("rb") as stream:
        head = read_head(stream)
    expected_and_actual = (
        ("id", object_id, head.object_id),
        ("head", f"v{version}", head.head),
        ("digestAlgorithm", DIGEST_ALGORITHM, head.digest_algorithm),
        ("type", INVENTORY_TYPE, head.inventory_type),
        ("contentDirectory", "content", head.content_directory),
    )
    for key, expected, actual in expected_and_actual:
        if actual != expected:
            return InventoryMismatch(f"{key} is {actual!r}, but {expected!r} was announced")
    return None


def _file_mismatch(
    inventory: Path, version: str, entries: Iterable[FileEntry], work: Path
) -> InventoryMismatch | None:
    prefix = content_path("", version)
    with ExitStack() as stack:
        listed = stack.enter_context(
            SortedRecords(((entry.path, entry.sha256) for entry in entries), work)
        )
        state = stack.enter_context(
            SortedRecords(_paths_first(inventory, "versions", version, "state"), work)
        )
        mismatch = _first_difference(listed, state, "the state")
        if mismatch is not None:
            return mismatch
        own_contents = (
            (path.removeprefix(prefix), digest)
            for path, digest in _paths_first(inventory, "manifest")
            if path.startswith(prefix)
        )
        manifest = stack.enter_context(SortedRecords(own_contents, work))
        return _first_difference(listed, manifest, "the manifest")


def _paths_first(inventory: Path, *block: str) -> Iterator[Record]:
    """Records (path, digest); digests must ascend, as `write_inventory` has them, so that no
    digest can stand twice and be read differently by others."""
    previous = ""
    with inventory.open("rb") as stream:
        for digest, path in digests_and_paths(stream, *block):
            if digest < previous:
                raise InventoryUnreadable("the inventory's digests are not in ascending order")
            previous = digest
            yield path, digest


def _first_difference(
    listed: Iterable[Record], named: Iterable[Record], where: str
) -> InventoryMismatch | None:
    for (listed_path, listed_digest), (path, digest) in zip_longest(listed, named, fillvalue=_END):
        if path == listed_path and digest == listed_digest:
            continue
        if path == listed_path:
            return InventoryMismatch(f"{where} gives another digest for {path!r} than the list")
        if not path or (listed_path and listed_path < path):
            return InventoryMismatch(f"{where} does not name {listed_path!r}")
        return InventoryMismatch(f"{where} names {path!r}, which the list does not")
    return None
