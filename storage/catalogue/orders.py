"""Orders to the keeper: what a person asked for the whole, and what came of it.

Asked through any role's control socket, carried out by whoever holds the keeper's lease, oldest
first. What a verb means is the keeper's affair.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from storage.catalogue import events
from storage.catalogue.errors import IllegalTransition, NoSuchTransfer
from storage.catalogue.model import Actor, NewEvent, Order, OrderState
from storage.catalogue.schema import orders


@dataclass(frozen=True, slots=True)
class Duty:
    """Which orders one part of the keeper takes: those that begin with a word, or all others.

    So an order that takes hours keeps none waiting that takes a moment.
    """

    words: tuple[str, ...]
    is_all_others: bool = False

    def condition(self) -> ColumnElement[bool]:
        """As SQL."""
        begins = or_(
            *(orders.c.verb.startswith(f"{word}.", autoescape=True) for word in self.words)
        )
        return ~begins if self.is_all_others else begins


AUDITS = Duty(("audit",))
NODES = Duty(("node",))
ALL_OTHERS = Duty(("audit", "node"), is_all_others=True)


def place(connection: Connection, verb: str, arguments: str, actor: Actor, at: str) -> Order:
    """Ask for something. `arguments` is a JSON object, or empty."""
    statement = insert(orders).values(
        verb=verb,
        arguments=arguments,
        state=OrderState.WAITING,
        requested_by=actor.who,
        requested_from=actor.origin,
        requested_at=at,
        result="",
    )
    row = connection.execute(statement.returning(*orders.c)).mappings().one()
    placed = Order(**row)
    events.append(connection, NewEvent(f"order.{verb}", "placed", detail=arguments), actor, at)
    return placed


def start_next(connection: Connection, holder: str, at: str, duty: Duty) -> Order | None:
    """Take the oldest waiting order of `duty`, or None. One keeper at a time holds the lease."""
    oldest = select(orders.c.id).where(orders.c.state == OrderState.WAITING, duty.condition())
    oldest = oldest.order_by(orders.c.id).limit(1).with_for_update(skip_locked=True)
    number = connection.scalar(oldest)
    if number is None:
        return None
    statement = update(orders).where(orders.c.id == number, orders.c.state == OrderState.WAITING)
    values = {"state": OrderState.RUNNING, "started_by": holder, "started_at": at}
    row = connection.execute(statement.values(values).returning(*orders.c)).mappings()
    found = row.one_or_none()
    return None if found is None else Order(**found)


def finish(connection: Connection, order_id: int, state: OrderState, result: str, at: str) -> Order:
    """Note what came of a running order. Raises IllegalTransition if it is not running."""
    assert state in (OrderState.DONE, OrderState.FAILED), state
    statement = update(orders).where(orders.c.id == order_id, orders.c.state == OrderState.RUNNING)
    values = {"state": state, "finished_at": at, "result": result}
    row = connection.execute(statement.values(values).returning(*orders.c)).mappings()
    found = row.one_or_none()
    if found is None:
        known = get(connection, order_id)
        raise IllegalTransition(f"order {order_id} is {known.state}, not running")
    done = Order(**found)
    event = NewEvent(f"order.{done.verb}", str(state), detail=result)
    events.append(connection, event, Actor.of_holder(done.started_by or ""), at)
    return done


def running(connection: Connection, duty: Duty) -> list[Order]:
    """Orders that were begun and not finished: a new keeper carries them on or fails them."""
    query = select(orders).where(orders.c.state == OrderState.RUNNING, duty.condition())
    return [Order(**row) for row in connection.execute(query.order_by(orders.c.id)).mappings()]


def get(connection: Connection, order_id: int) -> Order:
    """Raises NoSuchTransfer if there is none."""
    row = connection.execute(select(orders).where(orders.c.id == order_id)).mappings()
    found = row.one_or_none()
    if found is None:
        raise NoSuchTransfer(f"there is no order {order_id}")
    return Order(**found)


def page(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[Order]:
    """Orders, newest first."""
    query = select(orders).order_by(orders.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(orders.c.id < before)
    return [Order(**row) for row in connection.execute(query).mappings()]
