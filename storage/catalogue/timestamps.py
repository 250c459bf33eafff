"""Moments as the catalogue keeps them: RFC 3339, UTC, always 27 characters.

`2026-11-22T10:31:07.123456Z`: fixed width, so that text order is time order in every database, and
equal to what stands in signed answers. Reads no clock: callers hand the moment over.
"""

from datetime import UTC, datetime

# Tenures are all about as long, and clocks differ by less than that: what reaches so many times as
# far as ours was written by a clock that had jumped.
_TOO_FAR = 10


def to_text(moment: datetime) -> str:
    """Write `moment`, which must know its time zone."""
    assert moment.tzinfo is not None, "a moment without a time zone says nothing"
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_moment(text: str) -> bool:
    """Whether `text` is what `to_text` writes; a stranger's may be anything."""
    try:
        return to_text(to_moment(text)) == text
    except (ValueError, AssertionError):
        return False


def to_moment(text: str) -> datetime:
    """Read what `to_text` wrote, or any other RFC 3339 text with a time zone."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, text
    return moment


def is_over(expires_at: str, ours: str, at: str) -> bool:
    """Whether a tenure until `expires_at` is over at `at`; `ours` is how long we would have it.

    One that reaches far beyond ours binds nobody: its holder's clock was wrong, or ours is. Who is
    taken for gone and is not does no harm, because every order carries its epoch.
    """
    moment = to_moment(at)
    return expires_at < at or to_moment(expires_at) - moment > _TOO_FAR * (to_moment(ours) - moment)
