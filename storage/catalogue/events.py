"""The ledger of acts: appended to, never changed (the database itself refuses, migration 0001).

PREMIS 3.0 semantic unit 2 (event). Making it provable to outsiders is the custody log's affair.
"""

from sqlalchemy import Connection, insert, select

from storage.catalogue.model import Actor, Event, NewEvent
from storage.catalogue.schema import events

_APPEND = insert(events)


def append(connection: Connection, event: NewEvent, actor: Actor, at: str) -> None:
    """Put one act on record, in the transaction of what it did."""
    values = {
        "at": at,
        "who": actor.who,
        "origin": actor.origin,
        "act": event.act,
        "outcome": event.outcome,
        "transfer_id": event.transfer_id,
        "package_id": event.package_id,
        "node": event.node,
        "detail": event.detail,
    }
    connection.execute(_APPEND, values)


def page(
    connection: Connection,
    *,
    after: int = 0,
    transfer_id: int | None = None,
    package_id: int | None = None,
    limit: int = 100,
) -> list[Event]:
    """Acts in the order of recording, after sequence `after`."""
    query = select(events).where(events.c.sequence > after)
    if transfer_id is not None:
        query = query.where(events.c.transfer_id == transfer_id)
    if package_id is not None:
        query = query.where(events.c.package_id == package_id)
    query = query.order_by(events.c.sequence).limit(limit)
    return [Event(**row) for row in connection.execute(query).mappings()]
