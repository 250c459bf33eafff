"""Sweeps: what each node has read again of its own disk, as it tells the keeper.

Beginning and end of each are acts of the ledger. When a node sweeps is its own affair
(storage/sweep); nothing is concluded here from a sweep that is not on record.
"""

import json
from dataclasses import asdict

from sqlalchemy import Connection, func, select, update

from storage.catalogue import events
from storage.catalogue.model import Actor, NewEvent, NodeSweep
from storage.catalogue.schema import sweeps
from storage.catalogue.statements import insert_new

CLEAN, DAMAGED = "clean", "damaged"
# What an event of a sweep tells of it, besides which one it is.
TOLD = ("started_at", "finished_at", "checked_objects", "read_bytes", "damaged_objects")


def record(connection: Connection, sweep: NodeSweep) -> None:
    """Note how far a sweep is, as often as it is told; its beginning and end are events."""
    if insert_new(connection, sweeps, NodeSweep, asdict(sweep)) is not None:
        _append(connection, sweep, "sweep.started", "done", sweep.started_at)
    elif not _update(connection, sweep):
        return  # its end is on record already
    if sweep.finished_at is not None:
        outcome = DAMAGED if sweep.damaged_objects else CLEAN
        _append(connection, sweep, "sweep.finished", outcome, sweep.finished_at)


def last_finished(connection: Connection, node: str) -> int:
    """The number of the node's last sweep whose end is on record; 0 when there is none."""
    query = select(func.max(sweeps.c.cycle)).where(
        sweeps.c.node == node, sweeps.c.finished_at.is_not(None)
    )
    return connection.scalar(query) or 0


def last_number(connection: Connection, node: str) -> int:
    """The highest number on record under this node's name; 0 when there is none."""
    query = select(func.max(sweeps.c.cycle)).where(sweeps.c.node == node)
    return connection.scalar(query) or 0


def finished_between(connection: Connection, start: str, end: str, limit: int) -> list[NodeSweep]:
    """Sweeps that ended from `start` on and before `end`, in the order of their ends."""
    query = select(sweeps).where(sweeps.c.finished_at >= start, sweeps.c.finished_at < end)
    query = query.order_by(sweeps.c.finished_at, sweeps.c.node).limit(limit)
    return [NodeSweep(**row) for row in connection.execute(query).mappings()]


def _update(connection: Connection, sweep: NodeSweep) -> bool:
    values = asdict(sweep)
    key = {name: values.pop(name) for name in ("node", "cycle")}
    statement = update(sweeps).where(
        sweeps.c.node == key["node"],
        sweeps.c.cycle == key["cycle"],
        sweeps.c.finished_at.is_(None),
    )
    return bool(connection.execute(statement.values(values)).rowcount)


def _append(connection: Connection, sweep: NodeSweep, act: str, outcome: str, at: str) -> None:
    detail = json.dumps({name: value for name, value in asdict(sweep).items() if name != "node"})
    event = NewEvent(act, outcome, node=sweep.node, detail=detail)
    events.append(connection, event, Actor(sweep.node, "sweep"), at)
