"""Who may say what to a node: the role table, by public key.

docs/wire/README.md, last column of the message table. The key is the one that the connection
proved (CURVE, message property `User-Id`); nothing a peer says of itself counts. Holds values
only; the handshake that consults the table is authentication.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from replication.messages import (
    Account,
    Audit,
    Blocks,
    Chunk,
    Fetch,
    Findings,
    Hello,
    Journal,
    Layout,
    Leaves,
    Mend,
    Objects,
    Ping,
    Put,
    Read,
    Recheck,
    Stat,
    Status,
    Sweep,
    Tell,
    ToNode,
    Tree,
)


class Role(StrEnum):
    """What a key may be used as."""

    NODE = "node"
    INGEST = "ingest"
    NOTARY = "notary"
    KEEPER = "keeper"
    VIEW = "view"
    API = "api"


@dataclass(frozen=True, slots=True)
class Authority:
    """One peer that a node listens to."""

    name: str
    role: Role
    curve_public_key: str  # Z85, 40 characters


EVERYONE = frozenset({Role.NODE, Role.INGEST, Role.KEEPER, Role.VIEW, Role.API})

MAY_SAY: dict[type[ToNode], frozenset[Role]] = {
    Hello: EVERYONE,
    Ping: EVERYONE,
    Status: EVERYONE,
    Put: frozenset({Role.INGEST}),
    Chunk: frozenset({Role.INGEST}),
    Stat: frozenset({Role.INGEST, Role.KEEPER, Role.VIEW, Role.API}),
    Read: frozenset({Role.KEEPER, Role.VIEW, Role.API}),
    Blocks: frozenset({Role.KEEPER, Role.VIEW, Role.API}),
    Objects: frozenset({Role.KEEPER, Role.API}),
    Sweep: frozenset({Role.KEEPER}),
    Account: frozenset({Role.KEEPER, Role.API}),
    Tree: frozenset({Role.KEEPER}),
    Leaves: frozenset({Role.KEEPER}),
    Findings: frozenset({Role.KEEPER}),
    Mend: frozenset({Role.KEEPER}),
    Layout: frozenset({Role.KEEPER}),
    Tell: frozenset({Role.KEEPER}),
    Journal: frozenset({Role.KEEPER}),
    Audit: frozenset({Role.KEEPER}),
    Recheck: frozenset({Role.KEEPER}),
    Fetch: frozenset({Role.NODE}),
}


# What the next version of an object is built on; nothing else of it is the intake's to read.
_INVENTORY = re.compile(r"v[1-9][0-9]*/inventory\.json")


def may_say(role: Role, message: ToNode) -> bool:
    """Whether a peer of this role is heard with this message."""
    if role is Role.INGEST and isinstance(message, Read):
        return _INVENTORY.fullmatch(message.path) is not None
    if role is Role.INGEST and isinstance(message, Tell):
        return message.upto is None  # asks only how far the node has been told
    return role in MAY_SAY[type(message)]


class RoleTable:
    """Every key a node listens to. Replaced as a whole when the configuration changes."""

    def __init__(self, authorities: Iterable[Authority]) -> None:
        self._by_key: dict[str, Authority] = {}
        for authority in authorities:
            known = self._by_key.setdefault(authority.curve_public_key, authority)
            if known != authority:
                raise ValueError(f"{known.name} and {authority.name} have the same public key")

    def find(self, curve_public_key: str) -> Authority | None:
        return self._by_key.get(curve_public_key)
