"""Tell which serialisation an archive file is, by its content, and whether its name agrees.

docs/formats/package.md (identifier: the suffixes). Looks at the first bytes only; whether the
archive is sound is for the modules that open it.
"""

from ingest_watch.findings import PackageRejected
from ingest_watch.opening_rules import ARCHIVE_NAME
from storage.whole_reads import read_range

SUFFIXES = {".zip": "zip", ".tar": "tar", ".tar.gz": "tar.gz", ".tgz": "tar.gz"}

_TAR_MAGIC_OFFSET = 257
_BLOCK_BYTES = 512


def serialisation_of_name(name: str) -> str | None:
    """Return what the name claims to be: "zip", "tar", "tar.gz", or None."""
    lower = name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return SUFFIXES[suffix]
    return None


def recognise(archive: int, name: str) -> str | None:
    """Return "zip", "tar" or "tar.gz" for the open file, or None when it is none of them.

    Raises PackageRejected when the name claims one and the content is another.
    """
    claimed = serialisation_of_name(name)
    actual = _by_content(read_range(archive, _BLOCK_BYTES, 0), claimed)
    if claimed is not None and actual is not None and actual != claimed:
        suffix = "." + name.rpartition(".")[2]
        raise PackageRejected(ARCHIVE_NAME.found(name, suffix=suffix, serialisation=actual))
    return actual


def _by_content(start: bytes, claimed: str | None) -> str | None:
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "tar.gz"
    if start[_TAR_MAGIC_OFFSET : _TAR_MAGIC_OFFSET + 5] == b"ustar":
        return "tar"
    # Before 1988 a tar had no mark; its name may say so, and its checksums will tell. A zip with
    # something in front of it is likewise left to the zip's own pre-flight to refuse.
    if claimed == "zip" or (claimed == "tar" and len(start) == _BLOCK_BYTES):
        return claimed
    return None
