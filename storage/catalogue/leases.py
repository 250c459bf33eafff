"""Leases: who acts for the whole in one scope, with an epoch that only rises.

The epoch goes with every order to a node, and a node that has seen a higher one refuses: so a
keeper that was frozen and wakes up can do no harm. Clocks only decide when a standby may try
(docs/decisions/0016).
"""

from sqlalchemy import ColumnElement, Connection, insert, select, true, update

from storage.catalogue.model import Lease, Tenure
from storage.catalogue.schema import leases
from storage.catalogue.statements import insert_new
from storage.catalogue.timestamps import is_over

KEEPER = "keeper"  # the scope of whoever repairs, moves and compares


def acquire(connection: Connection, scope: str, tenure: Tenure, at: str) -> Lease | None:
    """Take a lease that is free or has expired; None while another holds it.

    Always under a new epoch, so that nothing said under an earlier tenure counts any more, our own
    from before a restart included. Keep it with `renew`.
    """
    held = get(connection, scope)
    if held is None:
        return _first(connection, scope, tenure)
    if held.holder == tenure.holder:
        unrenewed: ColumnElement[bool] = true()
    elif is_over(held.expires_at, tenure.expires_at, at):
        unrenewed = leases.c.expires_at == held.expires_at
    else:
        return None
    return _update(
        connection,
        (leases.c.scope == scope, leases.c.epoch == held.epoch, unrenewed),
        {
            "holder": tenure.holder,
            "epoch": held.epoch + 1,
            "expires_at": tenure.expires_at,
        },
    )


def renew(connection: Connection, lease: Lease, expires_at: str) -> Lease | None:
    """Keep a lease under its epoch; None when it was lost: stop acting at once."""
    where = (
        leases.c.scope == lease.scope,
        leases.c.epoch == lease.epoch,
        leases.c.holder == lease.holder,
    )
    return _update(connection, where, {"expires_at": expires_at})


def release(connection: Connection, lease: Lease, at: str) -> None:
    """Let a standby take over at once, at a clean stop. Does nothing if the lease was lost."""
    renew(connection, lease, at)


def get(connection: Connection, scope: str) -> Lease | None:
    """Who has it, or had it last."""
    query = select(leases).where(leases.c.scope == scope)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Lease(**row)


def keeper_epoch(connection: Connection) -> int:
    """Under which the keeper acts, or acted last; the first one before there was any."""
    held = get(connection, KEEPER)
    return 1 if held is None else max(held.epoch, 1)


def raise_keeper_epoch(connection: Connection, epoch: int, at: str) -> None:
    """No keeper may act under an epoch that nodes have left behind: the lease begins there."""
    held = get(connection, KEEPER)
    if held is None:
        lapsed = {"scope": KEEPER, "holder": "nobody", "epoch": epoch, "expires_at": at}
        connection.execute(insert(leases).values(lapsed))
    elif held.epoch < epoch:
        connection.execute(update(leases).where(leases.c.scope == KEEPER).values(epoch=epoch))


def _first(connection: Connection, scope: str, tenure: Tenure) -> Lease | None:
    new = {"scope": scope, "holder": tenure.holder, "epoch": 1, "expires_at": tenure.expires_at}
    row = insert_new(connection, leases, Lease, new)
    return None if row is None else Lease(*row)


def _update(
    connection: Connection, where: tuple[ColumnElement[bool], ...], values: dict[str, object]
) -> Lease | None:
    statement = update(leases).where(*where).values(values).returning(*leases.c)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Lease(**row)
