"""Tell the formats of files by PRONOM's signatures, in a process that does nothing else.

PRONOM through pygfried (siegfried). docs/decisions/0012: its Go runtime must not live in a process
that forks or that opens packages, so a reader asks its owner, who has a confined process of
this kind answer. What is not in PRONOM is for others (ofd.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ingest_watch.confinement import Confinement
from ingest_watch.findings import PackageRejected
from ingest_watch.instruments import Identified
from ingest_watch.limits import MEBIBYTE
from ingest_watch.opening_rules import KILLED_THE_READER
from ingest_watch.worker_process import Allowance
from ingest_watch.workers import WorkerDied, WorkerKind, Workers
from ingest_watch.workload import Enquiry, ask
from storage.errors import LantaiError, Refusal

# What siegfried says of what it does not know.
_UNKNOWN = "UNKNOWN"
_MINUTE_S = 60


class IdentifierAway(Refusal):
    """No process tells formats; the check could not run."""

    code: ClassVar[str] = "identifier-away"


@dataclass(frozen=True, slots=True)
class Question:
    """Of which formats are these files?"""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One format for each path: a PRONOM identifier, or None."""

    formats: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Killed:
    """The files killed the process that looked at them, twice."""

    cause: str


@dataclass(frozen=True, slots=True)
class Away:
    """It could not be told now."""

    reason: str


Answer = Told | Killed | Away


def identifier_kind() -> WorkerKind:
    """What a process that tells formats is left with: no sockets, and no file to write."""
    return WorkerKind(
        "identifier",
        # The Go runtime maps much and touches about 100 MiB of it.
        Confinement(memory_bytes=512 * MEBIBYTE, open_files=256),
        Allowance(
            time_s=5 * _MINUTE_S,
            time_s_per_tebibyte=0,
            processor_s=5 * _MINUTE_S,
            processor_s_per_tebibyte=0,
            output_bytes=0,
            content_bytes_max=0,
        ),
        # To start one costs a third of a second.
        jobs_max=10_000,
    )


def tell_formats(question: Question) -> Told:
    """Runs in a process of that kind only."""
    # Imported here alone: to load it starts the Go runtime, and the process that hands out this
    # work must stay without one.
    import pygfried

    def told(path: Path) -> str | None:
        try:
            said = pygfried.identify(str(path))
        except (pygfried.GoError, pygfried.EmptySourceError, UnicodeEncodeError):
            return None
        return None if not said or said.upper() == _UNKNOWN else str(said)

    return Told(tuple(told(path) for path in question.paths))


class FormatService:
    """The owner's side: answers what readers ask, one process for all of them."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def answer(self, enquiry: Enquiry) -> Answer:
        """Answer a reader; believes nothing of it but that these are paths. Blocks."""
        question = enquiry.question
        if not isinstance(question, Question):
            return Away("not a question")
        try:
            return self._workers.carry_out(tell_formats, question)
        except WorkerDied as death:
            return Killed(death.cause)
        except (LantaiError, OSError) as error:
            return Away(type(error).__name__)


class OwnIdentifier:
    """Tells formats for a process that has a service itself."""

    def __init__(self, service: FormatService) -> None:
        self._service = service

    def identify(self, paths: tuple[Path, ...]) -> tuple[Identified, ...]:
        """As FormatIdentifier says."""
        return _read(self._service.answer(Enquiry(Question(paths))))


class AskingIdentifier:
    """Tells formats in a reader, by asking its owner."""

    def identify(self, paths: tuple[Path, ...]) -> tuple[Identified, ...]:
        """As FormatIdentifier says."""
        return _read(ask(Question(paths)))


def _read(answer: object) -> tuple[Identified, ...]:
    match answer:
        case Told(formats):
            return tuple(map(Identified, formats))
        case Killed(cause):
            raise PackageRejected(KILLED_THE_READER.found(cause=f"format identification: {cause}"))
        case _:
            raise IdentifierAway("formats cannot be told now")
