"""Read one carrier: its 说明文件, its 目录 into the tables, its 登记表.

档发〔2012〕7号 annex 2; docs/formats/carrier.md. Everything is read once, when the package is
opened; records are read again when they are asked for, so that none is kept. Judges nothing across
carriers: that is carrier.py's.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ingest_watch.findings import Finding
from ingest_watch.formats.carrier_catalogue import (
    CONTENT_NAME,
    RootUnknown,
    catalogue_records,
    encoding_flaw,
)
from ingest_watch.formats.carrier_content import CarrierContents, Naming
from ingest_watch.formats.carrier_description import BYTES_MAX, Description, read_description
from ingest_watch.formats.carrier_layout import CATALOGUES, Layout
from ingest_watch.formats.carrier_rules import CATALOGUE_EMPTY, CONTENT_UNNAMED
from ingest_watch.formats.carrier_tally import Tally, is_tally, read_tally
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.formats.staged_documents import opened_document
from ingest_watch.listing import Listing
from ingest_watch.records import Record
from ingest_watch.xml_reading import XmlFlaw

_BELOW = "路径"
_FILE_CATALOGUE, _VOLUME_CATALOGUE = CATALOGUES


class CarrierReading:
    """One carrier, read."""

    def __init__(
        self, folder: Path, listing: Listing, layout: Layout, contents: CarrierContents
    ) -> None:
        self.layout = layout
        self.described = KeptFindings()  # 1-12
        self.unreadable: list[Finding] = []  # 3-1
        self.unnamed = KeptFindings()  # 2-11
        self.counts: Counter[str] = Counter()  # records by unit, 件 and 卷
        self._folder = folder
        self._listing = listing
        self._readable: list[tuple[str, str]] = []
        for finding in layout.descriptive:
            self.described.add(finding)
        self.description = self._read_description()
        contents.add_carrier(layout)
        for fixed_name, path in layout.catalogues:
            self._read_catalogue(fixed_name, path, contents)
        self.tallies = tuple(self._read_tallies())

    @property
    def is_catalogued(self) -> bool:
        """Whether every 目录 could be read, so that what they leave out is really left out."""
        return bool(self._readable) and len(self._readable) == len(self.layout.catalogues)

    def records(self) -> Iterator[Record]:
        """Yield every record of every 目录, read again."""
        for fixed_name, path in self._readable:
            with opened_document(self._folder, self._listing, path) as stream:
                yield from catalogue_records(stream, path, fixed_name, lambda _: None)

    def size_bytes(self) -> tuple[int, int]:
        """Return how many bytes lie in 电子档案/, and in the whole carrier."""
        records, whole = (
            int(self._listing.totals_below(prefix).partition(".")[0])
            for prefix in (self.layout.records, self.layout.prefix)
        )
        return records, whole

    def _read_description(self) -> Description:
        if not self.layout.descriptions:
            return Description()
        path = self.layout.descriptions[0]
        with opened_document(self._folder, self._listing, path) as stream:
            description = read_description(stream.read(BYTES_MAX + 1), path)
        for finding in description.findings:
            self.described.add(finding)
        if description.unreadable is not None:
            self.unreadable.append(description.unreadable)
        return description

    def _read_catalogue(self, fixed_name: str, path: str, contents: CarrierContents) -> None:
        count = 0
        with opened_document(self._folder, self._listing, path) as stream:
            flaw = encoding_flaw(stream, path, self.described.add)
            if flaw is not None:
                self.unreadable.append(flaw)
                return
            try:
                for record in catalogue_records(stream, path, fixed_name, self.described.add):
                    count += 1
                    self._add(fixed_name, record, contents)
            except XmlFlaw as unreadable:
                self.unreadable.append(unreadable.finding)
                return
            except RootUnknown as other:
                self.described.add(other.finding)
                return
        if count == 0:
            self.described.add(CATALOGUE_EMPTY.found(path))
            return
        self.counts["件" if fixed_name == _FILE_CATALOGUE else "卷"] += count
        self._readable.append((fixed_name, path))

    def _add(self, fixed_name: str, record: Record, contents: CarrierContents) -> None:
        below = next((value for value in record.values(_BELOW) if value), None)
        stated = [value for value in record.values(CONTENT_NAME) if value]
        for name in stated:
            contents.add(self.layout, Naming(record.path, record.place, name, below))
        # The files of a volume are named by the 文件目录, where there is one.
        if not stated and not (fixed_name == _VOLUME_CATALOGUE and len(self.layout.catalogues) > 1):
            self.unnamed.add(CONTENT_UNNAMED.found(record.path, place=record.place))

    def _read_tallies(self) -> Iterator[Tally]:
        start = f"{self.layout.prefix}{self.layout.others}/"
        rows = self._listing.query(
            "SELECT path FROM file WHERE path >= ? AND path < ? AND path LIKE '%登记表%' LIMIT 100",
            start, start[:-1] + "0",
        )  # fmt: skip
        paths = [row[0] for row in rows]
        return tallies_among(self._folder, self._listing, paths, self.unreadable)


def tallies_among(
    folder: Path, listing: Listing, paths: list[str], unreadable: list[Finding]
) -> Iterator[Tally]:
    """Read those of `paths` that are tallies; why one cannot be read is added to `unreadable`."""
    for path in filter(is_tally, paths):
        with opened_document(folder, listing, path) as stream:
            try:
                yield read_tally(stream, path)
            except XmlFlaw as flaw:
                unreadable.append(flaw.finding)
