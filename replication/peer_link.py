"""A standing connection to one node: hello, heartbeats, and beginning again when it is lost.

docs/wire/session.md, "The connecting side". ZeroMQ reconnects by itself without a word, and what
was on its way is gone; a link notices by `hello-first` or by silence, and tells its owner. Knows
nothing of what is said between `greeted` and `lost`.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from monitoring.log import get_log
from replication.endpoints import CurveKeys
from replication.message_codec import decode_from_node, encode
from replication.messages import (
    PROTOCOL,
    FromNode,
    Hello,
    MalformedMessage,
    Message,
    Ping,
    Pong,
    Refused,
    Welcome,
)
from replication.peers import Peer
from replication.transport import PeerConnection, Wire

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class LinkPatience:
    """How long to wait for signs of life.

    Any message is one: on a slow line pongs wait behind chunks, and acknowledgements tell.
    """

    heartbeat_s: float = 1.0
    dead_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connects: a role and its keys."""

    role: str
    keys: CurveKeys


class LinkOwner(Protocol):
    """Whose link it is."""

    def greeted(self, welcome: Welcome) -> None: ...
    def lost(self) -> None: ...
    def heard(self, message: FromNode, data: memoryview | None) -> None: ...


@dataclass(slots=True)
class LinkCounts:
    """Since the process started."""

    greetings: int = 0
    losses: int = 0
    malformed: int = 0


class PeerLink:
    """One DEALER at a time towards one node."""

    def __init__(
        self, wire: Wire, peer: Peer, caller: Caller, owner: LinkOwner, patience: LinkPatience
    ) -> None:
        self.counts = LinkCounts()
        self.welcome: Welcome | None = None  # while the node knows us
        self.refusal: Refused | None = None  # why the node would not greet us, if it said so
        self._wire = wire
        self._peer = peer
        self._keys = caller.keys
        self._hello = encode(Hello(PROTOCOL, caller.role))
        self._owner = owner
        self._patience = patience
        self._heard_at = time.monotonic()
        self._sequence = 0
        self._closed = False
        self._connection = self._connect()
        self._beats = asyncio.create_task(self._beat(), name=f"link-{peer.name}")

    async def send(self, message: Message, data: bytes | None) -> None:
        """Send header and data as soon as there is room. Raises PeerGone when the link is reset."""
        await self._connection.send(encode(message), data)

    async def close(self) -> None:
        self._closed = True
        self._beats.cancel()
        with suppress(asyncio.CancelledError):
            await self._beats
        self._connection.close()

    def _connect(self) -> PeerConnection:
        return PeerConnection(
            self._wire, self._peer.endpoint, self._peer.curve_public_key, self._keys, self._receive
        )

    async def _beat(self) -> None:
        while True:
            if self.welcome is None:
                await self._say_hello()
            else:
                self._sequence += 1
                self._connection.post(encode(Ping(self._sequence)))
            await asyncio.sleep(self._patience.heartbeat_s)
            silent_s = time.monotonic() - self._heard_at
            if self.welcome is not None and silent_s > self._patience.dead_s:
                self._begin_again()

    async def _say_hello(self) -> None:
        """As soon as a connection stands."""
        while self.welcome is None and not self._connection.post(self._hello):
            await self._connection.wait_for_room()

    def _begin_again(self) -> None:
        """The node fell silent: its socket may be half open, so take another."""
        log.warning("wire.node.silent", node=self._peer.name, silent_s=self._patience.dead_s)
        self._lose()
        self._connection.close()
        self._connection = self._connect()

    def _lose(self) -> None:
        if self.welcome is None:
            return
        self.welcome = None
        self.counts.losses += 1
        self._owner.lost()

    def _receive(self, frames: list[memoryview]) -> None:
        if self._closed:
            return
        self._heard_at = time.monotonic()
        try:
            message = decode_from_node(frames)
        except MalformedMessage as error:
            self.counts.malformed += 1
            log.warning("wire.node.malformed", node=self._peer.name, reason=str(error))
            return
        match message:
            case Welcome():
                self._greeted(message)
            case Pong():
                pass
            case Refused(request=None, op_id=None):
                self._refused(message)
            case _:
                self._owner.heard(message, frames[1] if len(frames) > 1 else None)

    def _greeted(self, welcome: Welcome) -> None:
        if self.welcome is not None:
            return  # an answer to a hello that was said twice
        self.welcome = welcome
        self.refusal = None
        self.counts.greetings += 1
        log.info("wire.node.greeted", node=welcome.node, epoch=welcome.epoch)
        self._owner.greeted(welcome)

    def _refused(self, refused: Refused) -> None:
        """The connection itself is refused: it is a new one to the node, or not wanted."""
        if refused.code == "hello-first":
            self._lose()
            self._connection.post(self._hello)
            return
        log.warning("wire.node.refuses", node=self._peer.name, code=refused.code)
        if self.welcome is None or refused.code == "cut-off":
            self.refusal = refused
            self._lose()
