"""A node's door to the network: open only once a stranger's key was refused at it.

docs/wire/session.md, "Who is let in". The door is opened before the role says it is ready, so that
a node which cannot keep strangers out never serves and is not started again (exit 78).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from daemon.lifecycle import Opening
from replication.authentication import Authenticator
from replication.endpoints import CurveKeys
from replication.node_service import NodeService
from replication.transport import Wire


class Door:
    """The two activities behind a node's port. Both run until the role stops."""

    def __init__(self, authentication: asyncio.Task[None], serving: asyncio.Task[None]) -> None:
        self.authentication = authentication
        self.serving = serving

    async def close(self) -> None:
        """Let nobody in any more."""
        for task in (self.serving, self.authentication):
            task.cancel()
        await asyncio.gather(self.serving, self.authentication, return_exceptions=True)


async def open_door(
    opening: Opening,
    wire: Wire,
    authenticator: Authenticator,
    service: NodeService,
    endpoint: str,
    keys: CurveKeys,
) -> Door:
    """Serve at `endpoint`. Raises TransportUnsafe when a stranger was let in, or whatever else."""
    opening.say(f"Proving that strangers are refused at {endpoint}")
    door = Door(
        _task(authenticator.run(), "authentication"),
        _task(service.run(wire, endpoint, keys), "wire"),
    )
    opening.stack.push_async_callback(door.close)
    proven = asyncio.create_task(service.serving.wait())
    await asyncio.wait(
        {proven, door.authentication, door.serving}, return_when=asyncio.FIRST_COMPLETED
    )
    if not proven.done():
        proven.cancel()
        _raise_why(door)
    return door


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)


def _raise_why(door: Door) -> None:
    ended = next(task for task in (door.serving, door.authentication) if task.done())
    error = ended.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert error is not None, "nothing behind the door ends by itself"
    raise error
