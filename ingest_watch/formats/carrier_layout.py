"""Find the fixed files and folders of a carrier among the names at its top.

档发〔2012〕7号 annex 2; docs/formats/carrier.md. Names in other letters are taken and remarked.
Decides on names alone; what is in the files is for carrier_reading.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.findings import Finding
from ingest_watch.formats.carrier_rules import (
    CATALOGUE_MISSING,
    CATALOGUE_TWICE,
    DESCRIPTION_MISSING,
    DESCRIPTION_TWICE,
    NAME_VARIANT,
    OTHERS_MISSING,
    RECORDS_MISSING,
)
from ingest_watch.listing import Listing

DESCRIPTION = "说明文件.TXT"
# A 目录 by its file, and what its records are called.
CATALOGUES = {"文件目录.XML": "文件", "案卷目录.XML": "案卷"}
RECORDS = "电子档案"
_FIXED = frozenset(name.casefold() for name in (DESCRIPTION, *CATALOGUES))
_OTHERS = "其他"
_OTHERS_VARIANT = "其它"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one carrier is. Paths are relative to the package."""

    prefix: str  # of the carrier: "" or its folder with "/" behind
    descriptions: tuple[str, ...]
    catalogues: tuple[tuple[str, str], ...]  # fixed name and path, the first of each kind
    others: str  # 其他, as it is written
    descriptive: tuple[Finding, ...]  # for 1-12
    structural: tuple[Finding, ...]  # for 1-13

    @property
    def records(self) -> str:
        """The prefix of all records."""
        return f"{self.prefix}{RECORDS}/"

    def has_place_for(self, path: str) -> bool:
        """Tell whether a file that is no record belongs where it is."""
        is_fixed = path.removeprefix(self.prefix).casefold() in _FIXED
        return is_fixed or path.startswith(f"{self.prefix}{self.others}/")


def is_carrier(names: frozenset[str]) -> bool:
    """Tell from the files at the top of a folder whether it is a carrier."""
    return any(name.casefold() in _FIXED for name in names)


def carriers_among(names_one_down: frozenset[str]) -> bool:
    """Tell from the files one folder down, `folder/name`, whether any folder is a carrier."""
    return is_carrier(frozenset(name.partition("/")[2] for name in names_one_down if "/" in name))


def has_place_beside_carriers(name: str) -> bool:
    """Tell whether a file belongs at the top of a batch: what was signed for all of it."""
    return "登记表" in name or "交接" in name


def layout_of(listing: Listing, prefix: str) -> Layout:
    """Look for everything a carrier must have below `prefix`."""
    names = listing.names_in(prefix.removesuffix("/"))
    descriptions = tuple(prefix + name for name in _written(names, DESCRIPTION))
    catalogues = {fixed: tuple(_written(names, fixed)) for fixed in CATALOGUES}
    others = _OTHERS
    if not listing.has_folder(prefix + _OTHERS) and listing.has_folder(prefix + _OTHERS_VARIANT):
        others = _OTHERS_VARIANT
    return Layout(
        prefix,
        descriptions,
        tuple((fixed, prefix + found[0]) for fixed, found in catalogues.items() if found),
        others,
        tuple(_descriptive(descriptions, catalogues, prefix)),
        tuple(_structural(listing, names, prefix, others)),
    )


def _written(names: frozenset[str], fixed: str) -> Iterator[str]:
    return (name for name in sorted(names) if name.casefold() == fixed.casefold())


def _descriptive(
    descriptions: tuple[str, ...], catalogues: dict[str, tuple[str, ...]], prefix: str
) -> Iterator[Finding]:
    place = prefix.removesuffix("/") or None
    if not descriptions:
        yield DESCRIPTION_MISSING.found(place)
    elif len(descriptions) > 1:
        yield DESCRIPTION_TWICE.found(descriptions[0], count=len(descriptions))
    if not any(catalogues.values()):
        yield CATALOGUE_MISSING.found(place)
    for fixed, found in catalogues.items():
        if len(found) > 1:
            yield CATALOGUE_TWICE.found(prefix + found[0], name=fixed, count=len(found))


def _structural(
    listing: Listing, names: frozenset[str], prefix: str, others: str
) -> Iterator[Finding]:
    place = prefix.removesuffix("/") or None
    for fixed in (DESCRIPTION, *CATALOGUES):
        for name in _written(names, fixed):
            if name != fixed:
                yield NAME_VARIANT.found(prefix + name, name=fixed)
    if not listing.has_folder(prefix + RECORDS):
        yield RECORDS_MISSING.found(place)
    if others != _OTHERS:
        yield NAME_VARIANT.found(prefix + others, name=_OTHERS)
    elif not listing.has_folder(prefix + _OTHERS):
        yield OTHERS_MISSING.found(place)
