"""What the catalogue's columns are made of: types that mean the same in SQLite and PostgreSQL.

Every column is made here so that none goes without its explanation (style rule 14). The tables
themselves are schema.py's.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Text, TypeDecorator

# SQLite numbers rows by itself only when the type is spelt INTEGER; both hold 64 bits.
Number = BigInteger().with_variant(Integer, "sqlite")
# Compared and sorted byte for byte in both databases, as identifiers are.
Exact = Text().with_variant(Text(collation="C"), "postgresql")
Moment = String(27)
Sha256 = String(64)


class Word(TypeDecorator[StrEnum]):
    """One word of a closed set: an enum in Python, its value in the database."""

    impl = String(24)
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, dialect: Any) -> StrEnum | None:
        return None if value is None else self.words(value)


def column(name: str, kind: Any, doc: str, *constraints: Any, null: bool = False) -> Column[Any]:
    """A column that says what it means; `null` says that it may be empty."""
    return Column(name, kind, *constraints, nullable=null, doc=doc)


def number(doc: str) -> Column[Any]:
    """The primary key of a table that numbers its rows."""
    return Column("id", Number, primary_key=True, doc=doc)
