"""The network between hosts: delays, losses, duplicates, reorderings, partitions, resets.

A route is one connection of a client to a node. As under ZeroMQ nothing tells either end that what
was on its way is gone (knowledge, M9): the product's sessions have to find out. Heartbeats are not
sent as messages; whether they would arrive is asked at each look.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from replication.endpoints import Arrival, PeerGone
from replication.message_codec import decode_from_node, encode
from replication.messages import (
    PROTOCOL,
    FromNode,
    Hello,
    Message,
    Refused,
    Welcome,
)
from replication.peer_link import LinkCounts, LinkOwner
from tests.simulation.scheduler import Process, Scheduler

DEAD_S = 10.0
LOOK_S = 3.0


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """How bad the network is while faults last."""

    delay_s_max: float = 0.05
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0


CALM = NetworkFaults()


@dataclass(slots=True)
class Route:
    """One connection, as both ends know it."""

    client: Process
    node: str
    peer: bytes
    receive: Callable[[list[bytes]], None]
    is_open: bool = True
    last_at: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})


class Network:
    """Carries frames between processes, or does not."""

    def __init__(self, scheduler: Scheduler, chance: Random) -> None:
        self.faults = CALM
        self.cut: set[tuple[str, str]] = set()  # (from, to)
        self.listeners: dict[str, SimulatedListener] = {}
        self.messages = 0
        self._scheduler = scheduler
        self._chance = chance
        self._routes: dict[bytes, Route] = {}
        self._opened = 0

    def open(self, client: Process, node: str, receive: Callable[[list[bytes]], None]) -> Route:
        self._opened += 1
        route = Route(client, node, f"{client.name}/{self._opened}".encode(), receive)
        self._routes[route.peer] = route
        return route

    def close(self, route: Route) -> None:
        route.is_open = False
        self._routes.pop(route.peer, None)

    def route(self, peer: bytes) -> Route | None:
        return self._routes.get(peer)

    def reset_some(self) -> None:
        """ZeroMQ connects again by itself, under another identity; nobody is told."""
        for peer in list(self._routes):
            if self._chance.random() < 0.5:
                self._routes.pop(peer).is_open = False

    def carries(self, one: str, other: str) -> bool:
        return (one, other) not in self.cut

    def is_alive(self, route: Route) -> bool:
        """Whether heartbeats would come and be answered."""
        listener = self.listeners.get(route.node)
        client = route.client.name
        return (
            listener is not None
            and listener.process.is_alive
            and not listener.process.is_frozen
            and listener.greeted(route.peer)
            and self.carries(client, route.node)
            and self.carries(route.node, client)
        )

    def to_node(self, route: Route, frames: list[bytes], key: str) -> None:
        def arrive() -> None:
            listener = self.listeners.get(route.node)
            if listener is not None and listener.process.is_alive:
                listener.process.loop.call_soon(listener.arrive, route.peer, frames, key)

        self._send(route, route.client.name, route.node, arrive, to_node=True)

    def to_client(self, route: Route, frames: list[bytes]) -> None:
        def arrive() -> None:
            if route.client.is_alive:
                route.client.loop.call_soon(route.receive, frames)

        self._send(route, route.node, route.client.name, arrive, to_node=False)

    def _send(
        self, route: Route, one: str, other: str, arrive: Callable[[], None], *, to_node: bool
    ) -> None:
        self.messages += 1
        chance, faults = self._chance, self.faults
        if chance.random() < faults.loss:
            return
        times = 2 if chance.random() < faults.duplication else 1
        for _ in range(times):
            at = self._scheduler.now + chance.uniform(0.0005, faults.delay_s_max)
            if chance.random() >= faults.reordering:
                at = route.last_at[to_node] = max(at, route.last_at[to_node] + 1e-6)

            def arrive_if_carried() -> None:
                if route.is_open and self.carries(one, other):
                    arrive()

            self._scheduler.after(at - self._scheduler.now, arrive_if_carried)


class SimulatedListener:
    """A node's door, as replication.node_service.NodeService uses one."""

    def __init__(
        self,
        network: Network,
        process: Process,
        node: str,
        receive: Callable[[Arrival], None],
        greeted: Callable[[bytes], bool],
    ) -> None:
        self.greeted = greeted
        self.endpoint = f"simulated://{node}"
        self.process = process
        self._network = network
        self._receive = receive
        network.listeners[node] = self

    def arrive(self, peer: bytes, frames: list[bytes], key: str) -> None:
        self._receive(Arrival(peer, key, [memoryview(frame) for frame in frames]))

    def post(self, peer: bytes, header: bytes, data: bytes | None = None) -> None:
        """Raises PeerGone where the route is not known any more."""
        route = self._network.route(peer)
        if route is None:
            raise PeerGone("the connection is gone")
        frames = [header] if data is None else [header, bytes(data)]
        self._network.to_client(route, frames)

    async def send(self, peer: bytes, header: bytes, data: bytes | None = None) -> None:
        self.post(peer, header, data)

    def forget(self, peer: bytes) -> None:
        """Its route stays the client's to close."""

    def close(self) -> None:
        """It ends with its process."""


