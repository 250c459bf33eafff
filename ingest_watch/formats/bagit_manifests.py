"""Read every manifest of a bag into tables, and find the file that each line means.

RFC 8493 sections 2.1.3, 2.2.1, 2.4 and 6.1.1; attack catalogue A43-A46. The tables stand beside the
listing on disk, so a million lines need no memory. Reading reports flawed lines and paths; what
the tables prove together is bagit_completeness.py's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ingest_watch.algorithms import KNOWN, digest_hexadecimal_digits, normalised
from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.bagit_declaration import Declaration
from ingest_watch.formats.bagit_paths import (
    ManifestLine,
    is_encoded_for_1_0,
    leaves_bag,
    manifest_line,
    readings,
    without_dots,
)
from ingest_watch.formats.bagit_rules import (
    MANIFEST_BLANK_LINE,
    MANIFEST_LINE,
    MANIFEST_NAME,
    PATH_DOT_SLASH,
    PATH_IN_TAG_ENCODING,
    PATH_MD5SUM,
    PATH_NORMALISED,
    PATH_NOT_ENCODED,
    PATH_OUTSIDE,
    PATH_TRAVERSAL,
    PATH_TRIMMED,
    TAG_MANIFEST_LISTS_PAYLOAD,
)
from ingest_watch.formats.bagit_text import TagFiles, TagFileUnreadable
from ingest_watch.listing import Listing
from ingest_watch.names import composed, folded, text_of_path

PAYLOAD = "data/"

_MANIFEST = re.compile(r"(tag)?manifest-(.+)\.txt", re.DOTALL)
# A flaw that every line of a manifest shares is told for so many of them.
_TOLD_MAX = 1000

_TABLE = """
CREATE TEMP TABLE listed (
    manifest TEXT NOT NULL,      -- the manifest's file name
    written TEXT NOT NULL,       -- the path in the manifest, './' removed
    digest TEXT NOT NULL,
    file TEXT                    -- the file it means; NULL when there is none
)
"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest file, by its name."""

    name: str
    algorithm: str  # normalised
    is_tag_manifest: bool
    is_named_rightly: bool

    @property
    def is_known(self) -> bool:
        """Whether its digests can be computed here."""
        return self.algorithm in KNOWN


def manifests_among(names: Iterable[str]) -> list[Manifest]:
    """Return the manifests among the names in a bag's top folder, by name."""
    found = []
    for name in sorted(names):
        match = _MANIFEST.fullmatch(name)
        if match is not None:
            algorithm = normalised(match[2])
            found.append(Manifest(name, algorithm, bool(match[1]), match[2] == algorithm))
    return found


