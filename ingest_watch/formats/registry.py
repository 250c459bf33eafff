"""The package formats this intake knows, one line each.

Order matters where two would recognise the same package: the first does.
"""

from ingest_watch.algorithms import WantedDigests
from ingest_watch.formats.bagit import BagIt
from ingest_watch.formats.carrier import Carrier
from ingest_watch.formats.case import Case
from ingest_watch.formats.case_batch import CaseBatch
from ingest_watch.formats.csip import Csip
from ingest_watch.formats.eep import Eep
from ingest_watch.formats.package_format import PackageFormat

FORMATS: dict[str, PackageFormat] = {
    "bagit": BagIt(),
    "carrier": Carrier(),
    "case": Case(),
    "case-batch": CaseBatch(),
    "csip": Csip(),
    "eep": Eep(),
}


# These find words for a folder that has nothing of theirs.
_TELL_WHAT_IS_MISSING = frozenset({"bagit", "csip"})
# What a part of a batch may be.
_PART_FORMATS = {"case-batch": ("case",)}


def part_formats(batch_formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats that parts of batches of these formats may have."""
    return tuple(part for name in batch_formats for part in _PART_FORMATS.get(name, ()))


def recognised_format(
    root_names: frozenset[str], allowed: tuple[str, ...] | None = None
) -> PackageFormat | None:
    """Return the format of a package with these names in its top folder, if it is allowed."""
    for package_format in _allowed(allowed):
        if package_format.recognises(root_names):
            return package_format
    return None


def only_format(allowed: tuple[str, ...] | None) -> PackageFormat | None:
    """Return the one format that is allowed, if it can tell what a folder lacks to be of it."""
    if allowed is None or len(allowed) != 1 or allowed[0] not in _TELL_WHAT_IS_MISSING:
        return None
    return FORMATS[allowed[0]]


def recognised_file(
    name: str, descriptor: int, allowed: tuple[str, ...] | None = None
) -> PackageFormat | None:
    """Return the format of which this one file is a whole package that is kept as it is."""
    for package_format in _allowed(allowed):
        if package_format.recognises_file(name, descriptor):
            return package_format
    return None


def wanted_digests(
    root_names: frozenset[str], allowed: tuple[str, ...] | None = None
) -> WantedDigests:
    """Return which algorithms a package with these names needs; none if it is of no format."""
    package_format = recognised_format(root_names, allowed)
    return WantedDigests() if package_format is None else package_format.wanted_digests(root_names)


def _allowed(names: tuple[str, ...] | None) -> list[PackageFormat]:
    return [each for name, each in FORMATS.items() if names is None or name in names]
