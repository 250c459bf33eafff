"""A node as everybody else knows it: its address, its keys, its failure domain."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One storage node, from the configuration's `[[peers]]`."""

    name: str
    endpoint: str  # "tcp://10.1.0.11:5570"
    curve_public_key: str  # Z85, 40 characters: pinned, the connection fails with another
    verify_key: str  # Ed25519 public key of the node's signed answers, 64 hexadecimal digits
    domain: str  # failure domain, `site/room/rack` or one word; two copies never share one
    weight: int = 1  # capacity against that of other nodes: it gets so many shares of objects
