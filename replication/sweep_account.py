"""A node's account of its checking, as it travels in `accounted`.

docs/wire/README.md. The value on both sides is storage.sweep.account's; here it is only taken
apart and put together. Sums nothing and judges nothing.
"""

from dataclasses import asdict
from typing import Annotated

import msgspec
from msgspec import Meta

from storage.sweep.account import CheckedAges, SweepAccount
from storage.sweep.model import ClassForecast, SweepCycle, SweepStatus

# So many cycles and the rest fit into a header; who wants more asks from the last one on.
CYCLES_MAX = 12
# Classes of objects with a deadline of their own, the default class included.
FORECASTS_MAX = 8

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Moment = Annotated[str, Meta(max_length=40)]


class SweptCycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pass over the node's disk."""

    number: _Count
    started_at: _Moment
    finished_at: _Moment | None
    checked_objects: _Count
    read_bytes: _Count
    damaged_objects: _Count


class ListedForecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One class of `forecasts` in `sweeping`."""

    name: Annotated[str, Meta(max_length=63)]
    deadline_days: Annotated[float, Meta(gt=0)]
    left_bytes: _Count
    rate_bytes_per_second: _Count
    finish_at: _Moment
    slack_s: int


Forecasts = Annotated[tuple[ListedForecast, ...], Meta(max_length=FORECASTS_MAX)]
Ages = Annotated[tuple[_Count, ...], Meta(min_length=6, max_length=6)]
Cycles = Annotated[tuple[SweptCycle, ...], Meta(max_length=CYCLES_MAX)]


def to_cycles(account: SweepAccount) -> tuple[SweptCycle, ...]:
    """The account's cycles for the wire."""
    return tuple(
        SweptCycle(
            each.number, each.started_at, each.finished_at,
            each.checked_objects, each.read_bytes, each.damaged_objects,
        )
        for each in account.cycles
    )  # fmt: skip


def to_account(
    deadline_s: int, oldest_checked_at: str | None, ages: Ages, cycles: Cycles
) -> SweepAccount:
    """What was received, as the value everybody works with."""
    known = tuple(SweepCycle(**msgspec.structs.asdict(each)) for each in cycles)
    return SweepAccount(deadline_s, oldest_checked_at, CheckedAges(*ages), known)


def to_forecasts(status: SweepStatus) -> tuple[ListedForecast, ...]:
    """The forecasts for the wire; none of a sweep that is not believed."""
    listed = () if status.broken else status.forecasts[:FORECASTS_MAX]
    return tuple(ListedForecast(**asdict(each)) for each in listed)


def from_forecasts(listed: Forecasts) -> tuple[ClassForecast, ...]:
    """What was received, as the value everybody works with."""
    return tuple(ClassForecast(**msgspec.structs.asdict(each)) for each in listed)
