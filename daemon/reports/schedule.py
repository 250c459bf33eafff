"""When the next periodic report is due, and of which period: decisions only.

Periods follow each other without a gap, in whole days of UTC; what a keeper missed while it was
down is one long period, because the past state of nodes cannot be asked any more.
"""

from datetime import datetime, timedelta

from storage.catalogue.fixity import Period
from storage.catalogue.timestamps import to_moment, to_text


def due_period(
    reported_until: str | None, first_act_at: str | None, now: datetime, days: int
) -> Period | None:
    """The period to report now, or None while none is over.

    `reported_until` is the end of the last report's; without one, reports begin with the day of
    the first act on record.
    """
    start_text = reported_until or first_act_at
    if start_text is None:
        return None
    start = _midnight(to_moment(start_text))
    whole = (now - start) // timedelta(days=days)
    if whole < 1:
        return None
    return Period(to_text(start), to_text(start + timedelta(days=days * whole)))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
