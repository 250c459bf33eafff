"""E-ARK information packages: CSIP and SIP 2.x, folders described by METS.

docs/formats/csip.md; E-ARK CSIP 2.2.0. The package is kept as it came: every reference is a path in
it. The METS document at the top and those of representations are read; what they require is
csip_requirements.py's, what they say of files csip_files.py's. Preservation and descriptive
metadata inside are kept and not interpreted.
"""

from collections.abc import Iterator

from ingest_watch.algorithms import WantedDigests
from ingest_watch.findings import Finding
from ingest_watch.formats import csip_rules as rules
from ingest_watch.formats.csip_files import References
from ingest_watch.formats.csip_requirements import Surroundings, judge_document, judge_file
from ingest_watch.formats.mets_reading import MetsDocument, MetsFile, MetsReader
from ingest_watch.formats.mets_schema import schema_breach
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import Answer, NotApplicable, Opening, SaysNothing
from ingest_watch.listing import Listing
from ingest_watch.records import Field, Record, StatedFile
from ingest_watch.xml_reading import XmlFlaw

DOCUMENT = "METS.xml"
_REPRESENTATIONS = "representations"
# So many breaches by file elements are told; a tool that errs once errs in every line.
_FILE_FINDINGS_MAX = 1000


class Csip:
    """The format. Stateless."""

    name = "csip"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """METS.xml at the top, in just these letters (CSIPSTR4)."""
        return DOCUMENT in root_names

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """An archive of a package is unpacked, never kept as one file."""
        return False

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """METS names algorithms file by file: those besides SHA-256 are computed when asked."""
        return WantedDigests()

    def open(self, opening: Opening) -> "OpenedCsip":
        """Read every METS document."""
        return OpenedCsip(opening)


class OpenedCsip(SaysNothing):
    """One package."""

    def __init__(self, opening: Opening) -> None:
        self._folder = opening.folder
        self._listing = opening.listing
        self._name = opening.name
        self._references = References(opening.folder, opening.listing)
        self._unreadable: list[Finding] = []
        self._file_findings: list[Finding] = []
        self._documents: list[MetsDocument] = []
        representations = _representations_with_mets(opening.listing)
        for path in [
            DOCUMENT,
            *(f"{_REPRESENTATIONS}/{name}/METS.xml" for name in representations),
        ]:
            if (opening.folder / path).is_file():
                self._documents.append(self._read(path))
        self._representations = tuple(representations)
        root = self._documents[0] if self._documents else None
        identifier = "" if root is None else root.root.get("OBJID", "").strip()
        self.external_identifiers = (identifier,) if identifier else ()

    def _read(self, path: str) -> MetsDocument:
        def note(file: MetsFile) -> None:
            if len(self._file_findings) < _FILE_FINDINGS_MAX:
                self._file_findings.extend(judge_file(reader.document, file))
            if file.location is not None:
                self._references.add(path, file.attributes, file.location, file.line)

        reader = MetsReader(path, note)
        try:
            with (self._folder / path).open("rb") as stream:
                reader.read(stream)
        except XmlFlaw as flaw:
            self._unreadable.append(flaw.finding)
        for section in reader.document.sections:
            if section.reference is not None:
                self._references.add(path, section.reference, section.reference, section.line)
        return reader.document

    def fixity(self) -> Answer:
        """1-1: the size and digest of every file that METS describes."""
        return self._references.mismatches()

    def descriptions(self) -> Answer:
        """1-12: the requirements on the METS documents."""
        return self._descriptions()

    def _descriptions(self) -> Iterator[Finding]:
        for document in self._documents if not self._unreadable else ():
            yield from judge_document(document, self._around(document))
            if document.is_mets:
                breach = schema_breach(self._folder / document.path, document.path)
                yield from () if breach is None else (breach,)
        yield from self._file_findings

    def structure(self) -> Answer:
        """1-13: METS.xml at the top, the folders that CSIP names."""
        return self._structure()

    def _structure(self) -> Iterator[Finding]:
        if not self._documents or self._documents[0].path != DOCUMENT:
            yield rules.STR4.found()
        if not self._listing.has_folder("metadata"):
            yield rules.STR5.found()
        if not self._listing.has_folder(_REPRESENTATIONS):
            yield rules.STR9.found()
        yield from name_remarks(self._listing)

    def contents(self) -> Answer:
        """2-11: every file that METS names is there."""
        return self._references.missing()

    def metadata(self) -> Answer:
        """3-1: the METS documents can be read."""
        return iter(self._unreadable)

    def surplus(self) -> Answer:
        """4-3: files that no METS document speaks of."""
        return self._references.unreferenced([document.path for document in self._documents])

    def records(self) -> Iterator[Record] | NotApplicable:
        """One record: what the METS document at the top says of the package."""
        return (self._record(document) for document in self._documents[:1])

    def _record(self, document: MetsDocument) -> Record:
        fields = [Field(f"mets/{name}", value) for name, value in document.root.items()]
        fields += [
            Field(f"metsHdr/{name}", value) for name, value in (document.header or {}).items()
        ]
        return Record(document.path, document.path, tuple(fields))

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """Every file that METS describes."""
        return self._references.stated_files()

    def _around(self, document: MetsDocument) -> Surroundings:
        beside = document.path.rpartition("/")[0]
        is_root = not beside
        start = "" if is_root else f"{beside}/"
        rows = self._listing.query(
            "SELECT DISTINCT substr(path, ?1, instr(substr(path, ?1), '/') - 1) FROM file"
            " WHERE substr(path, 1, ?1 - 1) = ?2 AND instr(substr(path, ?1), '/') > 0",
            len(start) + 1, start,
        )  # fmt: skip
        return Surroundings(
            folder=self._name if is_root else beside.rpartition("/")[2],
            is_root=is_root,
            folders=frozenset(row[0] for row in rows),
            has_descriptive=bool(self._listing.names_in(f"{start}metadata/descriptive")),
            representations=self._representations if is_root else (),
        )


def _representations_with_mets(listing: Listing) -> list[str]:
    rows = listing.query(
        "SELECT path FROM file WHERE path GLOB 'representations/*/METS.xml' ORDER BY path"
    )
    names = [str(row[0]).split("/") for row in rows]
    return [parts[1] for parts in names if len(parts) == 3]
