"""Which nodes answer slowly: several times as slow as their peers, and for long.

Knowledge page on durability, §2.3 ("gray failure"). A node that is called slow is read from only
when no other can answer; writing still waits for it. After a while it is tried again, and the first
answer decides. Pure: told of answers and asked, with a clock that is an argument.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from monitoring.log import get_log

log = get_log(__name__)

# How much one answer counts in the average: some ten answers tell.
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class SlowLimits:
    """When a node is called slow."""

    times_median: float = 3.0  # of its peers' averages
    after_s: float = 600.0  # without a break; and for so long it is then left alone
    answer_s_min: float = 0.1  # whoever answers sooner is never slow, however quick the others are


@dataclass(slots=True)
class _Pace:
    answer_s: float | None = None  # moving average
    over_since: float | None = None
    slow_until: float | None = None


class Paces:
    """How quickly each node answered lately."""

    def __init__(
        self, nodes: Iterable[str], limits: SlowLimits, clock: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._paces = {node: _Pace() for node in nodes}

    @property
    def slow(self) -> frozenset[str]:
        """The nodes that are left alone now."""
        return frozenset(node for node in self._paces if self.is_slow(node))

    @property
    def answer_s(self) -> Mapping[str, float]:
        """Each node's average, of those that were asked."""
        known = ((node, pace.answer_s) for node, pace in self._paces.items())
        return {node: answer_s for node, answer_s in known if answer_s is not None}

    def is_slow(self, node: str) -> bool:
        until = self._paces[node].slow_until
        return until is not None and self._clock() < until

    def note(self, node: str, answer_s: float) -> None:
        """An answer of `node` took so long, or did not come in so long."""
        pace = self._paces[node]
        if pace.answer_s is None or (pace.slow_until is not None and not self.is_slow(node)):
            pace.answer_s = answer_s  # tried again: what was before says nothing
        else:
            pace.answer_s += _WEIGHT * (answer_s - pace.answer_s)
        self._judge(node, pace, pace.answer_s)

    def _judge(self, node: str, pace: _Pace, answer_s: float) -> None:
        others = [each for name, each in self.answer_s.items() if name != node]
        if not others:
            return
        limits, now = self._limits, self._clock()
        if answer_s <= max(limits.answer_s_min, limits.times_median * median(others)):
            if pace.slow_until is not None:
                log.info("reader.node.quick", node=node, answer_s=round(answer_s, 3))
            pace.over_since = pace.slow_until = None
        elif pace.over_since is None:
            pace.over_since = now
        elif now - pace.over_since >= limits.after_s and not self.is_slow(node):
            pace.slow_until = now + limits.after_s
            log.warning("reader.node.slow", node=node, answer_s=round(answer_s, 3))