class SimulatedLink:
    """replication.peer_link.PeerLink over a route: hello, silence, and beginning again."""

    def __init__(
        self, network: Network, process: Process, node: str, role: str, owner: LinkOwner
    ) -> None:
        self.counts = LinkCounts()
        self.welcome: Welcome | None = None
        self.refusal: Refused | None = None
        self._network = network
        self._process = process
        self._node = node
        self._hello = encode(Hello(PROTOCOL, role))
        self._owner = owner
        self._closed = False
        self._heard_at = process.clock()
        self._route = self._connect()
        self._look()

    async def send(self, message: Message, data: bytes | None) -> None:
        """Raises PeerGone when the link is closed."""
        if self._closed:
            raise PeerGone("the link was closed")
        self._post([encode(message)] if data is None else [encode(message), bytes(data)])

    async def close(self) -> None:
        self._closed = True
        self._network.close(self._route)

    def _connect(self) -> Route:
        return self._network.open(self._process, self._node, self._receive)

    def _post(self, frames: list[bytes]) -> None:
        if not self._route.is_open:
            self._route = self._connect()
        self._network.to_node(self._route, frames, key_of(self._process.name))

    def _look(self) -> None:
        """Every few seconds: is the node there, and does it know us?"""
        if self._closed:
            return
        if self.welcome is None:
            self._post([self._hello])
        elif self._network.is_alive(self._route):
            self._heard_at = self._process.clock()
        elif self._process.clock() - self._heard_at > DEAD_S:
            self._begin_again()
        self._process.loop.call_later(LOOK_S, self._look)

    def _begin_again(self) -> None:
        self._lose()
        self._network.close(self._route)
        self._route = self._connect()

    def _lose(self) -> None:
        if self.welcome is not None:
            self.welcome = None
            self.counts.losses += 1
            self._owner.lost()

    def _receive(self, frames: list[bytes]) -> None:
        if self._closed:
            return
        self._heard_at = self._process.clock()
        message: FromNode = decode_from_node(frames)
        match message:
            case Welcome():
                self._greeted(message)
            case Refused(request=None, op_id=None):
                self._refused(message)
            case _:
                data = memoryview(frames[1]) if len(frames) > 1 else None
                self._owner.heard(message, data)

    def _greeted(self, welcome: Welcome) -> None:
        if self.welcome is None:
            self.welcome = welcome
            self.refusal = None
            self._owner.greeted(welcome)

    def _refused(self, refused: Refused) -> None:
        if refused.code == "hello-first":
            self._lose()
            self._post([self._hello])
        elif self.welcome is None or refused.code == "cut-off":
            self.refusal = refused
            self._lose()


def key_of(process: str) -> str:
    """The CURVE key that stands for a process; Z85 text of 40 characters."""
    return process.replace("-", "").ljust(40, "k")
