"""A small package as the simulation stores it: a file list, an inventory and some bytes.

Shaped as docs/wire/put.md has a stream (`file list ‖ inventory ‖ content`), with an inventory that
is enough to judge every byte by. Values only.
"""

import hashlib
from dataclasses import dataclass
from random import Random

import msgspec


class Listed(msgspec.Struct, frozen=True):
    """One file of a package."""

    path: str
    size_bytes: int
    sha256: str


class Inventory(msgspec.Struct, frozen=True):
    """What an object is."""

    object_id: str
    files: list[Listed]


_inventories = msgspec.json.Decoder(Inventory)
_lists = msgspec.json.Decoder(list[Listed])


@dataclass(frozen=True, slots=True)
class SimulatedPackage:
    """What a sender dropped."""

    name: str
    identity: str
    object_id: str
    file_list: bytes
    inventory: bytes
    content: bytes
    files: tuple[Listed, ...]

    @property
    def stream(self) -> bytes:
        return self.file_list + self.inventory + self.content

    def content_of(self, path: str) -> bytes:
        offset = 0
        for file in self.files:
            if file.path == path:
                return self.content[offset : offset + file.size_bytes]
            offset += file.size_bytes
        raise KeyError(path)


def make_package(name: str, object_id: str, chance: Random, bytes_max: int) -> SimulatedPackage:
    """Some files of different lengths; none is empty."""
    bodies = [chance.randbytes(chance.randint(1, bytes_max)) for _ in range(chance.randint(1, 3))]
    files = tuple(
        Listed(f"content/{number}", len(body), sha256(body)) for number, body in enumerate(bodies)
    )
    listed = msgspec.json.encode(files)
    inventory = msgspec.json.encode(Inventory(object_id, list(files)))
    identity = sha256(listed)
    return SimulatedPackage(name, identity, object_id, listed, inventory, b"".join(bodies), files)


def read_inventory(content: bytes) -> Inventory:
    """Raises msgspec.MsgspecError."""
    return _inventories.decode(content)


def read_list(content: bytes) -> list[Listed]:
    """Raises msgspec.MsgspecError."""
    return _lists.decode(content)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
