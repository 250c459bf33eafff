"""What a node can say of its checking: how long ago each object was read, and its past cycles.

DESIGN.md, promise 4. Sums only, so that a keeper asks once and lists no objects. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from storage.sweep.model import SweepCycle, rfc3339

# Whole reads younger than so many days, and not counted in an earlier bucket.
BUCKET_DAYS = (1, 7, 30, 90)


class CheckedAges(NamedTuple):
    """Objects by the age of their last whole reading; each object is in one bucket.

    `never` holds those that no sweep has found intact since they were committed: their only
    reading is the read-back of the commit.
    """

    under_1_day: int = 0
    under_7_days: int = 0
    under_30_days: int = 0
    under_90_days: int = 0
    over_90_days: int = 0
    never: int = 0

    @property
    def objects(self) -> int:
        """How many objects were sorted into the buckets."""
        return sum(self)


@dataclass(frozen=True, slots=True)
class SweepAccount:
    """One node's answer."""

    deadline_s: int
    oldest_checked_at: str | None  # None when nothing is stored
    ages: CheckedAges
    cycles: tuple[SweepCycle, ...]  # after the one that was asked from, oldest first


def bucket_edges(now: datetime) -> list[tuple[str, str]]:
    """From and to, as RFC 3339 texts, of the five buckets by age; `to` is not included.

    A moment in the future, where a clock was set back, counts as young.
    """
    starts = [rfc3339(now - timedelta(days=days)) for days in BUCKET_DAYS]
    return list(zip([*starts, ""], ["9999", *starts], strict=True))


def ages_of(counts: Sequence[int], never: int) -> CheckedAges:
    """Five counts in the order of `bucket_edges`, and those never swept."""
    assert len(counts) == len(BUCKET_DAYS) + 1, counts
    first, second, third, fourth, fifth = counts
    return CheckedAges(first, second, third, fourth, fifth, never)
