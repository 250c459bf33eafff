"""`lantai/versions.jsonl`: which inventories the earlier versions of an object have.

docs/formats/package.md, "Versions". OCFL's manifest leaves inventories out; by this list the newest
inventory's digest vouches for them too. Proves nothing by itself: its own digest is checked first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from storage.errors import Refusal

VERSION_LIST = "lantai/versions.jsonl"

_LINE_BYTES_MAX = 256


class VersionListInvalid(Refusal):
    """A list of versions breaks docs/formats/package.md."""

    code = "version-list-invalid"


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    inventory_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


_decoder = msgspec.json.Decoder(_Line)


def encode_version_list(inventories_sha256: Sequence[str]) -> bytes:
    """The list of the versions that have these inventories, the first one's first."""
    lines = (_Line(number, sha256) for number, sha256 in enumerate(inventories_sha256, start=1))
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def read_version_list(path: Path, version: int) -> list[str]:
    """The inventories' digests of all versions before `version`. Raises VersionListInvalid."""
    found: list[str] = []
    with path.open("rb") as stream:
        while raw := stream.readline(_LINE_BYTES_MAX):
            try:
                line = _decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise VersionListInvalid(f"line {len(found) + 1}: {error}") from error
            if line.version != len(found) + 1 or line.version >= version:
                raise VersionListInvalid(f"line {len(found) + 1} is of version {line.version}")
            found.append(line.inventory_sha256)
    if len(found) != version - 1:
        raise VersionListInvalid(f"{len(found)} versions are listed before version {version}")
    return found
