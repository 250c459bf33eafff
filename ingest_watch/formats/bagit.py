"""BagIt packages: RFC 8493 (1.0) and the drafts 0.93 to 0.97, judged completely.

docs/formats/bagit.md says which rule leads to which outcome. This module reads what describes
the bag, in order, and hands each question of package_format.py to the module that answers it.
Nothing is fetched, and the payload is never interpreted.
"""

from collections.abc import Iterator
from pathlib import Path

from ingest_watch.algorithms import WantedDigests, wanted
from ingest_watch.findings import Finding
from ingest_watch.formats import bagit_completeness as completeness
from ingest_watch.formats import bagit_declaration
from ingest_watch.formats.bagit_declaration import Declaration, read_declaration, undeclared
from ingest_watch.formats.bagit_fetch import NAME as FETCH
from ingest_watch.formats.bagit_fetch import FetchFile
from ingest_watch.formats.bagit_info import BagInfo, judge_oxum, read_bag_info
from ingest_watch.formats.bagit_manifests import (
    PAYLOAD,
    Manifest,
    ManifestReader,
    manifests_among,
)
from ingest_watch.formats.bagit_rules import (
    DECLARATION_MISSING,
    MANIFEST_MISSING,
    OXUM_NONE,
    PAYLOAD_FOLDER_MISSING,
    TAG_MANIFEST_NONE,
)
from ingest_watch.formats.bagit_text import TagFiles, TagFileUnreadable
from ingest_watch.formats.name_remarks import name_remarks
from ingest_watch.formats.package_format import Answer, NotApplicable, Opening, SaysNothing
from ingest_watch.listing import Listing
from ingest_watch.records import Field, Record

DECLARATION = bagit_declaration.NAME
BAG_INFO = "bag-info.txt"


class BagIt:
    """The format. Stateless."""

    name = "bagit"

    def recognises(self, root_names: frozenset[str]) -> bool:
        """A bag is what has a bagit.txt at its top."""
        return DECLARATION in root_names

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """Payload files need the payload manifests' algorithms, all others the tag manifests'."""
        manifests = manifests_among(root_names)
        return wanted(
            (PAYLOAD, (each.algorithm for each in manifests if not each.is_tag_manifest)),
            ("", (each.algorithm for each in manifests if each.is_tag_manifest)),
        )

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """A serialised bag is unpacked (RFC 8493 section 4), never kept as one file."""
        return False

    def open(self, opening: Opening) -> "OpenedBag":
        """Read declaration, manifests, metadata and fetch file."""
        return OpenedBag(opening.folder, opening.listing)


class OpenedBag(SaysNothing):
    """One bag. Everything it says of itself is read once, here."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._listing = listing
        self._names = listing.names_in("")
        self._declaration = self._read_declaration(TagFiles(folder, "utf-8"))
        self._strict = self._declaration.is_strict
        tag_files = TagFiles(folder, self._declaration.codec)
        manifests = manifests_among(self._names)
        self._payload = [each for each in manifests if not each.is_tag_manifest]
        self._tags = [each for each in manifests if each.is_tag_manifest]
        self._lines = ManifestReader(listing, tag_files, self._declaration)
        self._lines.read(manifests)
        self._unreadable: list[Finding] = []
        self._info = self._read_info(tag_files)
        self._fetch = FetchFile(listing, self._declaration)
        self._read_fetch(tag_files)
        self.external_identifiers = tuple(self._info.values_of("External-Identifier"))

    def fixity(self) -> Answer:
        """1-1: every digest of every payload manifest."""
        return self._fixity()

    def _fixity(self) -> Iterator[Finding]:
        if not self._payload:
            yield MANIFEST_MISSING.found()
        yield from self._unreadable_among(self._payload)
        yield from completeness.mismatches(self._listing, self._payload)
        yield from completeness.algorithm_strength(self._listing, self._payload)

    def structure(self) -> Answer:
        """1-13: declaration, data/, manifests, and every name."""
        return self._structure()

    def _structure(self) -> Iterator[Finding]:
        yield from self._declaration.findings
        if not self._listing.has_folder(PAYLOAD.removesuffix("/")):
            yield PAYLOAD_FOLDER_MISSING.found()
        if not self._payload:
            yield MANIFEST_MISSING.found()
        yield from self._lines.structure
        yield from name_remarks(self._listing)

    def consistency(self) -> Answer:
        """1-14: every digest of every tag manifest."""
        if not self._tags:
            return NotApplicable(TAG_MANIFEST_NONE.found())
        return self._consistency()

    def _consistency(self) -> Iterator[Finding]:
        yield from self._unreadable_among(self._tags)
        for manifest in self._tags:
            yield from completeness.missing(self._listing, manifest)
        yield from completeness.mismatches(self._listing, self._tags)
        yield from completeness.tag_manifest_gaps(
            self._listing, [*self._payload, *self._tags], is_strict=self._strict
        )
        yield from completeness.unlisted_tag_files(self._listing)

    def totals(self) -> Answer:
        """2-2: Payload-Oxum."""
        actual = self._listing.totals_below(PAYLOAD)
        findings = judge_oxum(self._info, actual, is_strict=self._strict)
        return NotApplicable(OXUM_NONE.found()) if findings is None else iter(findings)

    def contents(self) -> Answer:
        """2-11: what is listed is there, in every manifest that must list it, and once."""
        return self._contents()

    def _contents(self) -> Iterator[Finding]:
        for manifest in self._payload:
            yield from completeness.missing(self._listing, manifest, self._fetch)
        yield from completeness.differing_manifests(
            self._listing, self._payload, is_strict=self._strict
        )
        yield from completeness.listed_twice(self._listing, is_strict=self._strict)
        yield from self._fetch.judge(self._payload)

    def metadata(self) -> Answer:
        """3-1: bag-info.txt and the other tag files can be read."""
        return iter([*self._unreadable, *self._info.findings])

    def records(self) -> Iterator[Record] | NotApplicable:
        """The elements of bag-info.txt, where there are any, as one record."""
        if not self._info.elements:
            return super().records()
        fields = tuple(Field(label, value) for label, value in self._info.elements)
        return iter((Record(BAG_INFO, BAG_INFO, fields),))

    def surplus(self) -> Answer:
        """4-3: payload that no manifest lists."""
        return completeness.unlisted_payload(self._listing)

    def _unreadable_among(self, manifests: list[Manifest]) -> Iterator[Finding]:
        for manifest in manifests:
            if manifest.name in self._lines.unreadable:
                yield self._lines.unreadable[manifest.name]

    def _read_declaration(self, tag_files: TagFiles) -> Declaration:
        if DECLARATION not in self._names:
            return undeclared(DECLARATION_MISSING.found())
        return read_declaration(tag_files.start(DECLARATION, bagit_declaration.BYTES_MAX))

    def _read_info(self, tag_files: TagFiles) -> BagInfo:
        for name in self._declaration.metadata_names:
            if name in self._names:
                try:
                    return read_bag_info(name, tag_files.lines(name), is_strict=self._strict)
                except TagFileUnreadable as flaw:
                    self._unreadable.append(flaw.finding)
        return BagInfo()

    def _read_fetch(self, tag_files: TagFiles) -> None:
        if FETCH in self._names:
            try:
                self._fetch.read(tag_files.lines(FETCH))
            except TagFileUnreadable as flaw:
                self._unreadable.append(flaw.finding)
