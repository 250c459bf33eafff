"""How far a node has been told of the ledger, to and from the wire.

docs/wire/README.md (`tell`, `told`); what a position means stands in storage/chronicle/page.py.
"""

from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from storage.chronicle.page import Page, PageMalformed, Position


class ToldUpTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events and answers up to these numbers, and the chain hash behind the event."""

    event_sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    answer_id: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    chain: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Telling(Protocol):
    """The members of `tell` that say where its page belongs."""

    @property
    def after(self) -> ToldUpTo | None: ...
    @property
    def upto(self) -> ToldUpTo | None: ...
    @property
    def as_of(self) -> int: ...


def to_wire(position: Position) -> ToldUpTo:
    return ToldUpTo(position.event_sequence, position.answer_id, position.chain)


def from_wire(told: ToldUpTo) -> Position:
    return Position(told.event_sequence, told.answer_id, told.chain)


def page_of(telling: Telling, body: bytes | None) -> Page | None:
    """The page that is told; None when only the position is asked. Raises PageMalformed."""
    if telling.after is None and telling.upto is None and body is None:
        return None
    if telling.after is None or telling.upto is None or body is None:
        raise PageMalformed("a page has a place before it, a place behind it, and a body")
    return Page(from_wire(telling.after), from_wire(telling.upto), telling.as_of, body)
