"""Text as PostgreSQL can keep it: it knows no NUL, and a sender may put one anywhere.

psycopg refuses such text, which would let one strange package stop an intake. What must be exact,
an identifier, was refused before; of other text the NUL is marked. SQLite keeps it as it is.
"""

from typing import Any

from psycopg.types.string import StrDumper


class TextWithoutNul(StrDumper):
    """Hands text to PostgreSQL, U+FFFD in place of each NUL."""

    def dump(self, text: str) -> Any:
        return super().dump(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))
