"""Turns of the event loop for a socket whose descriptor is edge-triggered, as ZeroMQ's is.

zmq_getsockopt(3), ZMQ_FD. No thread and no future for each message: what has arrived is taken in
bursts, which is several times cheaper than awaiting each. Reads and writes nothing itself.
"""

import asyncio
from typing import Protocol

# So many messages are taken before other work on the loop gets its turn.
BURST_MESSAGES = 64
# Room in a ROUTER's pipe to one peer is not in every case announced on the descriptor.
LATER_S = 0.05


class PumpedSocket(Protocol):
    """What the pump asks of its owner."""

    def take(self) -> bool:
        """Handle one message; False when there is none."""
        ...

    def flush(self) -> None:
        """Send what has been waiting for room."""
        ...


class Pump:
    """Calls its owner whenever the socket may be read or written.

    After anything was sent or received the state may have changed without another edge, so each
    turn ends with an empty socket or another turn planned, and whoever sends plans one.
    """

    def __init__(self, descriptor: int, owner: PumpedSocket) -> None:
        self._owner = owner
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.Handle | None = None
        self._loop.add_reader(descriptor, self._turn)
        self.plan()

    def plan(self) -> None:
        """Have another turn at once."""
        if self._soon is None and not self._closed:
            self._soon = self._loop.call_soon(self._turn_soon)

    def plan_later(self) -> None:
        """Have another turn even if the descriptor says nothing."""
        if self._later is None and not self._closed:
            self._later = self._loop.call_later(LATER_S, self._turn_later)

    def close(self) -> None:
        """No more turns. Before the socket is closed, because its descriptor goes with it."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._descriptor)
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()

    def _turn_soon(self) -> None:
        self._soon = None
        self._turn()

    def _turn_later(self) -> None:
        self._later = None
        self._turn()

    def _turn(self) -> None:
        if self._closed:
            return
        self._owner.flush()
        for _ in range(BURST_MESSAGES):
            # A handler may close its own socket.
            if self._closed or not self._owner.take():
                return
        self.plan()
