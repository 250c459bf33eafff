"""Which good copy a new one is made from, and how long to rest after tries that failed.

The same for what is mended (repair_plan.py) and what is moved (moves.py). Pure.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

_TRIES_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between tries: a try that fails again and again may not wear the disks down."""

    at_once_s: float  # while every other source is asked
    min_s: float
    max_s: float

    def after(self, attempts: int) -> float:
        """How long to leave alone what failed so many times in a row."""
        beyond = attempts - _TRIES_AT_ONCE
        if beyond < 0:
            return self.at_once_s
        return min(self.max_s, self.min_s * 2.0 ** min(beyond, 20))


def chosen_source(object_id: str, able: Collection[str], attempts: int) -> str | None:
    """The node to read from; another one after each try that failed. None: nobody is able."""
    ranked = sorted(able, key=lambda node: _rank(node, object_id))
    return ranked[attempts % len(ranked)] if ranked else None


def _rank(node: str, object_id: str) -> bytes:
    """Spread reading evenly over the nodes."""
    return hashlib.sha256(f"{object_id}\0{node}".encode()).digest()
