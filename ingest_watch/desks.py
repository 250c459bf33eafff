"""Which of several intakes serves a source's folders: answers, originals, dispatch notes.

Packages are claimed one by one, by any intake; but what lies in a return folder is written by one
intake at a time, or two would tread on each other's files. A lease for each source, in the
catalogue (`leases`, scope `desk/<source>`). One that lost it in the middle of a round, and writes
before it knows, finds that out when it notes what it wrote: delivery.py has it told again then.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from storage.catalogue import leases
from storage.catalogue.model import Lease, Tenure
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

# Whether this intake serves the folders of the source now.
Serves = Callable[[str], Awaitable[bool]]


class Desks:
    """The leases of one intake. Rounds ask before they write, a few seconds apart."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        holder: str,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        lease_s: float,
    ) -> None:
        """`lease_s`: so long after this intake has gone another one serves its sources."""
        self._lease_s = lease_s
        self._catalogue = catalogue
        self._holder = holder
        self._now = now
        self._clock = clock
        self._held: dict[str, tuple[Lease, float]] = {}  # and when it was renewed

    async def serves(self, source: str) -> bool:
        """Take or keep the lease. Raises CatalogueUnavailable."""
        lease, renewed_s = self._held.pop(source, (None, 0.0))
        asked_s = self._clock()
        if lease is not None and asked_s - renewed_s < self._lease_s / 3:
            self._held[source] = (lease, renewed_s)
            return True
        now = self._now()
        tenure = Tenure(self._holder, to_text(now + timedelta(seconds=self._lease_s)))
        if lease is not None:
            lease = await self._catalogue.do(leases.renew, lease, tenure.expires_at)
        if lease is None:
            lease = await self._catalogue.do(leases.acquire, f"desk/{source}", tenure, to_text(now))
        if lease is not None:
            self._held[source] = (lease, asked_s)
        return lease is not None

    async def release(self) -> None:
        """Let another intake serve at once, at a clean stop."""
        at = to_text(self._now() - timedelta(seconds=1))
        for lease, _ in self._held.values():
            await self._catalogue.do(leases.release, lease, at)
        self._held.clear()
