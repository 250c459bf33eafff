"""Find the partitions in which two hash trees differ, asking for as few branches as can be.

docs/wire/tree.md, "Order of a comparison". Pure: comparison.py asks, this says what to ask next.
"""

from collections.abc import Sequence

from storage.hash_tree.branch import FANOUT, LEVELS, Subtree, children_of, partitions_below

Place = tuple[int, int]  # level, index


class Descent:
    """One comparison with one other side. Ask all that is `wanted`, and `hear` the answers."""

    def __init__(self, own: Sequence[Subtree]) -> None:
        """`own`: all partitions of this side."""
        self.wanted: list[Place] = [(0, 0)]
        self.asked = 0
        self.differing: dict[int, Subtree] = {}  # partition → what the other side has there
        self._own = own

    def hear(self, place: Place, children: Sequence[Subtree]) -> None:
        """The other side's children of an inner node that was wanted."""
        assert len(children) == FANOUT
        self.wanted.remove(place)
        self.asked += 1
        level, index = place
        below = partitions_below(level, index)
        own = children_of(level, self._own[below.start : below.stop])
        for number, (mine, other) in enumerate(zip(own, children, strict=True), index * FANOUT):
            if mine == other:
                continue
            if level + 1 == LEVELS:
                self.differing[number] = other
            else:
                self.wanted.append((level + 1, number))
