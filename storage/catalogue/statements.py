"""Statements built once and executed often.

Putting a statement together costs SQLAlchemy several times what SQLite needs to carry it out, and
a package takes some thirty of them on its way. So those that are hot are built once, with named
parameters. Knows no table and no meaning.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Table,
    Update,
    bindparam,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

# The same words in both, but SQLAlchemy keeps them apart.
_INSERT: dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@cache
def columns_of(table: Table, value: type) -> tuple[ColumnElement[Any], ...]:
    """The columns of `table` in the order of the fields of the dataclass `value`."""
    return tuple(table.c[field.name] for field in dataclasses.fields(value))


def insert_new(
    connection: Connection, table: Table, value: type, values: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """Insert a row and return it in the order of `value`; None if a unique one is there already.

    Only a clash is passed over: any other broken constraint raises IntegrityError.
    """
    statement = _insertion(table, value, connection.dialect.name)
    return _tuple(connection.execute(statement, dict(values)))


@cache
def _insertion(table: Table, value: type, dialect: str) -> Executable:
    statement = _INSERT[dialect](table).on_conflict_do_nothing()
    return statement.returning(*columns_of(table, value))


class RowChange:
    """Conditional changes of one row of a table, whichever conditions and columns they name.

    A condition `x` may have one parameter, which is called `by_x`.
    """

    def __init__(
        self, table: Table, value: type, conditions: Mapping[str, ColumnElement[bool]]
    ) -> None:
        self._table = table
        self._value = value
        self._conditions = conditions
        self._built: dict[tuple[tuple[str, ...], tuple[str, ...]], Update] = {}

    def apply(
        self, connection: Connection, where: Mapping[str, Any], values: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """Set `values` if all of `where` hold; the row in the order of the value, or None.

        `where` gives each condition its parameter, None to one that has none.
        """
        names = tuple(where), tuple(values)
        statement = self._built.get(names)
        if statement is None:
            statement = self._built[names] = self._build(*names)
        parameters = {f"by_{name}": given for name, given in where.items() if given is not None}
        parameters |= {f"new_{name}": new for name, new in values.items()}
        return _tuple(connection.execute(statement, parameters))

    def _build(self, conditions: tuple[str, ...], names: tuple[str, ...]) -> Update:
        new = {name: bindparam(f"new_{name}", type_=self._table.c[name].type) for name in names}
        where = [self._conditions[condition] for condition in conditions]
        statement = update(self._table).where(*where).values(new)
        return statement.returning(*columns_of(self._table, self._value))


def _tuple(result: CursorResult[Any]) -> tuple[Any, ...] | None:
    row = result.one_or_none()
    return None if row is None else tuple(row)
