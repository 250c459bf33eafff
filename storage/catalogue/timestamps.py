"""Moments as the catalogue keeps them: RFC 3339, UTC, always 27 characters.

`2026-11-22T10:31:07.123456Z`: fixed width, so that text order is time order in every database, and
equal to what stands in signed answers. Reads no clock: callers hand the moment over.
"""

from datetime import UTC, datetime


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
