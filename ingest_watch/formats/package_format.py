"""What a package format must be able to do: recognise a package, open it, answer the checks.

DA/T 70-2018 names the questions; each method of `OpenedPackage` answers one of them, and
checks/ turns the answers into outcomes. A further format is one module with these two classes and
one line in registry.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest_watch.algorithms import WantedDigests
from ingest_watch.findings import Finding
from ingest_watch.listing import Listing


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The format, or this package, has nothing that the question could be asked of."""

    finding: Finding  # a note that says why


Answer = Iterator[Finding] | NotApplicable


class OpenedPackage(Protocol):
    """One package, opened. Methods may be called in any order, each once."""

    @property
    def external_identifiers(self) -> tuple[str, ...]:
        """What the sender calls the package, wherever the format has a place for it."""
        ...

    def fixity(self) -> Answer:
        """1-1: do the digests and signatures that the package carries hold?"""
        ...

    def structure(self) -> Answer:
        """1-13: is the package laid out as its format asks?"""
        ...

    def consistency(self) -> Answer:
        """1-14: is the package itself, not only its content, as it was sent?"""
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


class PackageFormat(Protocol):
    """One format. Stateless."""

    @property
    def name(self) -> str:
        """The name in configuration, reports and `package.json`."""
        ...

    def recognises(self, root_names: frozenset[str]) -> bool:
        """Tell from the names of the files in the package's top folder whether it is one."""
        ...

    def wanted_digests(self, root_names: frozenset[str]) -> WantedDigests:
        """Tell, from the same names, which algorithms its manifests will need."""
        ...

    def open(self, folder: Path, listing: Listing) -> OpenedPackage:
        """Read what describes the package. Raises OSError only; flaws come as findings."""
        ...
