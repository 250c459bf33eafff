"""Every file of the package as it lies on our disk, with its format where a check asks for that.

What was received, and what was decoded from it. Formats are asked for in batches, because the
process that tells them is another one (docs/decisions/0012). Judges nothing.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from ingest_watch.checks.check import ContentFile, Examined
from ingest_watch.findings import PackageRejected
from ingest_watch.instruments import FormatIdentifier, Identified
from ingest_watch.listing import Listing, StagedFile
from ingest_watch.names import is_system_file
from ingest_watch.ofd import is_ofd
from ingest_watch.plain_content import plain_format
from storage.errors import LantaiError

_BATCH_FILES = 256
# What PRONOM calls a zip whose content it does not know. OFD is one, and PRONOM lacks it.
_ZIP = "x-fmt/263"
OFD = "ofd"
# The checks that ask for formats.
_ASKING = frozenset({"1-10", "3-3", "4-2"})


def content_files(examined: Examined) -> Iterator[ContentFile]:
    """Yield all files with their formats."""
    files = _files(examined)
    identifier = examined.instruments.identifier
    if identifier is None or not _ASKING & examined.profile.checks.keys():
        yield from files
        return
    while batch := tuple(islice(files, _BATCH_FILES)):
        found = _told(identifier, batch)
        for file, identified in zip(batch, found, strict=True):
            if identified is None:
                yield file
                continue
            known = _completed(file, identified)
            if file.is_content:
                examined.register.set_format(file.path, known.format)
            yield ContentFile(file.path, file.location, file.size_bytes, file.is_content, known)


def _told(
    identifier: FormatIdentifier, batch: tuple[ContentFile, ...]
) -> tuple[Identified | None, ...]:
    """None for each where nobody tells now: that costs the checks of formats, and no others."""
    try:
        return identifier.identify(tuple(file.location for file in batch))
    except PackageRejected:
        raise
    except (LantaiError, OSError):
        return (None,) * len(batch)


def _completed(file: ContentFile, told: Identified) -> Identified:
    """What PRONOM's signatures tell, and what they do not know."""
    if told.format == _ZIP and is_ofd(file.location):
        return Identified(OFD)
    if told.format is None:
        return Identified(plain_format(file.location))
    return told


def register_content(examined: Examined) -> None:
    """Note every content file, so that metadata can be compared with them."""
    for file in _files(examined):
        if file.is_content:
            examined.register.add(file.path, file.size_bytes)


def _files(examined: Examined) -> Iterator[ContentFile]:
    """Received and decoded files; those that staff will open may be content."""
    decoded = examined.package.decoded
    patterns = examined.profile.content.files
    nothing: tuple[str, ...] = ()
    received = nothing if decoded is not None else patterns
    yield from _listed(examined.listing, examined.staged.folder, received)
    if decoded is not None:
        with Listing.open(decoded.listing) as listing:
            yield from _listed(listing, decoded.folder, patterns)


def _listed(
    listing: Listing, folder: Path, content_patterns: tuple[str, ...]
) -> Iterator[ContentFile]:
    for file in listing.files():
        fits = any(fnmatchcase(file.path, pattern) for pattern in content_patterns)
        is_content = fits and not is_system_file(file.path)
        yield ContentFile(file.path, _location(folder, file), file.size_bytes, is_content)


def _location(folder: Path, file: StagedFile) -> Path:
    """Our own copies have the escaped name; a folder that is judged where it is has the raw one."""
    kept = folder / file.path
    if file.raw_path is None or kept.exists():
        return kept
    return folder / os.fsdecode(file.raw_path)
