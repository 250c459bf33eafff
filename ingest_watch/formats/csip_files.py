"""What METS says of files, held against the files: there, of that size, with that digest.

E-ARK CSIP 2.2.0 (CSIP24 to CSIP30, CSIP58, CSIP69 to CSIP79). References are paths relative to the
METS document; one that leaves the package or names another machine is refused, and never followed.
Rows go into the listing's own temporary table, so that a million of them need no memory.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ingest_watch.algorithms import KNOWN, WEAK, new_hasher, normalised
from ingest_watch.digest_pass import CHUNK_BYTES
from ingest_watch.findings import Finding
from ingest_watch.formats import csip_rules as rules
from ingest_watch.formats.mets_reading import HREF, Attributes
from ingest_watch.listing import Listing
from ingest_watch.records import StatedDigest, StatedFile

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS mets_reference (
    document TEXT NOT NULL,   -- the METS document
    line INTEGER NOT NULL,
    stated TEXT NOT NULL,     -- the reference as it stands there
    path TEXT,                -- what it means in the package; NULL when it means nothing here
    size TEXT, algorithm TEXT, checksum TEXT, mime_type TEXT
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS temp.mets_path ON mets_reference (path)"
_BESIDE = ("schemas/", "documentation/", "metadata/")


class References:
    """Every reference of a package's METS documents."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._folder = folder
        self._listing = listing
        self.refused: list[Finding] = []  # those that lead out of the package
        listing.query(_TABLE)

    def add(self, document: str, attributes: Attributes, location: Attributes, line: int) -> None:
        """Note one: `attributes` describe the file, `location` says where it is."""
        stated = location.get(HREF, "").strip()
        if not stated:
            return
        path = self._resolved(document, stated, line)
        self._listing.query(
            "INSERT INTO mets_reference VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            document, line, stated, path, attributes.get("SIZE"), attributes.get("CHECKSUMTYPE"),
            attributes.get("CHECKSUM"), attributes.get("MIMETYPE"),
        )  # fmt: skip

    def _resolved(self, document: str, stated: str, line: int) -> str | None:
        local = re.sub(r"^file:(//)?(?!/)", "", stated)
        if _SCHEME.match(local) or local.startswith("//"):
            self.refused.append(rules.REMOTE.found(document, line=line))
            return None
        beside = posixpath.dirname(document)
        for name in (local, unquote(local)):  # a `%` may stand for itself
            path = posixpath.normpath(posixpath.join(beside, name))
            if path.startswith(("../", "/")) or path == "..":
                self.refused.append(rules.OUTSIDE.found(document, line=line))
                return None
            if self._exists(path):
                return path
        return path

    def _exists(self, path: str) -> bool:
        found = self._listing.query("SELECT 1 FROM file WHERE path = ?", path).fetchone()
        return found is not None

    def missing(self) -> Iterator[Finding]:
        """Files that METS names and that are not there, and references that are refused."""
        yield from self.refused
        rows = self._listing.query(
            "SELECT mets_reference.path, min(line) FROM mets_reference"
            " LEFT JOIN file USING (path) WHERE file.path IS NULL"
            " AND mets_reference.path IS NOT NULL GROUP BY mets_reference.path"
        )
        for path, line in rows:
            yield rules.MISSING.found(path, line=line)

    def mismatches(self) -> Iterator[Finding]:
        """Digests that do not hold, and those that prove little."""
        rows = self._listing.query(
            "SELECT DISTINCT path, algorithm, checksum, sha256"
            " FROM mets_reference JOIN file USING (path)"
        )
        weak: set[str] = set()
        for path, algorithm, checksum, sha256 in rows:
            if checksum is None or algorithm is None:
                continue  # its own requirement says so
            name = normalised(algorithm)
            if name not in KNOWN:
                yield rules.ALGORITHM.found(path, algorithm=algorithm[:40])
                continue
            if name in WEAK:
                weak.add(algorithm)
            actual = sha256 if name == "sha256" else self._digest(path, name)
            if checksum.strip().lower() != actual:
                yield rules.CHECKSUM.found(path, algorithm=algorithm)
        for algorithm in sorted(weak):
            yield rules.WEAK.found(algorithm=algorithm)

    def _digest(self, path: str, algorithm: str) -> str:
        hasher = new_hasher(algorithm)
        with (self._folder / path).open("rb") as stream:
            while piece := stream.read(CHUNK_BYTES):
                hasher.update(memoryview(piece))
        return hasher.hexdigest()

    def unreferenced(self, documents: list[str]) -> Iterator[Finding]:
        """Files that no METS document speaks of; METS documents themselves are known."""
        self._listing.query(_INDEX)
        rows = self._listing.query(
            "SELECT path FROM file WHERE NOT EXISTS"
            " (SELECT 1 FROM mets_reference WHERE mets_reference.path = file.path) ORDER BY path"
        )
        for (path,) in rows:
            if path in documents:
                continue
            inside = path.split("/", 2)[2] if path.startswith("representations/") else path
            is_beside = inside.startswith(_BESIDE) or inside.rpartition("/")[2] == ".gitkeep"
            rule = rules.UNREFERENCED_BESIDE if is_beside else rules.UNREFERENCED
            yield rule.found(path)

    def stated_files(self) -> Iterator[StatedFile]:
        """What METS says of content files."""
        rows = self._listing.query(
            "SELECT document, line, stated, path, size, algorithm, checksum, mime_type"
            " FROM mets_reference ORDER BY document, line"
        )
        for document, line, stated, path, size, algorithm, checksum, mime_type in rows:
            resolved = path if path is not None and self._exists(path) else None
            digest = None
            if checksum is not None:
                name = None if algorithm is None else normalised(algorithm)
                digest = StatedDigest(name, checksum.strip().lower())
            place = f"{document}, line {line}"
            yield StatedFile(place, resolved, stated, size, mime_type, digest)
