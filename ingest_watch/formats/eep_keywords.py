"""What 反编码关键字 and 编码描述 say about the data of an EEP, and how its texts are to be read.

DA/T 48-2009 (M219, M220): `base64-doc` is a file in Base64, to be called .doc; the detached form
that senders use writes `sha256-base64Binary`, the digest of a file that lies beside the document.
Also the forms of time and size that senders write. Values in, values out.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ingest_watch.algorithms import KNOWN, normalised

_EMBEDDED = re.compile(r"base64(?:Binary)?(?:-([A-Za-z0-9]{1,16}))?", re.IGNORECASE)
_DIGEST = re.compile(r"([A-Za-z0-9-]+?)-base64(?:Binary)?", re.IGNORECASE)
_ENCODING_NAMED = re.compile(r"base64|RFC ?2045|摘要|digest|sha-?\d|sm3|md5", re.IGNORECASE)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
_LOOSE = re.compile(
    r"(\d{4})(?:[-/年](\d{1,2})[-/月](\d{1,2})日?|(\d\d)(\d\d))(?:[T\s]*(\d{1,2})(:?\d\d.*))?"
)
_SIZE = re.compile(r"\d+")
_SIZE_WITH_UNIT = re.compile(r"\d[\d,]*(?:\.\d+)?\s*(?:[KMGT]i?B?|bytes?|B|字节)", re.IGNORECASE)
# Times without a zone are Chinese ones.
_CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Keyword:
    """What 编码数据 holds: a file, or the digest of one that lies beside the document."""

    digest: str | None = None  # normalised algorithm; None: the data is the file
    extension: str | None = None  # that the file is to have


def keyword(text: str) -> Keyword | None:
    """Read 反编码关键字; None if it says nothing that can be decoded here."""
    embedded = _EMBEDDED.fullmatch(text)
    if embedded is not None:
        return Keyword(extension=embedded.group(1))
    digest = _DIGEST.fullmatch(text)
    if digest is not None and normalised(digest.group(1)) in KNOWN:
        return Keyword(digest=normalised(digest.group(1)))
    return None


def names_an_encoding(description: str) -> bool:
    """Tell whether 编码描述 speaks of an encoding that is known here."""
    return _ENCODING_NAMED.search(description) is not None


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as it was written; `at` is None for what is none."""

    at: datetime | None
    is_strict: bool  # as xs:dateTime asks


def moment(text: str) -> Moment:
    """Read a time in any of the forms that senders use."""
    try:
        at = datetime.fromisoformat(_plain(text.strip()))
    except ValueError:
        return Moment(None, is_strict=False)
    if at.tzinfo is None:
        at = at.replace(tzinfo=_CHINA)
    return Moment(at, is_strict=_DATE_TIME.fullmatch(text) is not None)


def _plain(text: str) -> str:
    """A time in the form of ISO 8601, as far as its date and hour go."""
    found = _LOOSE.fullmatch(text)
    if found is None:
        return text
    month, day = int(found[2] or found[4]), int(found[3] or found[5])
    if found[6] is None:
        return f"{found[1]}-{month:02}-{day:02}"
    return f"{found[1]}-{month:02}-{day:02}T{int(found[6]):02}{found[7]}"


def is_bytes(size: str) -> bool:
    """Tell whether 计算机文件大小 is a number of bytes."""
    return _SIZE.fullmatch(size) is not None


def is_size(size: str) -> bool:
    """Tell whether 计算机文件大小 is a size at all."""
    return is_bytes(size) or _SIZE_WITH_UNIT.fullmatch(size) is not None
