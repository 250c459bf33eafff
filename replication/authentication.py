"""Who may connect at all: the answers to libzmq's question about each key (ZAP, RFC 27).

docs/wire/session.md, "Who is let in". A request that cannot be judged is answered 500, a handler
that dies is replaced, and while there is none nobody is let in. What a key may say once it is in
stands in roles.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.log import get_log
from replication.endpoints import ZAP_DOMAIN
from replication.roles import RoleTable
from replication.transport import Wire, ZapSocket, public_key_text

log = get_log(__name__)

VERSION = b"1.0"
# A key that was cut off for its errors is not let in again for so long.
CUT_OFF_S = 60.0
# Between the death of a handler and the next one.
RESTART_S = 0.2
REQUESTS_WAITING_MAX = 1000

Clock = Callable[[], float]


@dataclass(slots=True)
class AuthenticationCounts:
    """Since the process started."""

    admitted: int = 0
    strangers: int = 0  # keys that the role table does not know
    cut_off: int = 0  # known keys that wait out their time
    malformed: int = 0
    errors: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class ZapRequest:
    """One question, parsed."""

    frames: list[bytes]  # as asked; the first four lead the answer back
    domain: str
    address: str
    public_key: str


class ZapMalformed(ValueError):
    """Frames that are no CURVE request of ZAP 1.0."""


def parse_request(frames: list[bytes]) -> ZapRequest:
    """Raises ZapMalformed."""
    if len(frames) != 9 or frames[1] != b"" or frames[2] != VERSION:
        raise ZapMalformed("not a ZAP 1.0 request with one credential")
    _, _, _, _, domain, address, _, mechanism, credential = frames
    if mechanism != b"CURVE" or len(credential) != 32:
        raise ZapMalformed("only CURVE is spoken here")
    return ZapRequest(
        frames,
        domain.decode("utf-8", "replace"),
        address.decode("utf-8", "replace"),
        public_key_text(credential),
    )


class Authenticator:
    """The process's ZAP handler. `run` serves and replaces it until it is cancelled."""

    def __init__(self, wire: Wire, roles: RoleTable, clock: Clock) -> None:
        self.counts = AuthenticationCounts()
        self.serving = asyncio.Event()
        self._wire = wire
        self._roles = roles
        self._clock = clock
        self._cut_until: dict[str, float] = {}

    @property
    def roles(self) -> RoleTable:
        return self._roles

    def replace_roles(self, roles: RoleTable) -> None:
        """From now on these keys, also for connections that stand: roles are asked each time."""
        self._roles = roles

    def cut_off(self, public_key: str) -> None:
        """Do not let this key connect for a while."""
        self._cut_until[public_key] = self._clock() + CUT_OFF_S

    async def run(self) -> None:
        """Serve for ever. Binds before the first await, so that nobody waits for a handler."""
        while True:
            handler = asyncio.create_task(self._serve(), name="zap-handler")
            try:
                await asyncio.wait([handler])
            finally:
                handler.cancel()
            self.counts.restarts += 1
            error = None if handler.cancelled() else handler.exception()
            log.warning("authentication.handler.died", error=str(error or "cancelled"))
            await asyncio.sleep(RESTART_S)

    async def _serve(self) -> None:
        requests: asyncio.Queue[list[bytes]] = asyncio.Queue(REQUESTS_WAITING_MAX)

        def receive(frames: list[bytes]) -> None:
            # A handshake without an answer fails after its time: the right end for a flood.
            if not requests.full():
                requests.put_nowait(frames)

        socket = ZapSocket(self._wire, receive)
        self.serving.set()
        try:
            while True:
                socket.answer(self.answer(await requests.get()))
        finally:
            self.serving.clear()
            socket.close()

    def answer(self, frames: list[bytes]) -> list[bytes]:
        """The reply to one request. Never raises: what cannot be judged is refused."""
        try:
            return self._judge(parse_request(frames))
        except ZapMalformed as error:
            self.counts.malformed += 1
            return _reply(frames, b"400", str(error))
        except Exception as error:
            self.counts.errors += 1
            log.exception("authentication.request.failed", error=repr(error))
            return _reply(frames, b"500", "the handler failed")

    def _judge(self, request: ZapRequest) -> list[bytes]:
        authority = self._roles.find(request.public_key)
        if authority is None or request.domain != ZAP_DOMAIN:
            self.counts.strangers += 1
            log.info("authentication.stranger.refused", address=request.address)
            return _reply(request.frames, b"400", "this key is not known here")
        if self._cut_until.get(request.public_key, 0.0) > self._clock():
            self.counts.cut_off += 1
            return _reply(request.frames, b"400", "this key was cut off")
        self._cut_until.pop(request.public_key, None)
        self.counts.admitted += 1
        return _reply(request.frames, b"200", "", request.public_key)


def _reply(frames: list[bytes], status: bytes, text: str, user_id: str = "") -> list[bytes]:
    # Route, empty frame, version and request id are the first four of every request.
    padded = [*frames[:4], *[b""] * (4 - min(4, len(frames)))]
    return [padded[0], b"", VERSION, padded[3], status, text.encode(), user_id.encode(), b""]
