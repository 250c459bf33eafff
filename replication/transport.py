"""ZeroMQ: a listening ROUTER, a connecting DEALER, the ZAP socket. Nothing else imports zmq.

docs/wire/session.md, "Sockets"; docs/decisions/0004. Moves frames only: knows no message, no role,
no session.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from replication.endpoints import (
    BACKLOG_MESSAGES_MAX,
    HANDSHAKE_MS_MAX,
    HIGH_WATER_MESSAGES,
    LINGER_MS,
    MESSAGE_BYTES_MAX,
    RECONNECT_MS_MAX,
    RECONNECT_MS_MIN,
    ZAP_DOMAIN,
    Arrival,
    CurveKeys,
    Handshake,
    PeerGone,
    TransportUnsafe,
)
from replication.messages import FRAMES_MAX
from replication.pump import Pump

# ZAP, RFC 27: the handler's fixed address inside a context.
ZAP_ENDPOINT = "inproc://zeromq.zap.01"
# Sent without a copy from this size on; below, copying is cheaper.
ZERO_COPY_BYTES_MIN = 64 * 1024


class Wire:
    """The process's one ZeroMQ context; ZAP handlers belong to a context, so there is one."""

    def __init__(self) -> None:
        self._context = zmq.Context(io_threads=1)

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        for option, value in _COMMON_OPTIONS.items():
            socket.setsockopt(option, value)
        return socket

    def close(self) -> None:
        """Close every socket, waiting no longer than LINGER_MS for what was said last."""
        self._context.destroy(linger=LINGER_MS)


_COMMON_OPTIONS: dict[int, int] = {
    # A defence before any handshake, too: libzmq buffers a declared frame.
    zmq.MAXMSGSIZE: MESSAGE_BYTES_MAX,
    zmq.HANDSHAKE_IVL: HANDSHAKE_MS_MAX,
    zmq.LINGER: LINGER_MS,
    zmq.SNDHWM: HIGH_WATER_MESSAGES,
    zmq.RCVHWM: HIGH_WATER_MESSAGES,
    zmq.TCP_KEEPALIVE: 1,
    zmq.IMMEDIATE: 1,
    zmq.CONNECT_TIMEOUT: HANDSHAKE_MS_MAX,
    zmq.RECONNECT_IVL: RECONNECT_MS_MIN,
    zmq.RECONNECT_IVL_MAX: RECONNECT_MS_MAX,
    # Never above 0: libzmq 4.3.5 aborts the process when a paused input outlives its timeout.
    zmq.HEARTBEAT_IVL: 0,
}


def _read_message(socket: zmq.Socket[bytes], frames_max: int) -> list[zmq.Frame] | None:
    """One message, or None; of one with too many frames only as many as show that."""
    frames: list[zmq.Frame] = []
    try:
        frame = socket.recv(zmq.NOBLOCK, copy=False)
        frames.append(frame)
        while frame.more:
            frame = socket.recv(copy=False)
            if len(frames) <= frames_max:
                frames.append(frame)
    except zmq.Again:
        return None
    return frames


