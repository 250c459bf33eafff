"""The carrier layout of 档发〔2012〕7号, annex 2: one carrier, or several side by side.

docs/formats/carrier.md says which rule leads to which outcome. This module answers the questions
of package_format.py from what carrier_reading.py has read of each carrier. Values of the 目录 are
the profile's rules' business; the content itself is never interpreted.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ingest_watch.algorithms import WantedDigests
from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.carrier_content import CarrierContents
from ingest_watch.formats.carrier_layout import (
    carriers_among,
    has_place_beside_carriers,
    is_carrier,
    layout_of,
)
from ingest_watch.formats.carrier_reading import CarrierReading, tallies_among
from ingest_watch.formats.carrier_rules import (
    BYTES,
    COUNT,
    NOT_ONE,
    NUMBER_TWICE,
    SURPLUS,
    TALLY_NONE,
)
from ingest_watch.formats.carrier_tally import Tally, counts_of
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import Answer, NotApplicable, Opening, SaysNothing
from ingest_watch.formats.staged_documents import opened_document
from ingest_watch.listing import Listing
from ingest_watch.names import peculiarities
from ingest_watch.records import Record, StatedFile
from ingest_watch.xml_reading import XmlFlaw, xml_events


class Carrier:
    """The format. Stateless."""

    name = "carrier"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """A 说明文件 or a 目录 at the top, or one folder down."""
        return is_carrier(root_names) or carriers_among(root_names)

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """What is compressed is decompressed before transfer, so an archive is unpacked."""
        return False

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """The layout has no place for digests."""
        return WantedDigests()

    def open(self, opening: Opening) -> "OpenedCarriers":
        """Read every carrier's 说明文件, 目录 and 登记表."""
        return OpenedCarriers(opening.folder, opening.listing)


