"""The ledger as people and auditors read it: each act with the object it was done on.

Joins events (events.py) to packages and findings by their indexes. What an act is called abroad is
premis.py's; nothing here changes a row.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_

from storage.catalogue.model import CataloguedFinding, Event
from storage.catalogue.schema import events, findings, packages

FINDING_RECORDED = "finding.recorded"


@dataclass(frozen=True, slots=True)
class RecordedAct:
    """One event, and what it was done on."""

    event: Event
    object_id: str | None
    version: int | None
    finding: CataloguedFinding | None  # of the act finding.recorded


def page(
    connection: Connection, *, after: int = 0, object_id: str | None = None, limit: int = 100
) -> list[RecordedAct]:
    """Acts after sequence `after`, in the order of recording; of one object, or all.

    An object's acts are those on its versions and on the transfers that brought them.
    """
    query = select(events).where(events.c.sequence > after)
    if object_id is not None:
        versions = select(packages.c.id).where(packages.c.object_id == object_id)
        brought = select(events.c.transfer_id).where(
            events.c.package_id.in_(versions), events.c.transfer_id.is_not(None)
        )
        query = query.where(
            or_(events.c.package_id.in_(versions), events.c.transfer_id.in_(brought))
        )
    rows = connection.execute(query.order_by(events.c.sequence).limit(limit)).mappings()
    return _joined(connection, [Event(**row) for row in rows])


def of_acts(names: Iterable[str]) -> ColumnElement[bool]:
    """Acts with one of these names."""
    return events.c.act.in_(list(names))


def of_noun(prefix: str) -> ColumnElement[bool]:
    """Acts whose name begins with `prefix`, such as `audit.`; answered by the index of acts."""
    return (events.c.act >= prefix) & (events.c.act < prefix[:-1] + chr(ord(prefix[-1]) + 1))


def between(
    connection: Connection, which: ColumnElement[bool], start: str, end: str, limit: int
) -> list[RecordedAct]:
    """Acts done from `start` on and before `end`, in the order of doing."""
    query = select(events).where(which, events.c.at >= start, events.c.at < end)
    rows = connection.execute(query.order_by(events.c.at, events.c.sequence).limit(limit))
    return _joined(connection, [Event(**row) for row in rows.mappings()])


def count(
    connection: Connection, which: ColumnElement[bool], start: str, end: str, column: str
) -> Counter[str]:
    """How many acts there were in the same span, by `act` or `outcome`."""
    by = events.c[column]
    query = select(by, func.count()).where(which, events.c.at >= start, events.c.at < end)
    return Counter({row[0]: row[1] for row in connection.execute(query.group_by(by))})


def last(connection: Connection, act: str) -> Event | None:
    """The act of this name that was recorded last."""
    query = select(events).where(events.c.act == act)
    query = query.order_by(events.c.at.desc(), events.c.sequence.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Event(**row)


def latest_of_nodes(connection: Connection, act: str, until: str) -> dict[str, str]:
    """Node → when this act was last done on it, not later than `until`."""
    query = select(events.c.node, func.max(events.c.at).label("at"))
    query = query.where(
        events.c.act == act, events.c.node.is_not(None), events.c.at <= until
    ).group_by(events.c.node)
    return {row.node: row.at for row in connection.execute(query)}


def first_at(connection: Connection) -> str | None:
    """When the first act on record was done; None in an empty ledger."""
    return connection.scalar(select(events.c.at).order_by(events.c.sequence).limit(1))


def details(event: Event) -> dict[str, Any]:
    """The event's detail as members; empty where there is none or it is a sentence."""
    try:
        members = json.loads(event.detail or "{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _joined(connection: Connection, found: list[Event]) -> list[RecordedAct]:
    known = _packages(connection, {event.package_id for event in found})
    damage = _findings(connection, found)
    joined = []
    for event in found:
        members = details(event)
        finding = None
        if event.act == FINDING_RECORDED:
            finding = damage.get((event.node or "", members.get("finding", 0)))
        object_id, version = known.get(event.package_id or 0, (members.get("object_id"), None))
        joined.append(RecordedAct(event, object_id, version, finding))
    return joined


def _packages(
    connection: Connection, numbers: Iterable[int | None]
) -> dict[int, tuple[str | None, int | None]]:
    columns = packages.c.id, packages.c.object_id, packages.c.version
    query = select(*columns).where(packages.c.id.in_([each for each in numbers if each]))
    return {row.id: (row.object_id, row.version) for row in connection.execute(query)}


def _findings(
    connection: Connection, found: Iterable[Event]
) -> dict[tuple[str, int], CataloguedFinding]:
    keys = [
        (event.node, details(event).get("finding", 0))
        for event in found
        if event.act == FINDING_RECORDED
    ]
    query = select(findings).where(tuple_(findings.c.node, findings.c.sequence).in_(keys))
    rows = [CataloguedFinding(**row) for row in connection.execute(query).mappings()]
    return {(row.node, row.sequence): row for row in rows}
