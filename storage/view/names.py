"""Names in the mount: identifiers as folder names, names that are not UTF-8, version folders.

docs/formats/package.md ("Names", "Object id, identifier, identity"). All of it is reversible. The
sender's names themselves are never escaped here: those stand in the tree as they were.
"""

import re

# What a folder name cannot hold, or what a terminal would obey; "%" only where it would be taken
# for an escape of ours, so that `100%` stays `100%`.
_UNSUITABLE = re.compile(r"[\x00-\x1f/\x7f]|%(?=(?:2[5EF]|[01][0-9A-F]|7F))")
_ESCAPE = re.compile(r"%(2[5EF]|[01][0-9A-F]|7F)")

NAME_BYTES_MAX = 255


def folder_name(identifier: str) -> bytes:
    """The name under which an identifier, or a source, stands in the mount."""
    if identifier in {".", ".."}:
        return b"%2E" * len(identifier)
    return _UNSUITABLE.sub(lambda found: f"%{ord(found[0]):02X}", identifier).encode()


def identifier_of(name: bytes) -> str | None:
    """The identifier whose folder is called `name`; None if no identifier is."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    identifier = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return identifier if folder_name(identifier) == name else None


def stored_name(name: bytes) -> str:
    """How a sender's name is written in logical paths: as it is, or escaped if it is not UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x25 else f"%{b:02X}" for b in name)


def version_folder(version: int, *, records: bool) -> bytes:
    """`v1`, where the sender's files are, or `v1.lantai`, where Lantai's records are."""
    return f"v{version}{'.lantai' if records else ''}".encode()
