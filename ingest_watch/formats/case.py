"""Government-service cases (政务服务事项): one 办件 as one zip, kept whole and opened beside it.

GB/T 42727-2023; docs/formats/case.md says which rule leads to which outcome. A zip is unpacked into
`content/` by archives/, under its limits; a folder is judged as it lies. What `base_info` says is
personal data, and its values the profile's rules' business.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath

from ingest_watch.algorithms import WantedDigests
from ingest_watch.archives.entry_names import EntryRegister
from ingest_watch.archives.recognise import serialisation_of_name
from ingest_watch.archives.writing import write_contents
from ingest_watch.archives.zip_contents import zip_contents
from ingest_watch.archives.zip_directory import read_zip, zip_names
from ingest_watch.findings import Finding, PackageRejected
from ingest_watch.formats.case_base_info import CODE, TOTAL, BaseInfo, BaseInfoReader
from ingest_watch.formats.case_files import CaseFiles
from ingest_watch.formats.case_rules import (
    BASE_INFO_MISSING,
    CODE_ESCAPED,
    CODE_NAME,
    COUNT,
    COUNT_WITH_DOCUMENTS,
    NAME_VARIANT,
    PROCESS_EMPTY,
    PROCESS_MISSING,
    TOP_FOLDER,
    TOTAL_UNCLEAR,
    UNREAD,
)
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import (
    Answer,
    Decoded,
    NotApplicable,
    Opening,
    SaysNothing,
)
from ingest_watch.formats.staged_documents import opened_document
from ingest_watch.listing import Listing
from ingest_watch.records import Record, StatedFile
from ingest_watch.target_tree import TargetTree
from ingest_watch.xml_reading import Leaf, XmlFlaw, xml_events, xml_leaves

BASE_INFO = "基本信息元数据.xml"
PROCESS = "管理过程元数据.xml"
# Characters that file names cannot have everywhere, and a code may.
_AVOIDED = re.compile(r'[\\/:*?"<>|]')


class Case:
    """The format. Stateless."""

    name = "case"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """A case that came as a folder has its metadata documents at its top."""
        return any(_is_document(name) for name in root_names)

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """A zip with a metadata document at its top, or below a folder at its top."""
        if serialisation_of_name(name) != "zip":
            return False
        try:
            return any(
                path.count("/") <= 1 and _is_document(path.rpartition("/")[2])
                for path in zip_names(descriptor)
            )
        except PackageRejected:
            return False  # unpacking it will say why

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """A case has no digests of its own files."""
        return WantedDigests()

    def open(self, opening: Opening) -> "OpenedCase":
        """Unpack a zip into the work folder, and read what it says of itself."""
        names = opening.listing.names_in("")
        if self.recognises(names):
            return OpenedCase(opening.folder, opening.listing, opening.name)
        (name,) = names
        return OpenedZip(opening, name)


class OpenedCase(SaysNothing):
    """One case, its files below `folder`."""

    def __init__(self, folder: Path, listing: Listing, name: str) -> None:
        self._folder = folder
        self._listing = listing
        self._name = PurePosixPath(name).name
        self._described = KeptFindings()  # 1-12
        self._unreadable: list[Finding] = []  # 3-1
        self._files = CaseFiles(listing)
        self._base_info_path = self._document(BASE_INFO)
        self._process_path = self._document(PROCESS)
        self._info = self._read_base_info()
        self._files.index()
        self._read_process()
        code = "" if self._info is None else self._info.value(CODE)
        self.external_identifiers = (code,) if code else ()

    def _document(self, fixed: str) -> str | None:
        names = self._listing.names_in("")
        written = (name for name in sorted(names) if name.casefold() == fixed.casefold())
        return fixed if fixed in names else next(written, None)

    def _read_base_info(self) -> BaseInfo | None:
        if self._base_info_path is None:
            return None
        reader = BaseInfoReader(self._base_info_path, self._described.add, self._files.add)
        with opened_document(self._folder, self._listing, self._base_info_path) as stream:
            try:
                return reader.read(stream)
            except XmlFlaw as flaw:
                self._unreadable.append(flaw.finding)
                return None

    def _read_process(self) -> None:
        path = self._process_path
        if path is None:
            return
        says_something = False
        with opened_document(self._folder, self._listing, path) as stream:
            try:
                for part in xml_leaves(xml_events(stream, path), path):
                    says_something = says_something or (isinstance(part, Leaf) and part.text != "")
            except XmlFlaw as flaw:
                self._unreadable.append(flaw.finding)
                return
        if not says_something:
            self._described.add(PROCESS_EMPTY.found(path))

    def descriptions(self) -> Answer:
        """1-12: both metadata documents are as they must be."""
        return iter([*self._described.findings, *self._files.codes.findings])

    def structure(self) -> Answer:
        """1-13: both are there, and every name can be kept."""
        return self._structure()

    def _structure(self) -> Iterator[Finding]:
        for path, fixed, rule in (
            (self._base_info_path, BASE_INFO, BASE_INFO_MISSING),
            (self._process_path, PROCESS, PROCESS_MISSING),
        ):
            if path is None:
                yield rule.found()
            elif path != fixed:
                yield NAME_VARIANT.found(path, name=fixed)
        yield from name_remarks(self._listing)

    def consistency(self) -> Answer:
        """1-14: the package is called what its electronic_record_code says."""
        if not self.external_identifiers or not self._name:
            return NotApplicable(UNREAD.found())
        (code,) = self.external_identifiers
        name = self._name
        if serialisation_of_name(name) == "zip":
            name = name[: -len(".zip")]
        if name == code:
            return iter(())
        escaped = _AVOIDED.sub("", code), _AVOIDED.sub("_", code), _AVOIDED.sub("-", code)
        return iter([(CODE_ESCAPED if name in escaped else CODE_NAME).found()])

    def counts(self) -> Answer:
        """2-1: as many files as total_number says."""
        if self._info is None:
            return NotApplicable(UNREAD.found())
        return self._counts(self._info)

    def _counts(self, info: BaseInfo) -> Iterator[Finding]:
        stated = info.value(TOTAL)
        if re.fullmatch(r"\d{1,9}", stated, re.ASCII) is None:
            yield TOTAL_UNCLEAR.found(self._base_info_path)
        elif int(stated) == info.file_count + len((BASE_INFO, PROCESS)):
            yield COUNT_WITH_DOCUMENTS.found(self._base_info_path)
        elif int(stated) != info.file_count:
            yield COUNT.found(self._base_info_path, stated=stated, actual=info.file_count)

    def contents(self) -> Answer:
        """2-11: every listed file is there, once, in its size."""
        return NotApplicable(UNREAD.found()) if self._info is None else self._files.judge()

    def metadata(self) -> Answer:
        """3-1: both metadata documents can be read."""
        return iter(self._unreadable)

    def surplus(self) -> Answer:
        """4-3: there is no file that the fileset does not list."""
        if self._info is None:
            return NotApplicable(UNREAD.found())
        documents = {self._base_info_path, self._process_path} - {None}
        return self._files.surplus(frozenset(path for path in documents if path is not None))

    def records(self) -> Iterator[Record] | NotApplicable:
        """The case itself is one record, its fields the simple elements of base_info."""
        if self._info is None or self._base_info_path is None:
            return NotApplicable(UNREAD.found())
        path = self._base_info_path
        return iter([Record(path, path, tuple(self._info.fields))])

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """Every <file> of the fileset."""
        return NotApplicable(UNREAD.found()) if self._info is None else self._files.stated_files()


class OpenedZip(OpenedCase):
    """One case that came as a zip, unpacked."""

    def __init__(self, opening: Opening, name: str) -> None:
        self._target = opening.work / "decoded"
        self._target_listing = opening.work / "decoded.sqlite"
        self._remarks = self._unpack(opening, name)
        folder = self._target / self._top if self._top else self._target
        self.decoded = Decoded(folder, self._target_listing)
        with ExitStack() as stack:
            listing = stack.enter_context(closing(Listing.open(self._target_listing)))
            super().__init__(folder, listing, opening.name or name)
            self._closing = stack.pop_all()

    def _unpack(self, opening: Opening, name: str) -> list[Finding]:
        self._target.mkdir(mode=0o700)
        with ExitStack() as stack:
            files = stack.enter_context(Listing.create(self._target_listing))
            tree = stack.enter_context(TargetTree(self._target))
            archive = stack.enter_context(opened_document(opening.folder, opening.listing, name))
            register = EntryRegister(files, opening.limits)
            encoding = opening.names_encoding
            remarks = list(read_zip(archive.fileno(), register, files, opening.limits, encoding))
            contents = zip_contents(archive.fileno(), files, opening.limits)
            write_contents(contents, tree, files, WantedDigests())
            self._top = files.top_folder()
            if self._top is not None:
                files.move_up(self._top)
                remarks.append(TOP_FOLDER.found(self._top))
            return remarks

    def _structure(self) -> Iterator[Finding]:
        yield from self._remarks
        yield from super()._structure()

    def close(self) -> None:
        """Let go of the listing of what was unpacked."""
        self._closing.close()


def _is_document(name: str) -> bool:
    return name.casefold() in {BASE_INFO.casefold(), PROCESS.casefold()}