def _send_message(socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
    *heads, last = frames
    for head in heads:
        socket.send(head, zmq.NOBLOCK | zmq.SNDMORE)
    socket.send(last, zmq.NOBLOCK, copy=len(last) < ZERO_COPY_BYTES_MIN)


class _Backlog:
    """What one peer has not taken yet, in order."""

    def __init__(self) -> None:
        self.waiting: deque[list[bytes]] = deque()
        self.room = asyncio.Event()
        self.room.set()


class NodeListener:
    """A node's ROUTER. `receive` is called on the loop for each message and must not block."""

    def __init__(
        self,
        wire: Wire,
        endpoint: str,
        keys: CurveKeys,
        receive: Callable[[Arrival], None],
    ) -> None:
        self._receive = receive
        self._backlogs: dict[bytes, _Backlog] = {}
        self._socket = wire.socket(zmq.ROUTER)
        self._secure(keys)
        self._assert_secure()
        self._socket.bind(endpoint)
        self.endpoint = str(self._socket.get_string(zmq.LAST_ENDPOINT))
        self._pump = Pump(int(self._socket.getsockopt(zmq.FD)), self)

    def _secure(self, keys: CurveKeys) -> None:
        self._socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        self._socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN.encode())
        self._socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        # Else a send to a peer that is gone, or whose pipe is full, vanishes without a word.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)

    def _assert_secure(self) -> None:
        expected: dict[int, int | bytes] = {
            zmq.CURVE_SERVER: 1,
            zmq.ZAP_DOMAIN: ZAP_DOMAIN.encode(),
            zmq.ZAP_ENFORCE_DOMAIN: 1,
            zmq.MAXMSGSIZE: MESSAGE_BYTES_MAX,
            zmq.HEARTBEAT_IVL: 0,
        }
        for option, value in expected.items():
            if self._socket.getsockopt(option) != value:
                raise TransportUnsafe(f"{zmq.SocketOption(option).name} is not {value!r}")

    def post(self, peer: bytes, header: bytes, data: bytes | None = None) -> None:
        """Send now, or in order as soon as the peer takes it. Raises PeerGone."""
        if self._socket.closed:
            raise PeerGone("the listener is closed")
        message = [peer, header] if data is None else [peer, header, data]
        backlog = self._backlogs.get(peer)
        if backlog is None and self._send(message):
            return
        if backlog is None:
            backlog = self._backlogs[peer] = _Backlog()
        if len(backlog.waiting) >= BACKLOG_MESSAGES_MAX:
            self._drop(peer)
            raise PeerGone(f"a peer did not take {BACKLOG_MESSAGES_MAX} answers")
        backlog.waiting.append(message)
        backlog.room.clear()
        self._pump.plan_later()

    async def send(self, peer: bytes, header: bytes, data: bytes | None) -> None:
        """As `post`, but first wait until the peer has taken what it was sent before."""
        while (backlog := self._backlogs.get(peer)) is not None:
            await backlog.room.wait()
        self.post(peer, header, data)

    def forget(self, peer: bytes) -> None:
        """Drop what still waits for a peer that is gone."""
        self._drop(peer)

    def close(self) -> None:
        self._pump.close()
        for peer in list(self._backlogs):
            self._drop(peer)
        self._socket.close()

    def take(self) -> bool:
        message = _read_message(self._socket, FRAMES_MAX + 1)
        if message is None:
            return False
        route, *frames = message
        # Without authentication there is no User-Id, and so no authority.
        key = ""
        with suppress(zmq.ZMQError, IndexError):
            key = str(frames[-1].get("User-Id"))
        self._receive(Arrival(route.bytes, key, [frame.buffer for frame in frames]))
        return True

    def flush(self) -> None:
        for peer, backlog in list(self._backlogs.items()):
            try:
                while backlog.waiting and self._send(backlog.waiting[0]):
                    backlog.waiting.popleft()
            except PeerGone:
                backlog.waiting.clear()
            if not backlog.waiting:
                self._drop(peer)
        if self._backlogs:
            self._pump.plan_later()

    def _send(self, message: list[bytes]) -> bool:
        try:
            _send_message(self._socket, message)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                raise PeerGone("the peer is not connected any more") from error
            raise
        self._pump.plan()
        return True

    def _drop(self, peer: bytes) -> None:
        backlog = self._backlogs.pop(peer, None)
        if backlog is not None:
            backlog.room.set()


