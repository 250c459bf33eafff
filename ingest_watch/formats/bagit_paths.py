"""Paths in manifests and fetch files: what a line says, and which file it may mean.

RFC 8493 sections 2.1.3 (percent-encoding), 5.1 (special directory characters), 6.1.3 (md5sum);
drafts up to 0.97 encode only CR and LF, and never '%'. Decides on text alone; whether the file
is there is for bagit_manifests.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ENCODED_NOW = re.compile("%(0[AaDd]|25)")
_ENCODED_BEFORE = re.compile("%(0[AaDd])")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_DOT_COMPONENTS = re.compile(r"(?<=/)\./|^\./|/(?=/)")
_MANIFEST_LINE = re.compile(r"(\\?)([0-9A-Fa-f]+)[ \t]+(\*?)(.*)", re.ASCII | re.DOTALL)
_MD5SUM_ESCAPE = re.compile(r"\\([\\nr])")
_MD5SUM_MEANING = {"\\": "\\", "n": "\n", "r": "\r"}


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One line of a manifest, taken apart."""

    digest: str  # lower case
    path: str  # as written, without what md5sum puts before it
    from_md5sum: bool


def manifest_line(line: str) -> ManifestLine | None:
    """Take a line apart; None if it is not a digest, white space and a path."""
    match = _MANIFEST_LINE.fullmatch(line)
    if match is None or not match[4]:
        return None
    escaped, digest, star, path = match.groups()
    if escaped:
        path = _MD5SUM_ESCAPE.sub(lambda found: _MD5SUM_MEANING[found[1]], path)
    return ManifestLine(digest.lower(), path, bool(escaped or star))


def without_dots(path: str) -> str:
    """Remove './' and doubled slashes, which name the same file."""
    return _DOT_COMPONENTS.sub("", path)


def leaves_bag(path: str) -> bool:
    """Tell whether the path would lead out of the bag on any system."""
    return (
        ".." in re.split(r"[/\\]", path)
        or path.startswith(("/", "\\", "~"))
        or _DRIVE.match(path) is not None
        or "\0" in path
    )


def decoded(path: str, *, is_strict: bool) -> str:
    """Return the file name that a written path means: in 1.0 %0A, %0D and %25 are decoded."""
    pattern = _ENCODED_NOW if is_strict else _ENCODED_BEFORE
    if "%" not in path:
        return path
    return pattern.sub(lambda match: chr(int(match[1], 16)), path)


def is_encoded_for_1_0(path: str) -> bool:
    """Tell whether every '%' of a written path is part of %0A, %0D or %25, as 1.0 demands."""
    return "%" not in _ENCODED_NOW.sub("", path)


def readings(path: str, *, is_strict: bool) -> Iterator[str]:
    """Yield the names a written path may mean, the best first.

    1.0 decodes; before 1.0 the name as written comes first, because '%' was never encoded there.
    """
    meant = decoded(path, is_strict=is_strict)
    if is_strict:
        yield meant
        if meant != path or "%" in path:
            yield path
    else:
        yield path
        if meant != path:
            yield meant
