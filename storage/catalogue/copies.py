"""Copies: one package on one node, as proven or as damaged.

Keeps `packages.copies_committed` true in the same transaction. What to do about a missing copy is
the keeper's affair.
"""

from sqlalchemy import Connection, Select, func, insert, select, update

from storage.catalogue.errors import NoSuchTransfer
from storage.catalogue.model import Copy, CopyState
from storage.catalogue.schema import copies, packages
from storage.model import SignedAnswer


def record(connection: Connection, copy: Copy) -> None:
    """Note a copy and the node's signed answer; a mended copy replaces what was said before.

    The caller has verified the signature.
    """
    assert len(copy.answer.signature) == 64, copy.node
    _lock(connection, copy.package_id)
    values = {
        "domain": copy.domain,
        "state": copy.state,
        "verify_mode": copy.verify_mode,
        "committed_at": copy.committed_at,
        "checked_at": copy.checked_at,
        "answer": copy.answer.payload,
        "signature": copy.answer.signature,
    }
    where = (copies.c.package_id == copy.package_id, copies.c.node == copy.node)
    if not connection.execute(update(copies).where(*where).values(**values)).rowcount:
        key = {"package_id": copy.package_id, "node": copy.node}
        connection.execute(insert(copies).values(key | values))
    recount(connection, copy.package_id)


def mark(connection: Connection, package_id: int, node: str, state: CopyState) -> bool:
    """Note that a copy was found damaged or missing. False when it is so marked already."""
    _lock(connection, package_id)
    statement = update(copies).where(
        copies.c.package_id == package_id, copies.c.node == node, copies.c.state != state
    )
    changed = bool(connection.execute(statement.values(state=state)).rowcount)
    if changed:
        recount(connection, package_id)
    return changed


def checked(connection: Connection, package_id: int, node: str, at: str) -> None:
    """Note that the node re-read its copy whole and found it intact."""
    where = (copies.c.package_id == package_id, copies.c.node == node)
    connection.execute(update(copies).where(*where).values(checked_at=at))


def recount(connection: Connection, package_id: int) -> None:
    """Make `copies_committed` equal to the rows it stands for."""
    good = (
        select(func.count())
        .where(copies.c.package_id == package_id, copies.c.state == CopyState.COMMITTED)
        .scalar_subquery()
    )
    statement = update(packages).where(packages.c.id == package_id)
    connection.execute(statement.values(copies_committed=good))


def of_package(connection: Connection, package_id: int) -> list[Copy]:
    """All copies of one package, by node."""
    query = select(copies).where(copies.c.package_id == package_id).order_by(copies.c.node)
    return _copies(connection, query)


def on_node(connection: Connection, node: str, *, after: int = 0, limit: int = 1000) -> list[Copy]:
    """What one node should hold, in the order of package numbers."""
    query = select(copies).where(copies.c.node == node, copies.c.package_id > after)
    return _copies(connection, query.order_by(copies.c.package_id).limit(limit))


def _lock(connection: Connection, package_id: int) -> None:
    # Two intakes may record copies of one package at once; the count must see both.
    query = select(packages.c.id).where(packages.c.id == package_id).with_for_update()
    if connection.scalar(query) is None:
        raise NoSuchTransfer(f"there is no package {package_id}")


def _copies(connection: Connection, query: Select[tuple[Copy]]) -> list[Copy]:
    found = []
    for row in connection.execute(query).mappings():
        values = dict(row)
        values["answer"] = SignedAnswer(values["answer"], values.pop("signature"))
        found.append(Copy(**values))
    return found
