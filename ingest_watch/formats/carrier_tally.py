"""Read a 登记表 in XML as a tally: how many files and volumes, how much data, were handed over.

档发〔2012〕7号, 电子档案移交与接收登记表; docs/formats/carrier.md. Elements are found by name,
wherever they stand: the form has no XML of its own. What the numbers are held against is for
carrier.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

from ingest_watch.findings import Finding
from ingest_watch.formats.carrier_rules import TALLY_UNCLEAR
from ingest_watch.xml_reading import Leaf, xml_events, xml_leaves

_TOGETHER = "移交电子档案数量"
_FILES, _VOLUMES = "文件数量", "案卷数量"
_DATA = "移交数据量"
_WHOLE = re.compile(r"(?:(\d{1,12})\s*卷)?[\s,，、]*(?:(\d{1,12})\s*件?)?", re.ASCII)
_ONE = {
    _FILES: re.compile(r"(\d{1,12})\s*件?", re.ASCII),
    _VOLUMES: re.compile(r"(\d{1,12})\s*卷?", re.ASCII),
}
_GIGABYTES = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(?:GB)?", re.ASCII | re.IGNORECASE)
_DECIMALS = Decimal("0.001")


@dataclass(slots=True)
class Tally:
    """What one 登记表 states; None where it does not."""

    path: str
    files: int | None = None
    volumes: int | None = None
    gigabytes: Decimal | None = None
    unclear_counts: tuple[Finding, ...] = ()
    unclear_bytes: tuple[Finding, ...] = ()

    def is_of(self, size_bytes: int) -> bool:
        """Tell whether so many bytes are the stated gigabytes, decimal or binary, as rounded."""
        assert self.gigabytes is not None, "asked only where gigabytes are stated"
        return any(
            abs(Decimal(size_bytes) / unit - self.gigabytes) <= _DECIMALS / 2
            for unit in (10**9, 2**30)
        )


def is_tally(path: str) -> bool:
    """Tell from its name whether a file of 其他/ is a tally."""
    name = path.rpartition("/")[2].lower()
    return "登记表" in name and name.endswith(".xml")


def read_tally(stream: BinaryIO, path: str) -> Tally:
    """Read the tally at `path`. Raises XmlFlaw."""
    tally = Tally(path)
    for leaf in xml_leaves(xml_events(stream, path), path):
        if isinstance(leaf, Leaf) and leaf.text:
            _take(tally, leaf.path[-1], leaf.text)
    return tally


def _take(tally: Tally, name: str, text: str) -> None:
    unclear = TALLY_UNCLEAR.found(tally.path, element=name)
    if name == _DATA:
        match = _GIGABYTES.fullmatch(text)
        if match is None:
            tally.unclear_bytes += (unclear,)
        else:
            tally.gigabytes = Decimal(match[1])
    elif name == _TOGETHER:
        match = _WHOLE.fullmatch(text)
        if match is None:
            tally.unclear_counts += (unclear,)
        else:
            volumes, files = match.groups()
            tally.volumes = tally.volumes if volumes is None else int(volumes)
            tally.files = tally.files if files is None else int(files)
    elif name in _ONE:
        match = _ONE[name].fullmatch(text)
        if match is None:
            tally.unclear_counts += (unclear,)
        elif name == _FILES:
            tally.files = int(match[1])
        else:
            tally.volumes = int(match[1])


def counts_of(tally: Tally) -> Iterator[tuple[str, int]]:
    """Yield the unit and the number of everything that the tally counts."""
    if tally.files is not None:
        yield "件", tally.files
    if tally.volumes is not None:
        yield "卷", tally.volumes
