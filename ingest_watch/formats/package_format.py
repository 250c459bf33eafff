"""What a package format must be able to do: recognise a package, open it, answer the checks.

DA/T 70-2018 names the questions; each method of `OpenedPackage` answers one of them, and
checks/ turns the answers into outcomes. A further format is one module with these two classes and
one line in registry.py (docs/formats/new-format.md).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest_watch.algorithms import WantedDigests
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.limits import DEFAULT_LIMITS, IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.records import Record, StatedFile
from ingest_watch.seals.trust import Trust, no_trust

_NOTHING_TO_ASK = Rule(
    "nothing-to-check", Severity.NOTE, "this package format has nothing of the kind",
    "该信息包格式无此项内容", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The format, or this package, has nothing that the question could be asked of."""

    finding: Finding  # a note that says why


Answer = Iterator[Finding] | NotApplicable


@dataclass(frozen=True, slots=True)
class Decoded:
    """Files that staff can open, made from what was received: `content/` of the object."""

    folder: Path
    listing: Path


@dataclass(frozen=True, slots=True)
class Part:
    """One package inside a batch: it becomes a transfer and an object of its own."""

    path: str  # of its file, in the listing of the batch
    raw_path: bytes | None  # the sender's bytes, when `path` is not they
    identifier: str  # what the batch's directory calls it
    size_bytes: int
    sha256: str


class OpenedPackage(Protocol):
    """One package, opened. Methods may be called in any order, each once."""

    @property
    def external_identifiers(self) -> tuple[str, ...]:
        """What the sender calls the package, wherever the format has a place for it."""
        ...

    @property
    def decoded(self) -> Decoded | None:
        """Where the opened files are; None when what was received can be opened as it is."""
        ...

    def fixity(self) -> Answer:
        """1-1: do the digests that the package carries hold?"""
        ...

    def seals(self) -> Answer:
        """1-1: do its signatures and timestamps hold?"""
        ...

    def descriptions(self) -> Answer:
        """1-12: are 说明文件 and 目录文件 as the format asks?"""
        ...

    def structure(self) -> Answer:
        """1-13: is the package laid out as its format asks?"""
        ...

    def consistency(self) -> Answer:
        """1-14: is the package itself, not only its content, as it was sent?"""
        ...

    def counts(self) -> Answer:
        """2-1: are there as many records as stated?"""
        ...

    def totals(self) -> Answer:
        """2-2: are there as many bytes as stated?"""
        ...

    def contents(self) -> Answer:
        """2-11: is every file there that the package says it holds?"""
        ...

    def metadata(self) -> Answer:
        """3-1: can the metadata be read?"""
        ...

    def surplus(self) -> Answer:
        """4-3: is there anything besides what the package says it holds?"""
        ...

    def records(self) -> Iterator[Record] | NotApplicable:
        """What the rules of a profile are asked of (1-2 to 1-8, 2-3, 2-4, 2-6, 2-10, scope)."""
        ...

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        """What the metadata says of content files (1-10, 1-11, 2-7)."""
        ...

    def parts(self) -> Iterator[Part]:
        """The packages that a batch holds, in the order of its directory; none of any other."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class SaysNothing:
    """The answers of a format that has nothing of the kind; a format overrides what it has.

    Every question that it leaves here is reported as not applicable, never as passed.
    """

    external_identifiers: tuple[str, ...] = ()
    decoded: Decoded | None = None

    def fixity(self) -> Answer:
        return _nothing()

    def seals(self) -> Answer:
        return _nothing()

    def descriptions(self) -> Answer:
        return _nothing()

    def structure(self) -> Answer:
        return _nothing()

    def consistency(self) -> Answer:
        return _nothing()

    def counts(self) -> Answer:
        return _nothing()

    def totals(self) -> Answer:
        return _nothing()

    def contents(self) -> Answer:
        return _nothing()

    def metadata(self) -> Answer:
        return _nothing()

    def surplus(self) -> Answer:
        return _nothing()

    def records(self) -> Iterator[Record] | NotApplicable:
        return _nothing()

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        return _nothing()

    def parts(self) -> Iterator[Part]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a format opens: our own copy, which no longer changes."""

    folder: Path  # the package as received
    listing: Listing  # of it
    work: Path  # a folder of this transfer alone; decoded files go to a new folder in it
    name: str = ""  # of the package, as its sender named the folder or file; "" if not known
    trust: Callable[[], Trust] = no_trust  # what signatures may rest on, read when asked for
    names_encoding: str | None = None  # the source's rule for names in an archive
    limits: IntakeLimits = DEFAULT_LIMITS  # what decoding keeps to


class PackageFormat(Protocol):
    """One format. Stateless."""

    @property
    def name(self) -> str:
        """The name in configuration, reports and `package.json`."""
        ...

    def recognises(self, root_names: frozenset[str]) -> bool:
        """Tell from the names of the files in the package's top folder whether it is one.

        Asked again, where no format does, of the names one folder down, as `folder/name`.
        """
        ...

    def recognises_file(self, name: str, descriptor: int) -> bool:
        """Tell whether one file is a whole package that must be kept as it is.

        Such a file is not unpacked into `received/`; opening it decodes it into `content/`.
        """
        ...

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """Tell, from the same names, which algorithms its manifests will need."""
        ...

    def open(self, opening: Opening) -> OpenedPackage:
        """Read what describes the package. Raises OSError and PackageRejected only.

        PackageRejected is for what may not even be decoded (a bomb, a path that climbs out);
        flaws come as findings.
        """
        ...


def _nothing() -> NotApplicable:
    return NotApplicable(_NOTHING_TO_ASK.found())
