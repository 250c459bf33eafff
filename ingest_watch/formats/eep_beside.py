"""The files that lie beside a detached EEP, held against what its document says of them.

DA/T 48-2009 as senders use it: `eep.xml` in a folder or zip, 编码数据 the digest of each file
(`sha256-base64Binary`). SHA-256 was taken on arrival; any other digest is taken here.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ingest_watch.algorithms import KNOWN, WEAK
from ingest_watch.findings import Finding
from ingest_watch.formats import eep_rules as rules
from ingest_watch.formats.eep_content import content_name
from ingest_watch.formats.eep_document import Document, Encoding
from ingest_watch.listing import Listing
from ingest_watch.names import composed
from ingest_watch.safe_open import FILE_FLAGS, FOLDER_FLAGS, open_beneath

_PIECE_BYTES = 1024 * 1024
# Each search reads the whole listing. Where so many names fail, there is one cause.
_SEARCHES_MAX = 100


def resolve_names(document: Document, listing: Listing) -> None:
    """Give every file beside the document its path, if it is there.

    Raises PackageRejected for a name that leads out of the package.
    """
    searches = 0
    for encoding in document.encodings:
        if not encoding.name or _is_embedded(encoding):
            continue
        path = content_name(encoding.name).path
        if listing.query("SELECT 1 FROM file WHERE path = ?", path).fetchone() is not None:
            encoding.path = path
        elif searches < _SEARCHES_MAX:
            searches += 1
            encoding.path = _same_name(listing, path)
            if encoding.path is not None:
                found = rules.NAME_MATCHED.found(path, file=encoding.path)
                document.tell(document.contents, [found])


def missing_files(document: Document) -> Iterator[Finding]:
    """Yield every file that the document describes and that is not there (2-11)."""
    for encoding in _beside(document):
        if encoding.name and encoding.path is None:
            yield rules.FILE_MISSING.found(encoding.name)


def surplus_files(document: Document, listing: Listing) -> Iterator[Finding]:
    """Yield every file besides the document that it does not describe (4-3)."""
    described = {document.path} | {
        each.path for each in document.encodings if not _is_embedded(each)
    }
    for (path,) in listing.query("SELECT path FROM file ORDER BY path"):
        if path not in described:
            yield rules.FILE_SURPLUS.found(path)


def digest_findings(document: Document, listing: Listing, folder: Path) -> Iterator[Finding]:
    """Yield every digest that does not hold (1-1)."""
    algorithms = set()
    for encoding in _beside(document):
        algorithm = _algorithm(encoding)
        algorithms.add(algorithm)
        size_bytes = hashlib.new(KNOWN[algorithm], usedforsecurity=False).digest_size
        expected = encoding.digest
        if encoding.is_malformed and not encoding.has_data:
            continue  # there is none, which is said of the content
        if expected is None or len(expected) != size_bytes:
            yield rules.DIGEST_MALFORMED.found(
                document.path, place=encoding.place, algorithm=algorithm.upper()
            )
        elif encoding.path is not None:
            actual = _digest(listing, folder, encoding.path, algorithm)
            if actual != expected.hex():
                yield rules.DIGEST_DIFFERS.found(
                    encoding.path,
                    algorithm=algorithm.upper(),
                    actual=actual,
                    expected=expected.hex(),
                )
    if algorithms and algorithms <= WEAK:
        yield rules.DIGEST_WEAK.found(algorithm=", ".join(sorted(algorithms)).upper())


def has_files_beside(document: Document) -> bool:
    """Tell whether any file of the document lies beside it."""
    return next(_beside(document), None) is not None


def _same_name(listing: Listing, path: str) -> str | None:
    """The only file whose name is this one in another form, if there is one."""
    rows = listing.query(
        "SELECT path, raw FROM file WHERE folded = folded(?1) OR raw = ?2",
        path,
        path.encode("gb18030"),
    )
    others = [other for other, raw in rows if raw is not None or composed(other) == composed(path)]
    return others[0] if len(others) == 1 else None


def _beside(document: Document) -> Iterator[Encoding]:
    return (each for each in document.encodings if each.keyword is not None and each.keyword.digest)


def _is_embedded(encoding: Encoding) -> bool:
    return encoding.keyword is not None and encoding.keyword.digest is None


def _algorithm(encoding: Encoding) -> str:
    assert encoding.keyword is not None, "asked of files beside the document only"
    assert encoding.keyword.digest is not None, "asked of files beside the document only"
    return encoding.keyword.digest


def _digest(listing: Listing, folder: Path, path: str, algorithm: str) -> str:
    if algorithm == "sha256":
        row = listing.query("SELECT sha256 FROM file WHERE path = ?", path).fetchone()
        return str(row[0])
    hasher = hashlib.new(KNOWN[algorithm], usedforsecurity=False)
    root = os.open(folder, FOLDER_FLAGS)
    try:
        descriptor = open_beneath(root, _raw_path(listing, path), FILE_FLAGS)
    finally:
        os.close(root)
    with open(descriptor, "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE_BYTES):
            hasher.update(piece)
    return hasher.hexdigest()


def _raw_path(listing: Listing, path: str) -> bytes:
    row = listing.query("SELECT raw FROM file WHERE path = ?", path).fetchone()
    return row[0] if row[0] is not None else path.encode()
