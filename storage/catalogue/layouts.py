"""Layouts as the keeper signed them, and which node has signed for which.

docs/formats/layout.md. Bytes only: what they say is replication's to read. A version is inserted
once and never changed, so of two keepers that make the same one only the first does.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from storage.catalogue import events
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.schema import layouts, members, transfers
from storage.catalogue.statements import insert_new

LAYOUT_MADE = "layout.made"


@dataclass(frozen=True, slots=True)
class KeptLayout:
    """One version, as it is on record."""

    version: int
    payload: bytes
    signature: bytes
    made_at: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """What a node has signed for, and whether it must still be verified."""

    node: str
    layout_version: int
    node_uuid: str
    acked_at: str
    transfers_before: int
    sweep_cycle: int | None


def newest(connection: Connection) -> KeptLayout | None:
    """The layout that holds, or None before the first."""
    query = select(layouts).order_by(layouts.c.version.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else KeptLayout(**row)


def newest_version(connection: Connection) -> int:
    """Its number; 0 before the first."""
    query = select(layouts.c.version).order_by(layouts.c.version.desc()).limit(1)
    return connection.scalar(query) or 0


def add(connection: Connection, new: KeptLayout, event: NewEvent, actor: Actor) -> bool:
    """Put a version on record with the event that tells of it. False when it is there already."""
    values = {name: getattr(new, name) for name in KeptLayout.__slots__}
    if insert_new(connection, layouts, KeptLayout, values) is None:
        return False
    events.append(connection, event, actor, new.made_at)
    return True


def rows(connection: Connection) -> dict[str, MemberRow]:
    """Node → what is known of it."""
    found = connection.execute(select(members).order_by(members.c.node)).mappings()
    return {row["node"]: MemberRow(**row) for row in found}


def acknowledge(connection: Connection, node: str, version: int, node_uuid: str, at: str) -> None:
    """Note that a node has this version on its disk, by its own signature."""
    _set(
        connection,
        node,
        layout_version=version,
        node_uuid=node_uuid,
        acked_at=at,
        transfers_before=connection.scalar(select(func.max(transfers.c.id))) or 0,
    )


def came_back(connection: Connection, node: str, sweep_cycle: int | None) -> None:
    """Note which sweep a node that came back was at; None once it was verified."""
    _set(connection, node, sweep_cycle=sweep_cycle)


def _set(connection: Connection, node: str, **values: object) -> None:
    blank = MemberRow(node, 0, "", "", 0, None)
    known = {name: getattr(blank, name) for name in MemberRow.__slots__}
    if insert_new(connection, members, MemberRow, known | values) is None:
        connection.execute(update(members).where(members.c.node == node).values(values))
