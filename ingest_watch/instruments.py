"""What checks may use besides the package: the date, a format identifier, a virus scanner.

The scanner is clamd.py's, the identifier format_identification.py's, each behind what is declared
here. What is lacking makes checks `could-not-run`. Values and interfaces only.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

# What a scanner says of a file that it cannot take whole.
TOO_LARGE = "too large for the scanner 超出杀毒软件可检测大小"


@dataclass(frozen=True, slots=True)
class Identified:
    """What format a content file has."""

    format: str | None  # PRONOM identifier, or "ofd"; None: no known one


class FormatIdentifier(Protocol):
    """Tells formats from content; runs in a process of its own."""

    def identify(self, paths: tuple[Path, ...]) -> tuple[Identified, ...]:
        """One answer for each path. Raises PackageRejected for what kills it, OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scanner said of one file. It is clean only if `is_clean`."""

    is_clean: bool
    signature: str | None = None  # the name of what was found
    unscanned: str = ""  # why it was not scanned whole


class VirusScanner(Protocol):
    """A scanner of this machine."""

    def version(self) -> tuple[str, date | None]:
        """Its name, and the day of its signatures where it says so. Raises OSError."""
        ...

    def scan(self, descriptor: int) -> Scanned:
        """Have an open file scanned. Raises OSError when the scanner is away."""
        ...


@dataclass(frozen=True, slots=True)
class Instruments:
    """What checks may use besides the package; what is lacking makes checks `could-not-run`."""

    today: date
    identifier: FormatIdentifier | None = None
    scanner: VirusScanner | None = None
