"""Prove that a stranger is kept out, by being one.

CURVE fails open: a server with a missing domain, or without enforcement, lets everybody in and
says nothing. So a node connects to itself with a key that it has just made, and serves only if
that key was refused. Does not test what known keys may do.
"""

import asyncio
from typing import ClassVar

from replication.endpoints import Handshake, TransportUnsafe
from replication.transport import generate_keys, try_handshake
from storage.errors import Refusal

# Longer than a handshake may take.
VERDICT_S_MAX = 6.0
PERIOD_S = 300.0


class StrangerAdmitted(TransportUnsafe):
    """A key that nobody knows was let in. Stop serving at once (exit 78)."""

    code: ClassVar[str] = "stranger-admitted"


class StrangerUnanswered(Refusal):
    """A stranger was neither let in nor refused: nobody answers for keys. Nobody can connect."""

    code: ClassVar[str] = "stranger-unanswered"


async def prove_strangers_refused(
    endpoint: str, server_key: str, wait_s: float = VERDICT_S_MAX
) -> None:
    """Return only if a fresh random key was refused at `endpoint`.

    Raises StrangerAdmitted or StrangerUnanswered. Run before serving, and every PERIOD_S after.
    """
    keys = generate_keys()
    verdict = await asyncio.to_thread(try_handshake, dialled(endpoint), server_key, keys, wait_s)
    if verdict is Handshake.ADMITTED:
        raise StrangerAdmitted(
            f"a key made up this moment was let in at {endpoint}: the role must not serve; "
            "check that nothing else listens there and that this installation is unaltered"
        )
    if verdict is Handshake.SILENT:
        raise StrangerUnanswered(
            f"nobody answered for a stranger's key at {endpoint} within {wait_s:.0f} s"
        )


def dialled(endpoint: str) -> str:
    """The address at which a bound endpoint is reached from its own host."""
    return endpoint.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
