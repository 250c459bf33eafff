"""The fixity report (固定性检查报告) as it is filed: `lantai.fixity-report.v1`.

docs/formats/fixity-report.md; what ISO 16363 4.2.9 and 5.1.1.3.1 and NDSA Integrity level 3 ask to
be shown. The members, no more: fixity_assembly.py fills them, and judges.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

FORMAT: Final = "lantai.fixity-report.v1"
LISTED_MAX = 500  # so that a report passes through a control socket whole

Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Count = Annotated[int, Meta(ge=0)]
Deadline = Literal["kept", "missed", "not-known", "nothing-stored"]
Weight = Literal["exception", "note"]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root of everything in the report: frozen, and nothing that is not known."""


class Span(Member, frozen=True):
    """The time that is reported on: `from` on, and before `to`."""

    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")


class SourceHoldings(Member, frozen=True):
    """What one source has handed over and is kept, over all time."""

    source: str
    packages: Count
    files: Count
    content_bytes: Count
    rejected: Count


class Spread(Member, frozen=True):
    """Packages with good copies in so many failure domains."""

    domains: Count
    packages: Count


class Packages(Member, frozen=True):
    """How safe the packages are at `made_at`."""

    stored: Count
    below_target: Count
    at_risk: Count
    without_good_copy: Count
    by_domains: list[Spread]


class CopyCount(Member, frozen=True):
    """Copies that are alike, as the catalogue has them at `made_at`."""

    node: str
    domain: str
    verify_mode: Literal["evicted", "direct", "unproven"]
    state: Literal["committed", "damaged", "missing"]
    copies: Count


class Ages(Member, frozen=True):
    """Objects of one node by the age of their last whole reading; each is in one bucket."""

    under_1_day: Count
    under_7_days: Count
    under_30_days: Count
    under_90_days: Count
    over_90_days: Count
    never: Count  # only read back when they were committed


class Forecast(Member, frozen=True):
    """When one class will have been read again, as the node reckons it."""

    name: str  # of the class
    deadline_days: float
    left_bytes: Count  # of the pass that runs, or of the next one
    finish_at: Moment
    slack_s: int  # to the deadline; negative: it will be missed


class Absence(Member, frozen=True):
    """What an operator said of a node that is away by plan."""

    since: Moment
    until: Moment
    reason: str


class Node(Member, frozen=True):
    """One node: what it said at `heard_at`, or that it did not answer."""

    node: str
    domain: str
    answered: bool
    reason: str  # why there is no answer; empty when there is
    heard_at: Moment | None  # of what follows; null when nothing was ever heard
    state: str | None
    objects: Count | None
    content_bytes: Count | None
    ages: Ages | None
    oldest_checked_at: Moment | None
    deadline_days: float | None
    deadline: Deadline  # judged only on what was heard for this very report
    sweep_broken: str | None  # why the node's own check is not believed; empty: it is
    forecasts: list[Forecast]  # none of a node that was never heard, or whose check is not believed
    absence: Absence | None  # away by plan at `made_at`: its copies are no damage, and not good


class Sweep(Member, frozen=True):
    """A sweep that ended in the period."""

    node: str
    cycle: Count
    started_at: Moment
    finished_at: Moment
    checked_objects: Count
    read_bytes: Count
    damaged_objects: Count


class Finding(Member, frozen=True):
    """Damage that was found in the period, or before it and is still open."""

    node: str
    sequence: int  # negative: found by the keeper
    found_at: str
    object_id: str | None
    kind: str
    path: str
    detail: str
    evidence: str  # JSON text, or empty
    mended_at: Moment | None
    outcome: str  # what became of it; empty: open


class Findings(Member, frozen=True):
    """`by_kind` counts those of the period."""

    found: Count
    open: Count
    by_kind: dict[str, Count]
    listed: list[Finding]


class Suspect(Member, frozen=True):
    """A node that is neither read from nor mended until a person says otherwise."""

    node: str
    since: Moment
    reason: str


class Act(Member, frozen=True):
    """A repair or an audit of the period, from the ledger."""

    event: Count
    at: Moment
    act: str
    outcome: str
    node: str | None
    object_id: str | None
    detail: str  # JSON text, or empty


class Repairs(Member, frozen=True):
    """Copies replaced by proven ones, and attempts that failed."""

    mended: Count
    failed: Count
    listed: list[Act]


class Audits(Member, frozen=True):
    """Nonced audits by outcome."""

    by_outcome: dict[str, Count]
    listed: list[Act]


class Remark(Member, frozen=True):
    """What a reader must know: an exception, or a note that limits what was shown."""

    weight: Weight
    code: str
    node: str | None
    message: str
    message_zh: str


class FixityReport(Member, frozen=True):
    """The whole document, members in this order."""

    format: Literal["lantai.fixity-report.v1"]
    report_id: str
    archive: str
    made_at: Moment
    made_by: str
    period: Span
    conclusion: Literal["no-exceptions", "exceptions"]
    remarks: list[Remark]
    holdings: list[SourceHoldings]
    packages: Packages
    copies: list[CopyCount]
    nodes: list[Node]
    suspects: list[Suspect]
    sweeps: list[Sweep]
    findings: Findings
    repairs: Repairs
    audits: Audits


def encode(report: FixityReport) -> bytes:
    """The exact bytes that are signed and kept: JSON, indented, one line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(body: bytes) -> FixityReport:
    """Read a report. Raises msgspec.ValidationError if it is anything else."""
    return msgspec.json.decode(body, type=FixityReport)


def schema() -> bytes:
    """JSON Schema 2020-12 of the format, as it is shipped."""
    described = msgspec.json.schema(FixityReport)
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FORMAT,
        **described,
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
