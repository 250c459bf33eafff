"""Read a METS document (version 1) as far as E-ARK CSIP asks about it, in one streaming pass.

METS 1.12; E-ARK CSIP 2.2.0 section 5. What grows with the package (files, pointers) goes to the
caller one by one, so that a document of a million files costs no more memory than a small one.
Judges nothing; resolves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest_watch.xml_reading import End, Start, Text, xml_events

METS = "http://www.loc.gov/METS/"
_XLINK = "{http://www.w3.org/1999/xlink}"
_CSIP = "{https://DILCIS.eu/XML/METS/CSIPExtensionMETS}"
HREF, LINK_TYPE = f"{_XLINK}href", f"{_XLINK}type"
CSIP_OTHERTYPE = f"{_CSIP}OTHERTYPE"
CONTENT_TYPE = f"{_CSIP}CONTENTINFORMATIONTYPE"
OTHER_CONTENT_TYPE = f"{_CSIP}OTHERCONTENTINFORMATIONTYPE"
PACKAGE_TYPE = f"{_CSIP}OAISPACKAGETYPE"
NOTE_TYPE = f"{_CSIP}NOTETYPE"

# A list of files; it carries no content, but a package may have a million of them.
_BYTES_MAX = 4 * 1024**3
_SECTIONS = ("dmdSec", "techMD", "rightsMD", "sourceMD", "digiprovMD")
_NOTE_MAX = 4096

Attributes = Mapping[str, str]


@dataclass(slots=True)
class Agent:
    """`metsHdr/agent`."""

    attributes: Attributes
    names: list[str] = field(default_factory=list)
    notes: list[tuple[str, str | None]] = field(default_factory=list)  # text, csip:NOTETYPE


@dataclass(slots=True)
class Section:
    """A metadata section, and the reference in it."""

    kind: str
    attributes: Attributes
    line: int
    reference: Attributes | None = None  # of mdRef
    has_wrapped: bool = False  # mdWrap


@dataclass(slots=True)
class FileGroup:
    """`fileSec/fileGrp`, nested ones too."""

    attributes: Attributes
    line: int
    has_files: bool = False


@dataclass(slots=True)
class Division:
    """`structMap/div` of the first three levels."""

    attributes: Attributes
    depth: int  # 1 is the main division
    pointers: list[Attributes] = field(default_factory=list)  # mptr
    file_pointers: list[str] = field(default_factory=list)  # fptr/@FILEID, the first thousand


@dataclass(slots=True)
class StructMap:
    """One `structMap`."""

    attributes: Attributes
    divisions: list[Division] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MetsFile:
    """`fileGrp/file` with its first `FLocat`."""

    attributes: Attributes
    location: Attributes | None
    line: int


@dataclass(slots=True)
class MetsDocument:
    """One METS document without its files."""

    path: str
    root: Attributes = field(default_factory=dict)
    is_mets: bool = False
    header: Attributes | None = None
    agents: list[Agent] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    file_section: Attributes | None = None
    groups: list[FileGroup] = field(default_factory=list)
    maps: list[StructMap] = field(default_factory=list)


class MetsReader:
    """Fills a MetsDocument, and hands every file on."""

    def __init__(self, path: str, on_file: Callable[[MetsFile], None]) -> None:
        self.document = MetsDocument(path)
        self._on_file = on_file
        self._names: list[str] = []
        self._file: Start | None = None
        self._location: Attributes | None = None
        self._text: list[str] | None = None
        self._note: str | None = None
        self._divisions: list[Division] = []

    def read(self, stream: BinaryIO) -> None:
        """Read it all. Raises XmlFlaw; what was read until then is there."""
        for event in xml_events(stream, self.document.path, bytes_max=_BYTES_MAX):
            match event:
                case Start():
                    self._start(event)
                    self._names.append(event.name)
                case Text(piece):
                    if self._text is not None and sum(map(len, self._text)) < _NOTE_MAX:
                        self._text.append(piece)
                case End(name):
                    self._names.pop()
                    self._end(name)

    def _start(self, start: Start) -> None:
        if not self._names:
            self.document.root = start.attributes
            self.document.is_mets = (start.namespace, start.name) == (METS, "mets")
        elif "metsHdr" in self._names or start.name == "metsHdr":
            self._start_in_header(start)
        elif "fileSec" in self._names or start.name == "fileSec":
            self._start_in_files(start)
        elif "structMap" in self._names or start.name == "structMap":
            self._start_in_map(start)
        else:
            self._start_in_sections(start)

    def _start_in_header(self, start: Start) -> None:
        match start.name:
            case "metsHdr":
                self.document.header = start.attributes
            case "agent":
                self.document.agents.append(Agent(start.attributes))
            case "name" | "note":
                self._text = []
                self._note = start.attributes.get(NOTE_TYPE)

    def _start_in_files(self, start: Start) -> None:
        match start.name:
            case "fileSec":
                self.document.file_section = start.attributes
            case "fileGrp":
                self.document.groups.append(FileGroup(start.attributes, start.line))
            case "file":
                self._file, self._location = start, None
                if self.document.groups:
                    self.document.groups[-1].has_files = True
            case "FLocat" if self._location is None:
                self._location = start.attributes

    def _start_in_map(self, start: Start) -> None:
        match start.name:
            case "structMap":
                self.document.maps.append(StructMap(start.attributes))
            case "div":
                division = Division(start.attributes, len(self._divisions) + 1)
                if division.depth <= 3:
                    self.document.maps[-1].divisions.append(division)
                self._divisions.append(division)
            case "mptr" if self._divisions:
                self._divisions[-1].pointers.append(start.attributes)
            case "fptr" if self._divisions and len(self._divisions[-1].file_pointers) < 1000:
                self._divisions[-1].file_pointers.append(start.attributes.get("FILEID", ""))

    def _start_in_sections(self, start: Start) -> None:
        if start.name in _SECTIONS:
            self.document.sections.append(Section(start.name, start.attributes, start.line))
        elif self.document.sections and any(name in _SECTIONS for name in self._names):
            section = self.document.sections[-1]
            if start.name == "mdRef" and section.reference is None:
                section.reference = start.attributes
            elif start.name == "mdWrap":
                section.has_wrapped = True

    def _end(self, name: str) -> None:
        if name in {"name", "note"} and self._text is not None and self.document.agents:
            text, self._text = "".join(self._text).strip(), None
            if name == "name":
                self.document.agents[-1].names.append(text)
            else:
                self.document.agents[-1].notes.append((text, self._note))
        elif name == "file" and self._file is not None:
            self._on_file(MetsFile(self._file.attributes, self._location, self._file.line))
            self._file = None
        elif name == "div" and self._divisions:
            self._divisions.pop()