class OpenedCarriers(SaysNothing):
    """The carriers of one package."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._folder = folder
        self._listing = listing
        self._content_remarks = KeptFindings()  # 2-11
        self._contents = CarrierContents(listing, self._content_remarks.add)
        self._others: list[str] = []  # folders beside carriers that are none
        self._carriers = [
            CarrierReading(folder, listing, layout_of(listing, prefix), self._contents)
            for prefix in self._prefixes()
        ]
        # What a 登记表 is held against: of its carrier, or of all.
        self._whole = sum((carrier.counts for carrier in self._carriers), Counter[str]())
        self._unreadable: list[Finding] = []  # 3-1
        self._tallies = list(self._read_tallies())
        self.external_identifiers = tuple(
            carrier.description.number
            for carrier in self._carriers
            if carrier.description.number is not None
        )

    def _prefixes(self) -> list[str]:
        if is_carrier(self._listing.names_in("")):
            return [""]
        rows = self._listing.query(
            "SELECT path FROM folder WHERE instr(path, '/') = 0 ORDER BY path"
        ).fetchall()
        prefixes = []
        for (folder,) in rows:
            if is_carrier(self._listing.names_in(folder)):
                prefixes.append(f"{folder}/")
            else:
                self._others.append(folder)
        return prefixes

    def descriptions(self) -> Answer:
        """1-12: every 说明文件 has its fields, every 目录 its columns."""
        return self._descriptions()

    def _descriptions(self) -> Iterator[Finding]:
        numbers: dict[str, str] = {}
        for carrier in self._carriers:
            yield from carrier.described.findings
            number, place = carrier.description.number, carrier.layout.prefix.removesuffix("/")
            if number is not None and number in numbers:
                yield NUMBER_TWICE.found(place or None, other=numbers[number])
            elif number is not None:
                numbers[number] = place

    def structure(self) -> Answer:
        """1-13: every carrier is laid out as it must be, and every name can be kept."""
        return self._structure()

    def _structure(self) -> Iterator[Finding]:
        for folder in self._others:
            yield NOT_ONE.found(folder)
        for carrier in self._carriers:
            yield from carrier.layout.structural
        yield from name_remarks(self._listing)

    def _read_tallies(self) -> Iterator[tuple[CarrierReading | None, Tally]]:
        for carrier in self._carriers:
            for tally in carrier.tallies:
                yield carrier, tally
        for tally in tallies_among(
            self._folder, self._listing, self._beside_carriers(), self._unreadable
        ):
            yield None, tally

    def _beside_carriers(self) -> list[str]:
        """The files at the top of a batch."""
        names = self._listing.names_in("")
        return [] if is_carrier(names) else sorted(names)

    def counts(self) -> Answer:
        """2-1: as many 件 and 卷 as a 登记表 states, of its carrier or of the whole batch."""
        return self._counts() if self._tallies else NotApplicable(TALLY_NONE.found())

    def _counts(self) -> Iterator[Finding]:
        for carrier, tally in self._tallies:
            yield from tally.unclear_counts
            for unit, stated in counts_of(tally):
                actual = (self._whole if carrier is None else carrier.counts)[unit]
                # A unit without a 目录 of its own cannot be counted.
                if self._whole[unit] and stated not in {actual, self._whole[unit]}:
                    yield COUNT.found(tally.path, stated=stated, unit=unit, actual=actual)

    def totals(self) -> Answer:
        """2-2: as much data as a 登记表 states, of its carrier or of the whole batch."""
        if any(tally.gigabytes is not None or tally.unclear_bytes for _, tally in self._tallies):
            return self._totals()
        return NotApplicable(TALLY_NONE.found())

    def _totals(self) -> Iterator[Finding]:
        sizes = [carrier.size_bytes() for carrier in self._carriers]
        batch = [sum(column) for column in zip(*sizes, strict=True)]
        for carrier, tally in self._tallies:
            yield from tally.unclear_bytes
            own = batch if carrier is None else carrier.size_bytes()
            if tally.gigabytes is not None and not any(map(tally.is_of, (*own, *batch))):
                yield BYTES.found(tally.path, stated=str(tally.gigabytes), actual=own[0])

    def contents(self) -> Answer:
        """2-11: every 电子档案名称 means a file that is there."""
        return self._present()

    def _present(self) -> Iterator[Finding]:
        for carrier in self._carriers:
            yield from carrier.unnamed.findings
        yield from self._content_remarks.findings
        yield from self._contents.missing()

    def metadata(self) -> Answer:
        """3-1: 说明文件, 目录, 登记表 and the metadata beside records can be read."""
        return self._metadata()

    def _metadata(self) -> Iterator[Finding]:
        yield from self._unreadable
        for carrier in self._carriers:
            yield from carrier.unreadable
        for path in self._unmeant():
            if self._contents.is_metadata(path):
                yield from self._xml_flaw(path)

    def _xml_flaw(self, path: str) -> Iterator[Finding]:
        with opened_document(self._folder, self._listing, path) as stream:
            try:
                for _ in xml_events(stream, path):
                    pass
            except XmlFlaw as flaw:
                yield flaw.finding

    def surplus(self) -> Answer:
        """4-3: every file is named by a record, or has its place in the layout."""
        return self._surplus()

    def _surplus(self) -> Iterator[Finding]:
        for path in self._unmeant():
            if not self._contents.is_metadata(path):
                is_systems = "system-file" in peculiarities(path)
                severity = Severity.WARNING if is_systems else Severity.ERROR
                yield SURPLUS.found(path, severity=severity)

    def _unmeant(self) -> Iterator[str]:
        """Yield the files that no record means and the layout does not provide for."""
        for name in self._beside_carriers():
            if not has_place_beside_carriers(name):
                yield name
        for carrier in self._carriers:
            layout = carrier.layout
            rows = self._listing.query(
                "SELECT path FROM file WHERE substr(path, 1, ?) = ? ORDER BY path",
                len(layout.prefix), layout.prefix,
            )  # fmt: skip
            for (path,) in rows:
                if path.startswith(layout.records):
                    if carrier.is_catalogued and not self._contents.is_meant(path):
                        yield path
                elif not layout.has_place_for(path):
                    yield path

    def records(self) -> Iterator[Record] | NotApplicable:
        """Every 文件 and 案卷 of every 目录."""
        return (record for carrier in self._carriers for record in carrier.records())

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """Every file that a record names."""
        return self._contents.stated_files()
