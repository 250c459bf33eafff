"""A client of one node: the product's, its link a simulated one."""

from typing import Any, cast

from replication.endpoints import CurveKeys
from replication.node_client import NodeClient
from replication.peer_link import PeerLink
from replication.peers import Peer
from replication.transport import Wire
from tests.simulation.network import Network, SimulatedLink, key_of
from tests.simulation.scheduler import Process


class SimulatedClient(NodeClient):
    """`connect` opens a route of the simulated network."""

    def __init__(self, network: Network, process: Process, peer: Peer, role: str) -> None:
        keys = CurveKeys(key_of(process.name), "")
        wire: Any = None
        super().__init__(cast("Wire", wire), peer, keys, role, clock=process.clock)
        self._network = network
        self._process = process
        self._role = role

    async def connect(self) -> None:
        link: Any = SimulatedLink(self._network, self._process, self.peer.name, self._role, self)
        self._link = cast("PeerLink", link)
