"""Batches of government-service cases: a 移交目录 in XML, and one zip for each 办件.

As an implementation of 《福州市政务服务事项电子文件归档技术规范》 exchanges them; the table is
docs/formats/case-batch.md. Holds the listing against the zips and opens none: each is judged as a
case (case.py) and becomes an object of its own.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ingest_watch.algorithms import KNOWN, WEAK, WantedDigests, wanted
from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.case_batch_digests import claim_of, matching
from ingest_watch.formats.case_batch_listing import BATCH_NAME, BYTES, BatchListing, Heading
from ingest_watch.formats.case_batch_rules import (
    BYTES_DIFFER,
    BYTES_NONE,
    BYTES_UNCLEAR,
    COUNT,
    DIGEST_MATCHED,
    DIGEST_MISMATCH,
    DIGEST_MISSING,
    DIGEST_UNCLEAR,
    DIGEST_WEAK,
    EMPTY,
    LISTING_TWICE,
    SURPLUS,
    UNREAD,
    ZIP_SURPLUS,
)
from ingest_watch.formats.case_batch_zips import BatchZips, Directory
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import (
    Answer,
    NotApplicable,
    Opening,
    Part,
    SaysNothing,
)
from ingest_watch.formats.staged_documents import opened_document
from ingest_watch.listing import Listing
from ingest_watch.names import peculiarities
from ingest_watch.records import Record, StatedDigest, StatedFile
from ingest_watch.xml_reading import XmlFlaw

_LISTING = re.compile(r"[^/]*(?:移交目录|交接单)[^/]*\.xml", re.IGNORECASE)
# XML at the top by which a package is another one, though zips lie beside it.
_OTHERS = re.compile(r"eep\.xml|mets\.xml|(?:文件|案卷)目录\.xml|.*元数据\.xml", re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
# Taken of every zip when it arrives: what 64 hexadecimal digits may be.
_TAKEN = tuple(name for name in ("sm3", "sha256") if name in KNOWN)


class CaseBatch:
    """The format. Stateless."""

    name = "case-batch"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """A batch has its 移交目录 at its top, and most have zips beside it."""
        return bool(_listings(root_names))

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """A batch that was packed into one archive is unpacked; its own zips stay closed."""
        return False

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """SM3 of every zip, because the listing does not name its algorithm."""
        return wanted(("", ("sm3",)))

    def open(self, opening: Opening) -> "OpenedBatch":
        """Read the listing, and find the zip of every directory."""
        return OpenedBatch(opening.folder, opening.listing)


class OpenedBatch(SaysNothing):
    """One batch."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._folder = folder
        self._listing = listing
        self._described = KeptFindings()  # 1-12
        self._unreadable: list[Finding] = []  # 3-1
        self._names = _listings(listing.names_in(""))
        self._zips = BatchZips(listing)
        self._heading = self._read()
        name = "" if self._heading is None else self._heading.fields.get(BATCH_NAME, "")
        self.external_identifiers = (name,) if name else ()

    def _read(self) -> Heading | None:
        if len(self._names) > 1:
            self._described.add(LISTING_TWICE.found(self._names[0], count=len(self._names)))
        path = self._names[0]
        reading = BatchListing(path, self._described.add)
        with opened_document(self._folder, self._listing, path) as stream:
            try:
                for record in reading.directories(stream):
                    self._zips.add(record)
            except XmlFlaw as flaw:
                self._unreadable.append(flaw.finding)
                return None
        self._zips.index()
        for finding in self._zips.numbers_twice(path):
            self._described.add(finding)
        if reading.heading.directory_count == 0:
            self._described.add(EMPTY.found(path))
        return reading.heading

    def fixity(self) -> Answer:
        """1-1: every zip is what its digitalSummary says."""
        return NotApplicable(UNREAD.found()) if self._heading is None else self._fixity()

    def _fixity(self) -> Iterator[Finding]:
        matched: Counter[str] = Counter()
        whole = 0
        for directory in self._zips.directories():
            whole += 1
            claim = claim_of(directory.digest)
            if not directory.digest:
                yield DIGEST_MISSING.found(self._names[0], place=directory.place)
            elif claim is None:
                yield DIGEST_UNCLEAR.found(self._names[0], place=directory.place)
            elif directory.zip is not None:
                known = self._taken(directory.zip)
                opened = partial(opened_document, self._folder, self._listing, directory.zip)
                algorithm = matching(claim, known, opened)
                if algorithm is None:
                    tried = ", ".join(claim.algorithms)
                    yield DIGEST_MISMATCH.found(directory.zip, tried=tried)
                else:
                    matched[algorithm] += 1
        for algorithm, count in sorted(matched.items()):
            yield DIGEST_MATCHED.found(algorithm=algorithm, count=count, whole=whole)
            if algorithm in WEAK:
                yield DIGEST_WEAK.found(algorithm=algorithm)

    def _taken(self, path: str) -> dict[str, str]:
        row = self._listing.query(
            f"SELECT {', '.join(_TAKEN)} FROM file WHERE path = ?",  # noqa: S608 - constant names
            path,
        ).fetchone()
        return {name: value for name, value in zip(_TAKEN, row, strict=True) if value is not None}

    def descriptions(self) -> Answer:
        """1-12: the listing is as it must be."""
        return iter(self._described.findings)

    def structure(self) -> Answer:
        """1-13: every name can be kept."""
        return name_remarks(self._listing)

    def counts(self) -> Answer:
        """2-1: as many directories as zips; otherwise the whole batch is rejected."""
        if self._heading is None:
            return NotApplicable(UNREAD.found())
        stated, actual = self._heading.directory_count, self._zips.count()
        if stated == actual:
            return iter(())
        return iter([COUNT.found(self._names[0], stated=stated, actual=actual)])

    def totals(self) -> Answer:
        """2-2: 归档信息包字节数, of each zip and of all, where it is stated."""
        if self._heading is None:
            return NotApplicable(UNREAD.found())
        stated = self._heading.fields.get(BYTES, "")
        if not stated and not self._zips.state_bytes():
            return NotApplicable(BYTES_NONE.found())
        return self._totals(stated)

    def _totals(self, stated: str) -> Iterator[Finding]:
        path = self._names[0]
        if stated:
            yield from _bytes_differ((path, path), stated, self._zips.size_bytes())
        for directory in self._zips.directories():
            if directory.stated_bytes and directory.zip is not None:
                where = (directory.zip, directory.place)
                yield from _bytes_differ(where, directory.stated_bytes, directory.size_bytes)

    def contents(self) -> Answer:
        """2-11: every directory has its zip."""
        return NotApplicable(UNREAD.found()) if self._heading is None else self._zips.judge()

    def metadata(self) -> Answer:
        """3-1: the listing can be read."""
        return iter(self._unreadable)

    def surplus(self) -> Answer:
        """4-3: there is nothing but the listing and the zips in it."""
        return NotApplicable(UNREAD.found()) if self._heading is None else self._surplus()

    def _surplus(self) -> Iterator[Finding]:
        for path in self._zips.surplus():
            yield ZIP_SURPLUS.found(path)
        for path in self._zips.others():
            if path not in self._names:
                is_systems = "system-file" in peculiarities(path)
                severity = Severity.WARNING if is_systems else Severity.ERROR
                yield SURPLUS.found(path, severity=severity)

    def records(self) -> Iterator[Record] | NotApplicable:
        """Every directory, read again."""
        return NotApplicable(UNREAD.found()) if self._heading is None else self._records()

    def _records(self) -> Iterator[Record]:
        path = self._names[0]
        with opened_document(self._folder, self._listing, path) as stream:
            yield from BatchListing(path, lambda _: None).directories(stream)

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """The zip of every directory."""
        return NotApplicable(UNREAD.found()) if self._heading is None else self._stated_files()

    def _stated_files(self) -> Iterator[StatedFile]:
        for directory in self._zips.directories():
            yield StatedFile(
                directory.place,
                directory.zip,
                f"{directory.number}.zip",
                directory.stated_bytes or None,
                digest=self._stated_digest(directory),
            )

    def _stated_digest(self, directory: Directory) -> StatedDigest | None:
        claim = claim_of(directory.digest)
        if claim is None:
            return None
        known = {} if directory.zip is None else self._taken(directory.zip)
        return StatedDigest(
            next((name for name, value in known.items() if value == claim.value), None),
            claim.value,
        )

    def parts(self) -> Iterator[Part]:
        """Every zip with the number that the listing gives it, in the listing's order."""
        for directory in self._zips.directories():
            if directory.zip is None:
                continue
            raw, size_bytes, sha256 = self._listing.query(
                "SELECT raw, size_bytes, sha256 FROM file WHERE path = ?", directory.zip
            ).fetchone()
            yield Part(directory.zip, raw, directory.number, size_bytes, sha256)


def _bytes_differ(where: tuple[str, str], stated: str, actual: int) -> Iterator[Finding]:
    path, place = where
    if _WHOLE.fullmatch(stated) is None:
        yield BYTES_UNCLEAR.found(path, place=place)
    elif int(stated) != actual:
        yield BYTES_DIFFER.found(path, stated=stated, actual=actual)


def _listings(root_names: frozenset[str]) -> list[str]:
    """The 移交目录 among the files at the top: by its name, or as the only XML beside zips.

    What the platform calls it is announced (xmlPath) and prescribed nowhere.
    """
    named = sorted(name for name in root_names if _LISTING.fullmatch(name))
    if named:
        return named
    documents = [name for name in root_names if name.lower().endswith(".xml")]
    has_zips = any(name.lower().endswith(".zip") for name in root_names)
    if len(documents) != 1 or not has_zips or _OTHERS.fullmatch(documents[0]):
        return []
    return documents
