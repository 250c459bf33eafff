"""What a node writes down: a journal record, then the rows that follow from it.

docs/formats/journal.md; docs/formats/volume.md, steps 8 and 9. Whoever writes, a record that the
medium did not take, or rows that did not follow, condemn everything that is open on the volume.
What the events mean is events.py's affair.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage.volume.events import Event
from storage.volume.index import Index
from storage.volume.journal import Compose, Journal
from storage.volume.refusals import IndexUnwritable, VolumeFull, VolumeRefusal, WriteLost

# Shuts the gate and closes every open operation.
Condemn = Callable[[VolumeRefusal], None]


@dataclass(frozen=True, slots=True)
class Records:
    """The journal and its index, written together. Thread-safe."""

    journal: Journal
    index: Index
    condemn: Condemn

    def write(self, compose: Compose) -> None:
        """Write down what `compose(first sequence, time)` returns; durable when this returns.

        Raises WriteLost, IndexUnwritable or VolumeFull, once the volume is read-only, or
        JournalRotten.
        """
        try:
            self.index.apply(self.journal.append(compose))
        except (WriteLost, IndexUnwritable, VolumeFull) as reason:
            self.condemn(reason)
            raise

    def note(self, event: Event) -> None:
        """`write` for one event that says nothing of its own record."""
        self.write(lambda _sequence, _at: [event])
