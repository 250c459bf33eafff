"""What preparing a package is given, and what may come of it: values, nothing else.

Pickled between the intake and its workers (package_readers.py); made by prepare.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest_watch.answers import Reason
from ingest_watch.check_profile import CheckProfile
from ingest_watch.limits import DEFAULT_LIMITS, IntakeLimits
from ingest_watch.object_builder import BuiltObject
from ingest_watch.scope import ScopeTable
from storage.catalogue.model import Facts


@dataclass(frozen=True, slots=True)
class Profile:
    """What a source's packages may be."""

    formats: tuple[str, ...]
    identifier: Literal["name", "external-identifier"]
    # Of zip names that are neither UTF-8 nor GB18030; None: they are kept as bytes, escaped.
    names_encoding: str | None = None
    # What they are held to; None: the shipped profile of each one's format.
    checks: CheckProfile | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One package to prepare. `work` is this transfer's own folder in staging."""

    archive: str
    source: str
    name_raw: bytes
    name: str  # as shown
    drop: Path
    work: Path
    received_at: str  # RFC 3339 to the second: part of the object, so it must not change
    profile: Profile
    accepted: bool = False  # it was before, by its checks or by a person: doubts are settled
    part_of: str | None = None  # the batch's name, for a package that came in one
    limits: IntakeLimits = DEFAULT_LIMITS
    wanted_sha256: str | None = None  # of a part's file, as it was when its batch was judged
    scope: ScopeTable | None = None  # of the source, as it is now
    has_scanner: bool = False  # whether the reader's owner has files scanned for viruses
    staging_reserve_bytes: int = 0  # what must stay free of the staging disk


@dataclass(frozen=True, slots=True)
class PartBytes:
    """A part of a staged batch: its file, below `content/received/`, and what it must hold."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Acceptable:
    """The package passed; its object lies in `work`, ready for the nodes."""

    source: str
    work: Path
    facts: Facts
    checks: tuple[bytes, ...]  # each check of the report, as JSON
    built: BuiltObject
    parts: tuple[PartBytes, ...] = ()  # of a batch; not in its object


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """The package failed; every reason is here."""

    facts: Facts
    checks: tuple[bytes, ...]
    reasons: tuple[Reason, ...]
    package_format: str | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """A check could not run, so nothing is decided."""

    facts: Facts
    checks: tuple[bytes, ...]
    reasons: tuple[Reason, ...]
    package_format: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The package changed, or could not be read, while it was copied: look again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Staging has no room now: our fault, not the package's."""

    reason: str


Preparation = Acceptable | Unacceptable | Undecided | Changed | NoRoom
