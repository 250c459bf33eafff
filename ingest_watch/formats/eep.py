"""EEP packages (电子文件封装包): DA/T 48-2009, embedded and detached, original and modified.

docs/formats/eep.md says which rule leads to which outcome. An embedded EEP is one XML file that is
kept whole and decoded into `content/`; a detached one is a folder or archive with `eep.xml` and the
files beside it. This module reads the document once and answers the questions of package_format.py.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from ingest_watch.algorithms import WantedDigests
from ingest_watch.findings import Finding
from ingest_watch.formats import eep_beside as beside
from ingest_watch.formats import eep_rules as rules
from ingest_watch.formats.eep_content import Content
from ingest_watch.formats.eep_document import Document, Encoding
from ingest_watch.formats.eep_reading import read_document
from ingest_watch.formats.eep_seals import seals_of
from ingest_watch.formats.eep_tree import ROOT
from ingest_watch.formats.eep_values import judge_modes
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import (
    Answer,
    Decoded,
    NotApplicable,
    Opening,
    SaysNothing,
)
from ingest_watch.listing import Listing
from ingest_watch.records import Record, StatedDigest, StatedFile
from ingest_watch.safe_open import FILE_FLAGS, FOLDER_FLAGS, open_beneath
from ingest_watch.seals.judging import judge_seal
from storage.whole_reads import read_range

DETACHED_NAME = "eep.xml"
SUFFIX = ".eep"
_RECOGNISED_WITHIN_BYTES = 65536
_ROOT_FORMS = tuple(ROOT.encode(codec) for codec in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"))
_ZIP = b"PK"


class Eep:
    """The format. Stateless."""

    name = "eep"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """A detached EEP has eep.xml at its top; a folder may also hold one *.eep."""
        return bool(_documents(root_names))

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """An embedded EEP is a *.eep that is no archive, or XML whose root says so."""
        start = read_range(descriptor, _RECOGNISED_WITHIN_BYTES, 0)
        lower = name.lower()
        if lower.endswith(SUFFIX):
            return not start.startswith(_ZIP)
        return lower.endswith(".xml") and any(form in start for form in _ROOT_FORMS)

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """SHA-256 is always taken; which others the document asks for is not known before."""
        return WantedDigests()

    def open(self, opening: Opening) -> "OpenedEep":
        """Read the document, decoding what it embeds."""
        return OpenedEep(opening)


class OpenedEep(SaysNothing):
    """One EEP. Its document is read once, here; signed bytes are read again when asked for."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._listing = opening.listing
        self._documents = _documents(self._listing.names_in(""))
        # A file kept whole is the document, whatever it is called.
        if not self._documents and self._listing.count() == (1, 0):
            self._documents = sorted(self._listing.names_in(""))
        self._document = Document("")
        self.decoded: Decoded | None = None
        if len(self._documents) == 1:
            self._read(self._documents[0])
        else:
            count = len(self._documents)
            self._document.flaw = rules.DOCUMENTS.found(count=count)
        self.external_identifiers = tuple(
            each.value
            for each in self._document.layers[0].fields
            if each.name == "电子文件号" and each.value
        )

    def fixity(self) -> Answer:
        """1-1: the digests of the files that lie beside the document."""
        if self._document.flaw is None and not beside.has_files_beside(self._document):
            return NotApplicable(rules.NO_DIGESTS.found())
        folder = self._opening.folder
        return self._if_read(beside.digest_findings(self._document, self._listing, folder))

    def seals(self) -> Answer:
        """1-1: the electronic signatures of every layer, and the locks on them."""
        layers = self._document.layers
        if self._document.flaw is None and not any(layer.signatures for layer in layers):
            return NotApplicable(rules.UNSIGNED.found())
        trust = self._opening.trust()
        return self._if_read(
            finding
            for seal in seals_of(self._document, self._open_document)
            for finding in judge_seal(seal, trust)
        )

    def descriptions(self) -> Answer:
        """1-12: what the package says that it is."""
        return self._if_read(self._document.descriptions)

    def structure(self) -> Answer:
        """1-13: the tree, its identifiers and references, and every name."""
        return self._if_read(
            chain(self._document.structure, judge_modes(self._document), self._name_remarks())
        )

    def counts(self) -> Answer:
        """2-1: one record in each layer."""
        return self._if_read(
            rules.ENTITY_COUNT.found(self._document.path, count=layer.entities)
            for layer in self._document.layers
            if layer.entities != 1
        )

    def contents(self) -> Answer:
        """2-11: every file that the document describes is in it or beside it."""
        return self._if_read(chain(self._document.contents, beside.missing_files(self._document)))

    def metadata(self) -> Answer:
        """3-1: the document can be read to its end."""
        return self._if_read(())

    def surplus(self) -> Answer:
        """4-3: files that the document does not describe."""
        return self._if_read(beside.surplus_files(self._document, self._listing))

    def records(self) -> Iterator[Record] | NotApplicable:
        """The one record of an EEP, as its newest layer describes it."""
        if self._document.flaw is not None:
            return NotApplicable(rules.UNREAD.found())
        fields = tuple(self._document.layers[0].fields)
        return iter([Record(self._document.path, self._document.path, fields)])

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """Every computer file of every layer."""
        if self._document.flaw is not None:
            return NotApplicable(rules.UNREAD.found())
        return (_stated(each) for each in self._document.encodings if not each.is_malformed)

    def _read(self, path: str) -> None:
        size_bytes = self._listing.content_bytes()
        content = Content(self._opening.work, size_bytes, self._opening.limits)
        try:
            with self._open(path) as stream:
                self._document = read_document(stream, path, content)
            self.decoded = content.finish()
        finally:
            content.close()
        beside.resolve_names(self._document, self._listing)

    def _open_document(self) -> BinaryIO:
        return self._open(self._document.path)

    def _open(self, path: str) -> BinaryIO:
        row = self._listing.query("SELECT raw FROM file WHERE path = ?", path).fetchone()
        raw = path.encode() if row[0] is None else row[0]
        folder = os.open(self._opening.folder, FOLDER_FLAGS)
        try:
            return open(open_beneath(folder, raw, FILE_FLAGS), "rb")
        finally:
            os.close(folder)

    def _name_remarks(self) -> Iterator[Finding]:
        yield from name_remarks(self._listing)
        if self.decoded is not None:
            with Listing.open(self.decoded.listing) as files:
                yield from name_remarks(files)

    def _if_read(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings, or why nothing can be said: a document that breaks off proves nothing."""
        if self._document.flaw is not None:
            return iter([self._document.flaw])
        return iter(findings)


def _documents(names: frozenset[str]) -> list[str]:
    """The EEP documents among the files at the top; eep.xml goes before all others."""
    detached = sorted(name for name in names if name.lower() == DETACHED_NAME)
    return detached or sorted(
        name for name in names if name.lower().endswith(SUFFIX) and "/" not in name
    )


def _stated(encoding: Encoding) -> StatedFile:
    digest = None
    if encoding.digest is not None and encoding.keyword is not None:
        digest = StatedDigest(encoding.keyword.digest, encoding.digest.hex())
    return StatedFile(
        place=encoding.place,
        path=encoding.path,
        stated_path=encoding.name,
        size=encoding.size,
        format=encoding.format,
        digest=digest,
    )