class ManifestReader:
    """Fills the table `listed` from one bag, and keeps what was wrong on the way."""

    def __init__(self, listing: Listing, tag_files: TagFiles, declaration: Declaration) -> None:
        self._listing = listing
        self._tag_files = tag_files
        self._strict = declaration.is_strict
        self._codec = declaration.codec
        self._told: dict[str, int] = {}
        self.structure: list[Finding] = []
        self.unreadable: dict[str, Finding] = {}  # by manifest name

    def read(self, manifests: Iterable[Manifest]) -> None:
        """Read all lines of all manifests, then find their files."""
        self._listing.query(_TABLE)
        for manifest in manifests:
            self._judge_name(manifest)
            try:
                self._read_one(manifest)
            except TagFileUnreadable as flaw:
                self.unreadable[manifest.name] = flaw.finding
        self._listing.query(
            "UPDATE listed SET file = written"
            " WHERE EXISTS (SELECT 1 FROM file WHERE path = written)"
            " AND (instr(written, '%') = 0 OR NOT ?)",
            self._strict,
        )
        self._resolve_others()
        self._listing.query("CREATE INDEX temp.listed_file ON listed (file, manifest)")

    def _judge_name(self, manifest: Manifest) -> None:
        if not manifest.is_named_rightly:
            severity = Severity.ERROR if self._strict else Severity.WARNING
            self.structure.append(
                MANIFEST_NAME.found(manifest.name, severity=severity, algorithm=manifest.algorithm)
            )

    def _read_one(self, manifest: Manifest) -> None:
        digits = digest_hexadecimal_digits(manifest.algorithm) if manifest.is_known else None
        for number, text in self._tag_files.lines(manifest.name):
            if not text.strip(" \t"):
                self._tell(MANIFEST_BLANK_LINE.found(manifest.name, line=number))
                continue
            line = manifest_line(text)
            if line is None:
                detail = "no digest, or no path"
                self._tell(MANIFEST_LINE.found(manifest.name, line=number, detail=detail))
            elif digits is not None and len(line.digest) != digits:
                detail = f"{manifest.algorithm} has {digits} hexadecimal digits"
                self._tell(MANIFEST_LINE.found(manifest.name, line=number, detail=detail))
            else:
                self._keep(manifest, line)

    def _keep(self, manifest: Manifest, line: ManifestLine) -> None:
        if line.from_md5sum:
            self._tell(PATH_MD5SUM.found(line.path, manifest=manifest.name))
        path = without_dots(line.path)
        if path != line.path:
            self._tell(PATH_DOT_SLASH.found(line.path, manifest=manifest.name))
        flaw = self._path_flaw(manifest, path)
        if flaw is not None:
            self._tell(flaw)
            return
        self._listing.query(
            "INSERT INTO listed (manifest, written, digest) VALUES (?, ?, ?)",
            manifest.name, path, line.digest,
        )  # fmt: skip

    def _path_flaw(self, manifest: Manifest, path: str) -> Finding | None:
        in_payload = path.startswith(PAYLOAD)
        if leaves_bag(path) and not (manifest.is_tag_manifest and self._is_file(path)):
            return PATH_TRAVERSAL.found(path, manifest=manifest.name)
        if manifest.is_tag_manifest:
            return (
                TAG_MANIFEST_LISTS_PAYLOAD.found(path, manifest=manifest.name)
                if in_payload
                else None
            )
        return None if in_payload else PATH_OUTSIDE.found(path, manifest=manifest.name)

    def _resolve_others(self) -> None:
        """In batches, because a stranger's manifest may hold nothing but such lines."""
        last_id = 0
        while rows := self._listing.query(
            "SELECT rowid, manifest, written FROM listed WHERE file IS NULL AND rowid > ?"
            " ORDER BY rowid LIMIT 1000",
            last_id,
        ).fetchall():
            for row_id, manifest, written in rows:
                last_id = row_id
                file = self._file_meant(manifest, written)
                if file is not None:
                    self._listing.query("UPDATE listed SET file = ? WHERE rowid = ?", file, row_id)

    def _file_meant(self, manifest: str, written: str) -> str | None:
        names = list(readings(written, is_strict=self._strict))
        for name in names:
            if self._is_file(name):
                if self._strict and (name != names[0] or not is_encoded_for_1_0(written)):
                    self._tell(PATH_NOT_ENCODED.found(written, manifest=manifest))
                return name
        name = names[0]
        encoded = self._in_tag_encoding(name)
        if encoded is not None and self._is_file(encoded):
            self._tell(PATH_IN_TAG_ENCODING.found(encoded))
            return encoded
        twin = self._same_when_composed(name)
        if twin is not None:
            self._tell(PATH_NORMALISED.found(written, manifest=manifest, file=twin))
            return twin
        trimmed = name.rstrip(" \t")
        if trimmed != name and self._is_file(trimmed):
            self._tell(PATH_TRIMMED.found(written, manifest=manifest))
            return trimmed
        return None

    def _is_file(self, path: str) -> bool:
        return self._listing.query("SELECT 1 FROM file WHERE path = ?", path).fetchone() is not None

    def _in_tag_encoding(self, name: str) -> str | None:
        """A sender whose names and tag files share an encoding that is not UTF-8."""
        if self._codec == "utf-8" or self._codec.startswith("utf-16") or name.isascii():
            return None
        try:
            return text_of_path(name.encode(self._codec))
        except UnicodeEncodeError:
            return None

    def _same_when_composed(self, name: str) -> str | None:
        rows = self._listing.query("SELECT path FROM file WHERE folded = ?", folded(name))
        return next((path for (path,) in rows if composed(path) == composed(name)), None)

    def _tell(self, finding: Finding) -> None:
        count = self._told.get(finding.code, 0) + 1
        self._told[finding.code] = count
        if count <= _TOLD_MAX:
            self.structure.append(finding)


def similar_file(listing: Listing, path: str) -> str | None:
    """Return a file that differs from `path` only in case, for a helpful message."""
    row = listing.query("SELECT path FROM file WHERE folded = ?", folded(path)).fetchone()
    return None if row is None else str(row[0])
