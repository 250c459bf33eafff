"""A peer with a good key that says whatever it likes, frame by frame."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import zmq
import zmq.asyncio

from replication.endpoints import CurveKeys
from replication.message_codec import decode_from_node, encode
from replication.messages import FromNode, Hello, Message, Welcome
from replication.peers import Peer

ANSWER_S = 10.0


class RawPeer:
    """One DEALER without any of the product's care."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket

    async def send(self, *frames: bytes) -> None:
        await self._socket.send_multipart(frames)

    async def say(self, message: Message, data: bytes | None = None) -> None:
        await self.send(encode(message), *([] if data is None else [data]))

    async def hear(self) -> tuple[FromNode, bytes]:
        """The next answer; fails when there is none."""
        assert await self._socket.poll(ANSWER_S * 1000), "the node says nothing"
        frames: Sequence[bytes] = await self._socket.recv_multipart()
        return decode_from_node(frames), frames[1] if len(frames) > 1 else b""

    async def hears_nothing(self, within_s: float) -> bool:
        return not await self._socket.poll(within_s * 1000)


@contextmanager
def raw_peer(peer: Peer, keys: CurveKeys, receive_messages_max: int = 1000) -> Iterator[RawPeer]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, receive_messages_max)
    socket.curve_serverkey = peer.curve_public_key.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.connect(peer.endpoint)
    try:
        yield RawPeer(socket)
    finally:
        socket.close()
        context.term()


async def greet(peer: RawPeer, role: str = "ingest") -> None:
    """Say who is there, and be welcomed."""
    await peer.say(Hello(1, role))
    message, _ = await peer.hear()
    assert isinstance(message, Welcome)


def unchecked(**members: object) -> bytes:
    """A header that our own encoder would not write."""
    return msgspec.msgpack.encode(members)
