"""Suspects: nodes that are neither a source nor a target of mending until a person says otherwise.

docs/wire/audit.md. Who suspects a node says why; releasing it is a person's act, and on record.
"""

import json

from sqlalchemy import Connection, delete, select

from storage.catalogue import events
from storage.catalogue.model import Actor, NewEvent, Suspect
from storage.catalogue.schema import suspects
from storage.catalogue.statements import insert_new

NODE_SUSPECTED = "node.suspected"
NODE_TRUSTED = "node.trusted"


def name(connection: Connection, node: str, reason: str, actor: Actor, at: str) -> bool:
    """Note that a node is not to be believed. False when that is known already."""
    new = insert_new(connection, suspects, Suspect, {"node": node, "since": at, "reason": reason})
    if new is not None:
        detail = json.dumps({"reason": reason}, ensure_ascii=False)
        event = NewEvent(NODE_SUSPECTED, "suspect", node=node, detail=detail)
        events.append(connection, event, actor, at)
    return new is not None


def release(connection: Connection, node: str, reason: str, actor: Actor, at: str) -> bool:
    """A person says that a node is to be believed again. False when it was all the time."""
    done = connection.execute(delete(suspects).where(suspects.c.node == node))
    if done.rowcount:
        detail = json.dumps({"reason": reason}, ensure_ascii=False)
        events.append(
            connection, NewEvent(NODE_TRUSTED, "done", node=node, detail=detail), actor, at
        )
    return bool(done.rowcount)


def all_of(connection: Connection) -> list[Suspect]:
    """Every node that is not to be believed."""
    query = select(suspects).order_by(suspects.c.node)
    return [Suspect(**row) for row in connection.execute(query).mappings()]
