"""A package of a format that says just what a test wants, judged by a profile of the test's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import structs

from ingest_watch.check_profile import CheckProfile, CheckRule
from ingest_watch.checks.all_checks import CHECKS
from ingest_watch.checks.carrying_out import carry_out_all
from ingest_watch.checks.check import CheckResult, Examined
from ingest_watch.content_register import ContentRegister
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import Answer, NotApplicable, SaysNothing
from ingest_watch.instruments import Instruments
from ingest_watch.listing import Listing
from ingest_watch.records import Field, Record, StatedFile
from ingest_watch.scope import ScopeTable
from ingest_watch.staging import inspect_folder
from tests.bags import write_files

TODAY = date(2026, 11, 22)
_FLAW = Rule("a-flaw", Severity.ERROR, "bad", "坏", "")


class Described(SaysNothing):
    """Answers every question as the test says; None: it has nothing of the kind."""

    def __init__(
        self, records: Sequence[Record] | None, stated: Sequence[StatedFile] | None, *, flawed: bool
    ) -> None:
        self._records = records
        self._stated = stated
        self._flawed = flawed

    def records(self) -> Iterator[Record] | NotApplicable:
        return super().records() if self._records is None else iter(self._records)

    def stated_files(self) -> Iterator[StatedFile] | NotApplicable:
        return super().stated_files() if self._stated is None else iter(self._stated)

    def _answer(self) -> Answer:
        found: list[Finding] = [_FLAW.found()] if self._flawed else []
        return iter(found)

    fixity = seals = descriptions = structure = consistency = _answer
    counts = totals = contents = metadata = surplus = _answer


@dataclass
class Trial:
    """One package, what its metadata says, and what it is held to."""

    folder: Path
    files: Mapping[str, bytes] = field(default_factory=dict)
    records: Sequence[Mapping[str, str]] | None = None
    documents: Sequence[str] = ()  # that the records are from; none: all are from one
    stated: Sequence[StatedFile] | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    instruments: Instruments = field(default_factory=lambda: Instruments(TODAY))
    scope_table: ScopeTable | None = None
    flawed: bool = False
    rule: CheckRule = field(default_factory=CheckRule)

    def of(self, number: str) -> CheckResult:
        """The result of one check, carried out alone."""
        (result,) = self.all_of(number)[0]
        return result

    def of_all(self, *numbers: str) -> CheckResult:
        """The result of the first of several checks carried out together."""
        return self.all_of(*numbers)[0][0]

    def all_of(self, *numbers: str) -> tuple[tuple[CheckResult, ...], Examined]:
        content = write_files(self.folder / "package", self.files or {"data/a.txt": b"a"})
        profile = structs.replace(
            CheckProfile(
                title="Test", title_zh="测试", formats=("test",),
                checks=dict.fromkeys(numbers, self.rule),
            ),
            **self.profile,
        )  # fmt: skip
        records = None
        if self.records is not None:
            documents = self.documents or ["metadata.xml"] * len(self.records)
            records = [
                Record(f"record {number}", document, tuple(map(Field, each, each.values())))
                for number, (document, each) in enumerate(
                    zip(documents, self.records, strict=True), 1
                )
            ]
        with ExitStack() as stack:
            staged = inspect_folder(content, self.folder / "listing")
            listing = stack.enter_context(Listing.open(staged.listing))
            examined = Examined(
                staged, Described(records, self.stated, flawed=self.flawed), listing, profile,
                self.instruments, ContentRegister(listing), self.scope_table,
            )  # fmt: skip
            return carry_out_all(CHECKS, examined), examined


def codes(result: CheckResult) -> set[str]:
    return {finding.code for finding in result.findings}
