"""Rows of the catalogue's tables as plain members, and back: for what leaves or enters a database.

docs/formats/chronicle.md, "Rows". Bytes are told as text where they are UTF-8, as base64 where not.
Which rows go where is for chronicle.py and replay.py to say.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, LargeBinary, Table

from storage.catalogue.schema import metadata
from storage.chronicle.bytes_told import read_bytes, told_bytes
from storage.chronicle.page import PageMalformed, Row, Value


def image_of(table: Table, row: Mapping[Any, Any]) -> Row:
    """One row as it is told; of members it lacks nothing is said."""
    return Row(
        str(table.name),
        {
            str(column.name): _told(row[column.name])
            for column in _told_of(table)
            if column.name in row
        },
    )


def _told_of(table: Table) -> Iterator[Column[Any]]:
    """Its columns but for those that follow from others (`info`): they are made anew."""
    return (column for column in table.c if "follows_from" not in column.info)


def values_of(row: Row) -> dict[str, Any]:
    """The members of an image as a statement takes them; those that are unknown here are left out.

    Raises PageMalformed.
    """
    table = metadata.tables.get(row.table)
    if table is None:
        raise PageMalformed(f"nothing is told of a table {row.table!r}")
    return {
        column.name: _read(row.values[column.name], isinstance(column.type, LargeBinary))
        for column in table.c
        if column.name in row.values
    }


def _told(value: Any) -> Value:
    if isinstance(value, bytes | memoryview):
        return told_bytes(bytes(value))
    if isinstance(value, StrEnum):
        return value.value
    assert value is None or isinstance(value, str | int), "columns hold text, numbers or bytes"
    return value


def _read(value: Value, is_bytes: bool) -> Any:
    return read_bytes(value) if is_bytes and value is not None else value