class PeerConnection:
    """A DEALER towards one node. Reconnects by itself; what was on its way then is lost."""

    def __init__(
        self,
        wire: Wire,
        endpoint: str,
        server_key: str,
        keys: CurveKeys,
        receive: Callable[[list[memoryview]], None],
    ) -> None:
        self._receive = receive
        self._room = asyncio.Event()
        self._socket = wire.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
        self._socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        self._socket.connect(endpoint)
        self._pump = Pump(int(self._socket.getsockopt(zmq.FD)), self)

    def post(self, header: bytes, data: bytes | None = None) -> bool:
        """Send now. False when there is no connection, or no room in it."""
        if self._socket.closed:
            return False
        try:
            _send_message(self._socket, [header] if data is None else [header, data])
        except zmq.Again:
            self._room.clear()
            self._pump.plan_later()
            return False
        self._pump.plan()
        return True

    async def send(self, header: bytes, data: bytes | None) -> None:
        """Send as soon as there is room. Raises PeerGone once the connection is closed."""
        while not self.post(header, data):
            await self.wait_for_room()

    async def wait_for_room(self) -> None:
        """Until a connection stands that takes another message. Raises PeerGone once closed."""
        await self._room.wait()
        if self._socket.closed:
            raise PeerGone("the connection was closed")

    def close(self) -> None:
        self._pump.close()
        self._socket.close(linger=0)
        self._room.set()

    def take(self) -> bool:
        message = _read_message(self._socket, FRAMES_MAX)
        if message is None:
            return False
        self._receive([frame.buffer for frame in message])
        return True

    def flush(self) -> None:
        if self._room.is_set():
            return
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT:
            self._room.set()
        else:
            self._pump.plan_later()


class ZapSocket:
    """Where libzmq asks whether a key may come in (ZAP, RFC 27). One for each Wire."""

    def __init__(self, wire: Wire, receive: Callable[[list[bytes]], None]) -> None:
        self._receive = receive
        self._socket = wire.socket(zmq.ROUTER)
        self._socket.bind(ZAP_ENDPOINT)
        self._pump = Pump(int(self._socket.getsockopt(zmq.FD)), self)

    def answer(self, frames: list[bytes]) -> None:
        with suppress(zmq.Again):  # a handshake that is not answered fails, as it should
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        self._pump.plan()

    def close(self) -> None:
        self._pump.close()
        with suppress(zmq.ZMQError):
            self._socket.unbind(ZAP_ENDPOINT)  # at once, so that the next handler can bind
        self._socket.close(linger=0)

    def take(self) -> bool:
        message = _read_message(self._socket, frames_max=16)
        if message is None:
            return False
        self._receive([frame.bytes for frame in message])
        return True

    def flush(self) -> None:
        """Nothing ever waits here."""


def generate_keys() -> CurveKeys:
    public, secret = zmq.curve_keypair()
    return CurveKeys(public.decode(), secret.decode())


def public_key_text(raw: bytes) -> str:
    """Z85 text of the 32 bytes that a ZAP request carries."""
    return z85.encode(raw).decode()


def try_handshake(endpoint: str, server_key: str, keys: CurveKeys, wait_s: float) -> Handshake:
    """Connect and see whether these keys are let in. Blocks: call it in a thread.

    In a context of its own, so that the process's may be closed meanwhile.
    """
    wire = Wire()
    socket = wire.socket(zmq.DEALER)
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    monitor = socket.get_monitor_socket(
        zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    )
    try:
        socket.connect(endpoint)
        return _await_verdict(socket, monitor, time.monotonic() + wait_s)
    finally:
        socket.disable_monitor()
        monitor.close(linger=0)
        socket.close(linger=0)
        wire.close()


def _await_verdict(
    socket: zmq.Socket[bytes], monitor: zmq.Socket[bytes], deadline: float
) -> Handshake:
    while time.monotonic() < deadline:
        # With IMMEDIATE=1 there is room to send only after a handshake that succeeded.
        if socket.poll(0, zmq.POLLOUT):
            return Handshake.ADMITTED
        if not monitor.poll(20):
            continue
        event = parse_monitor_message(monitor.recv_multipart())["event"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return Handshake.ADMITTED
        return Handshake.REFUSED
    return Handshake.SILENT
