"""Where an object lies below a storage root: OCFL storage layouts 0003 and 0004.

OCFL community extensions 0003-hash-and-id-n-tuple-storage-layout (what this product writes:
SHA-256, tuples of three, two of them) and 0004-hashed-n-tuple-storage-layout (only read, when
somebody else's root is validated). Pure: nothing here looks at a disk.
"""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from storage.errors import Refusal
from storage.ocfl.digest_algorithms import ALGORITHMS, digest_of_text

HASH_AND_ID_LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"
HASHED_LAYOUT = "0004-hashed-n-tuple-storage-layout"

_PLAIN_CHARACTERS = frozenset((string.ascii_letters + string.digits + "-_").encode())
# Longer encoded identifiers are cut here and made unique by the digest (0003, "Encapsulation").
_ENCODED_ID_LENGTH_MAX = 100
_TUPLES_MAX = 32


class LayoutConfigurationError(Refusal):
    """A layout's config.json says something its extension does not allow."""

    code = "layout-configuration"


class Layout(Protocol):
    def object_folder(self, object_id: str) -> PurePosixPath: ...


@dataclass(frozen=True, slots=True)
class HashAndIdLayout:
    """Layout 0003: tuples of the identifier's digest, then the identifier itself, encoded."""

    digest_algorithm: str = "sha256"
    tuple_size: int = 3
    number_of_tuples: int = 3

    def __post_init__(self) -> None:
        _check_tuples(self.digest_algorithm, self.tuple_size, self.number_of_tuples)

    def object_folder(self, object_id: str) -> PurePosixPath:
        digest = digest_of_text(object_id, self.digest_algorithm)
        tuples = _tuples(digest, self.tuple_size, self.number_of_tuples)
        return PurePosixPath(*tuples, _encapsulation(object_id, digest))

    def configuration(self) -> dict[str, str | int]:
        return {
            "extensionName": HASH_AND_ID_LAYOUT,
            "digestAlgorithm": self.digest_algorithm,
            "tupleSize": self.tuple_size,
            "numberOfTuples": self.number_of_tuples,
        }


@dataclass(frozen=True, slots=True)
class HashedLayout:
    """Layout 0004: tuples of the identifier's digest, then the digest (or the rest of it)."""

    digest_algorithm: str = "sha256"
    tuple_size: int = 3
    number_of_tuples: int = 3
    short_object_root: bool = False

    def __post_init__(self) -> None:
        _check_tuples(self.digest_algorithm, self.tuple_size, self.number_of_tuples)
        if self.short_object_root and not self._rest(_sample_digest(self.digest_algorithm)):
            raise LayoutConfigurationError(
                "shortObjectRoot leaves no name for the object: the tuples use the whole digest"
            )

    def object_folder(self, object_id: str) -> PurePosixPath:
        digest = digest_of_text(object_id, self.digest_algorithm)
        tuples = _tuples(digest, self.tuple_size, self.number_of_tuples)
        return PurePosixPath(*tuples, self._rest(digest) if self.short_object_root else digest)

    def _rest(self, digest: str) -> str:
        return digest[self.tuple_size * self.number_of_tuples :]


def layout_from_configuration(extension: str, configuration: Mapping[str, object]) -> Layout | None:
    """The layout that a root declares; None when this product cannot compute that extension.

    Raises LayoutConfigurationError if the configuration breaks its extension's rules.
    """
    if extension not in (HASH_AND_ID_LAYOUT, HASHED_LAYOUT):
        return None
    algorithm = _text(configuration, "digestAlgorithm", "sha256")
    tuple_size = _integer(configuration, "tupleSize", 3)
    number_of_tuples = _integer(configuration, "numberOfTuples", 3)
    if extension == HASH_AND_ID_LAYOUT:
        return HashAndIdLayout(algorithm, tuple_size, number_of_tuples)
    short = configuration.get("shortObjectRoot", False)
    if not isinstance(short, bool):
        raise LayoutConfigurationError("shortObjectRoot must be true or false")
    return HashedLayout(algorithm, tuple_size, number_of_tuples, short)


def _encapsulation(object_id: str, digest: str) -> str:
    encoded = "".join(
        chr(byte) if byte in _PLAIN_CHARACTERS else f"%{byte:02x}" for byte in object_id.encode()
    )
    if len(encoded) > _ENCODED_ID_LENGTH_MAX:
        return f"{encoded[:_ENCODED_ID_LENGTH_MAX]}-{digest}"
    return encoded


def _tuples(digest: str, size: int, number: int) -> list[str]:
    return [digest[index * size : (index + 1) * size] for index in range(number)]


def _sample_digest(algorithm: str) -> str:
    return digest_of_text("", algorithm)


def _check_tuples(algorithm: str, size: int, number: int) -> None:
    if algorithm == "size" or algorithm not in ALGORITHMS:
        raise LayoutConfigurationError(f"digestAlgorithm {algorithm!r} is not one OCFL names")
    if not (0 <= size <= _TUPLES_MAX and 0 <= number <= _TUPLES_MAX):
        raise LayoutConfigurationError("tupleSize and numberOfTuples must be from 0 to 32")
    if (size == 0) != (number == 0):
        raise LayoutConfigurationError("tupleSize and numberOfTuples must both be 0, or neither")
    if size * number > len(_sample_digest(algorithm)):
        raise LayoutConfigurationError(
            f"tupleSize times numberOfTuples is more than the digits of {algorithm}"
        )


def _text(configuration: Mapping[str, object], key: str, default: str) -> str:
    value = configuration.get(key, default)
    if not isinstance(value, str):
        raise LayoutConfigurationError(f"{key} must be a string")
    return value


def _integer(configuration: Mapping[str, object], key: str, default: int) -> int:
    value = configuration.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LayoutConfigurationError(f"{key} must be an integer")
    return value


def _document(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


# What every node of this product uses (DESIGN.md section 6).
LANTAI_LAYOUT = HashAndIdLayout(digest_algorithm="sha256", tuple_size=3, number_of_tuples=2)


def object_folder(object_id: str) -> PurePosixPath:
    """The folder of an object below a node's storage root."""
    return LANTAI_LAYOUT.object_folder(object_id)


def layout_document() -> bytes:
    """`ocfl_layout.json` of a node's storage root."""
    return _document(
        {
            "extension": HASH_AND_ID_LAYOUT,
            "description": "Two folders from the SHA-256 of the object id, then the object id "
            "itself, percent-encoded. "
            "对象标识的 SHA-256 前六位分两级目录，其下为百分号编码的对象标识。",
        }
    )


def layout_configuration_document() -> bytes:
    """`extensions/0003-…/config.json` of a node's storage root."""
    return _document(LANTAI_LAYOUT.configuration())
