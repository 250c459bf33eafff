"""Which intake takes the parts of a batch, where there are several: the one that has it staged.

Parts are read from the staged copy of their batch, which lies on one host. Should that host be
gone, nothing more is taken of the batch; then another intake tries a part, does not find its bytes,
and has the batch opened again where it is itself (transfer.py). Pure, but for what it is given.
"""

from collections.abc import Callable

from storage.catalogue.model import Transfer


class BatchTurns:
    """Remembers how far batches are that are staged elsewhere."""

    def __init__(
        self,
        is_staged: Callable[[int], bool],
        clock: Callable[[], float],
        gone_after_s: float,
    ) -> None:
        self._gone_after_s = gone_after_s
        self._is_staged = is_staged
        self._clock = clock
        self._elsewhere: dict[int, tuple[int, float]] = {}  # batch: its first waiting part, since

    def ours(self, waiting: list[Transfer]) -> list[Transfer]:
        """Those of all `waiting` parts, oldest first, that this intake is to take."""
        first: dict[int, int] = {}
        for part in waiting:
            assert part.batch_id is not None, part.id
            first.setdefault(part.batch_id, part.id)
        taken = {batch for batch, part in first.items() if self._is_for_us(batch, part)}
        self._elsewhere = {batch: seen for batch, seen in self._elsewhere.items() if batch in first}
        return [part for part in waiting if part.batch_id in taken]

    def _is_for_us(self, batch: int, part: int) -> bool:
        if self._is_staged(batch):
            self._elsewhere.pop(batch, None)
            return True
        now_s = self._clock()
        seen, since_s = self._elsewhere.get(batch, (None, now_s))
        if seen != part:
            since_s = now_s
        self._elsewhere[batch] = (part, since_s)
        return now_s - since_s >= self._gone_after_s
