"""Read dates, years and sizes as senders write them.

docs/formats/profile.md: dates as `2026-11-22`, `2026年11月22日`, `20261122`, `2026/11/22`, with
or without time; sizes in bytes or with a unit ("127 KB"). Pure; says None for what is none.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})|/(?P<m2>\d{1,2})/(?P<d2>\d{1,2})"
    r"|年(?P<m3>\d{1,2})月(?P<d3>\d{1,2})日|(?P<m4>\d{2})(?P<d4>\d{2}))"
    r"(?:[T ]?\d{1,2}[:时]\d{2}(?:[:分](?:\d{2}(?:\.\d{1,9})?秒?)?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_YEAR = re.compile(r"(\d{4})年?", re.ASCII)
_SIZE = re.compile(
    r"(\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.(\d{1,6}))?\s*(b|bytes?|字节|kb|k|mb|m|gb|g|tb|t|kib|mib|gib)?",
    re.ASCII | re.IGNORECASE,
)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def date_of(text: str) -> date | None:
    """The day that `text` names, whatever its time of day."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    month = next(match[f"m{form}"] for form in "1234" if match[f"m{form}"])
    day = next(match[f"d{form}"] for form in "1234" if match[f"d{form}"])
    try:
        return date(int(match["year"]), int(month), int(day))
    except ValueError:
        return None


def year_of(text: str) -> int | None:
    """The year that `text` names."""
    match = _YEAR.fullmatch(text.strip())
    return int(match[1]) if match is not None and int(match[1]) > 0 else None


@dataclass(frozen=True, slots=True)
class StatedSize:
    """A size as it was written: exact, or as coarse as its unit and decimals."""

    bytes_min: int
    bytes_max: int

    def fits(self, size_bytes: int) -> bool:
        """Whether a file of this size may have been described so."""
        return self.bytes_min <= size_bytes <= self.bytes_max


def size_of(text: str) -> StatedSize | None:
    """The size that `text` states.

    With a unit, a last digit may be off by one, rounded either way, and K may be 1000 or 1024.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    digits, decimals, unit = match[1].replace(",", ""), match[2] or "", (match[3] or "").lower()
    number = Decimal(f"{digits}.{decimals or '0'}")
    power = _POWERS.get(unit[:1], 0)
    if power == 0:
        exact = int(number)
        return StatedSize(exact, exact) if exact == number else None
    step = Decimal(1).scaleb(-len(decimals))
    return StatedSize(
        int(max(Decimal(0), number - step) * 1000**power), int((number + step) * 1024**power)
    )
