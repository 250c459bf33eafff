"""Absences: nodes that an operator said are away by plan, each until a moment that was named.

docs/operations/absence.md. The ledger is the record: `node.away` opens an absence, `node.back` or
its own end closes it, so a rebuilt catalogue knows it too. What follows from one is the keeper's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from storage.catalogue import events
from storage.catalogue.acts import details
from storage.catalogue.model import Actor, Event, NewEvent
from storage.catalogue.schema import events as ledger

NODE_AWAY = "node.away"
NODE_BACK = "node.back"


@dataclass(frozen=True, slots=True)
class Absence:
    """A node that is away by plan: its copies are no damage, and no good copies either."""

    node: str
    since: str
    until: str
    reason: str
    who: str


def begin(
    connection: Connection, node: str, until: str, reason: str, actor: Actor, at: str
) -> None:
    """Note that `node` is away from now on; said again, it replaces what was said before."""
    assert until > at, (until, at)
    detail = json.dumps({"until": until, "reason": reason}, ensure_ascii=False)
    events.append(connection, NewEvent(NODE_AWAY, "done", node=node, detail=detail), actor, at)


def end(connection: Connection, node: str, reason: str, actor: Actor, at: str) -> bool:
    """Note that `node` is back before its time. False when it was not away."""
    if node not in nodes_of(present(connection, at)):
        return False
    detail = json.dumps({"reason": reason}, ensure_ascii=False)
    events.append(connection, NewEvent(NODE_BACK, "done", node=node, detail=detail), actor, at)
    return True


def present(connection: Connection, at: str) -> list[Absence]:
    """Every absence that lasts at this moment, by node; `ix_events_act` answers."""
    newest = (
        select(func.max(ledger.c.sequence))
        .where(ledger.c.act.in_((NODE_AWAY, NODE_BACK)))
        .group_by(ledger.c.node)
    )
    query = select(ledger).where(ledger.c.sequence.in_(newest), ledger.c.act == NODE_AWAY)
    said = (Event(**row) for row in connection.execute(query.order_by(ledger.c.node)).mappings())
    return [absence for absence in map(_absence, said) if absence.until > at]


def nodes_of(absences: Iterable[Absence]) -> frozenset[str]:
    """Who is away."""
    return frozenset(absence.node for absence in absences)


def _absence(event: Event) -> Absence:
    members = details(event)
    assert event.node is not None, event.sequence
    return Absence(event.node, event.at, members["until"], members["reason"], event.who)
