"""Read an inventory of any size without holding it: the values of one block, one at a time.

OCFL 1.1 section 3.5; JSON by ijson (yajl). Judges nothing: an inventory that is not what the
specification says is the validator's business. The only module that imports ijson.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import ijson

from storage.errors import VerificationFailed

_READ_BYTES = 256 * 1024
# Where a value stands: the keys above it, outermost first; "[]" for "in this array".
Trail = tuple[str, ...]
_ELEMENT = "[]"


class InventoryUnreadable(VerificationFailed):
    """The inventory is not the JSON that OCFL describes; restore it from another copy."""

    code = "inventory-unreadable"


@dataclass(frozen=True, slots=True)
class InventoryHead:
    """What an inventory says of itself, apart from its files."""

    object_id: str
    inventory_type: str
    digest_algorithm: str
    head: str
    content_directory: str


def read_head(stream: IO[bytes]) -> InventoryHead:
    """Raises InventoryUnreadable if one of the four required keys is missing or no string."""
    found = {"contentDirectory": "content"}
    for trail, value in _strings(stream):
        if len(trail) == 1:
            found[trail[0]] = value
    try:
        return InventoryHead(
            object_id=found["id"],
            inventory_type=found["type"],
            digest_algorithm=found["digestAlgorithm"],
            head=found["head"],
            content_directory=found["contentDirectory"],
        )
    except KeyError as error:
        raise InventoryUnreadable(f"the inventory has no {error.args[0]!r}") from error


@dataclass(frozen=True, slots=True)
class VersionDescription:
    """What an inventory says of one version, apart from its files."""

    name: str  # "v1"
    created: str
    message: str
    user_name: str
    user_address: str


def described_versions(stream: IO[bytes]) -> list[VersionDescription]:
    """Every version, in the inventory's order. Raises InventoryUnreadable if one has no date."""
    found: dict[str, dict[str, str]] = {}
    for trail, value in _strings(stream):
        if trail[:1] == ("versions",) and len(trail) in (3, 4) and trail[2] != "state":
            found.setdefault(trail[1], {})[".".join(trail[2:])] = value
    return [_description(name, said) for name, said in found.items()]


def digests_and_paths(stream: IO[bytes], *block: str) -> Iterator[tuple[str, str]]:
    """(digest in lower case, path) for each path in a block shaped like the manifest.

    `block` names it from the outside in: ("manifest",) or ("versions", "v1", "state"). The order
    is the inventory's own.
    """
    depth = len(block)
    for trail, value in _strings(stream):
        if len(trail) == depth + 2 and trail[:depth] == block and trail[-1] == _ELEMENT:
            yield trail[depth].lower(), value


def _description(name: str, said: dict[str, str]) -> VersionDescription:
    if "created" not in said:
        raise InventoryUnreadable(f"version {name!r} has no 'created'")
    return VersionDescription(
        name=name,
        created=said["created"],
        message=said.get("message", ""),
        user_name=said.get("user.name", ""),
        user_address=said.get("user.address", ""),
    )


def _strings(stream: IO[bytes]) -> Iterator[tuple[Trail, str]]:
    """Every string value with its trail. Raises InventoryUnreadable if the JSON breaks off.

    A key that stands twice is refused, as other readers would see only one of the two: always
    when the two are neighbours, and above the level of digests wherever they are.
    """
    trail: list[str] = []
    seen: set[Trail] = set()
    try:
        for event, value in ijson.basic_parse(stream, buf_size=_READ_BYTES):
            if event == "string":
                yield tuple(trail), value
            elif event == "map_key":
                _refuse_repeated(value, trail, seen)
                trail[-1] = value
            elif event in ("start_map", "start_array"):
                trail.append(_ELEMENT)
            elif event in ("end_map", "end_array"):
                trail.pop()
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise InventoryUnreadable(f"the inventory is not valid JSON: {error}") from error


def _refuse_repeated(key: str, trail: list[str], seen: set[Trail]) -> None:
    here = (*trail[:-1], key)
    if key == trail[-1] or here in seen:
        raise InventoryUnreadable(f"the inventory has the key {key!r} twice")
    if len(here) == 1 or (here[0] == "versions" and len(here) <= len(("versions", "v1", "state"))):
        seen.add(here)
