"""Names of files as bytes, as text, and as other systems would see them.

docs/formats/package.md (names): UTF-8 is kept exactly, anything else is percent-escaped, one
component at a time, reversibly. Nothing is ever renamed here to suit another system.
"""

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress

# Tried on names of zips that do not say how they are encoded and are not UTF-8.
GB18030 = "gb18030"
# Info-ZIP's extra field 0x7075, which holds the name in UTF-8 beside other bytes.
UNICODE_PATH = "unicode-path"

_RESERVED_ON_WINDOWS = re.compile(
    r"(?:^|/)(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.[^/]*)?(?:/|$)", re.IGNORECASE
)
_FORBIDDEN_ON_WINDOWS = re.compile(r'[<>:"|?*\\]|[. ](?:/|$)')
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REORDERING = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Latin beside Greek or Cyrillic letters in one component: letters that look alike.
_MIXED_SCRIPTS = re.compile(
    "[A-Za-z][^/]*[\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][^/]*[A-Za-z]"
)
_SYSTEM_FILE = re.compile(
    r"(?:^|/)(?:\.DS_Store|\.AppleDouble|__MACOSX|\.Spotlight-V100|\.Trashes|\._[^/]*"
    r"|Thumbs\.db|ehthumbs\.db|desktop\.ini|\$RECYCLE\.BIN|System Volume Information"
    r"|\.nfs[0-9a-f]+)"
    r"(?:/|$)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[A-Za-z0-9_/-]+(?:\.[A-Za-z0-9_-]+)*")


def text_of(component: bytes) -> str:
    """Return a name as text: UTF-8 as it is, anything else percent-escaped."""
    try:
        return component.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(
            chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"
            for byte in component
        )


def text_of_path(path: bytes) -> str:
    """Return a path as text, each component by itself."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return "/".join(text_of(component) for component in path.split(b"/"))


def encoding_of(path: str, raw: bytes, tried: Iterable[str]) -> str | None:
    """Return which of the encodings `tried` made `path` of the bytes `raw`.

    None if none did: then the path is their escape. "unicode-path": the archive itself says both.
    """
    if path == text_of_path(raw):
        return None
    for encoding in tried:
        with suppress(UnicodeDecodeError):
            if raw.decode(encoding) == path:
                return encoding
    return UNICODE_PATH


def folded(path: str) -> str:
    """Return the form under which paths clash on systems that ignore case or normalisation."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def composed(path: str) -> str:
    """Return the NFC form, for comparison only."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def has_control_characters(path: str) -> bool:
    """Tell whether the path holds control characters or line breaks."""
    return _CONTROL.search(path) is not None


def is_system_file(path: str) -> bool:
    """Tell whether an operating system left this behind."""
    return _SYSTEM_FILE.search(path) is not None


def peculiarities(path: str) -> list[str]:
    """Name what other systems or readers would stumble over in `path`.

    Of `control`, `reordering`, `mixed-scripts`, `reserved`, `forbidden`, `system-file`.
    """
    if _PLAIN.fullmatch(path) and not _RESERVED_ON_WINDOWS.search(path):
        return ["system-file"] if _SYSTEM_FILE.search(path) else []
    tests = {
        "control": _CONTROL,
        "reordering": _REORDERING,
        "mixed-scripts": _MIXED_SCRIPTS,
        "reserved": _RESERVED_ON_WINDOWS,
        "forbidden": _FORBIDDEN_ON_WINDOWS,
        "system-file": _SYSTEM_FILE,
    }
    return [name for name, pattern in tests.items() if pattern.search(path)]
