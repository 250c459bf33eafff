"""What both ends of a connection share: keys, limits, and how a connection fails.

docs/wire/session.md, "Sockets". Values only; the sockets are transport.py's.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from replication.messages import DATA_BYTES_MAX
from storage.errors import LantaiError

# For each frame: libzmq's only limit, and one that holds before any handshake.
MESSAGE_BYTES_MAX = DATA_BYTES_MAX + 64 * 1024
ZAP_DOMAIN = "lantai"

# A fuse behind the byte credit, in messages: 16 MiB of chunks for each direction.
HIGH_WATER_MESSAGES = 64
HANDSHAKE_MS_MAX = 5_000
RECONNECT_MS_MIN = 100
RECONNECT_MS_MAX = 5_000
LINGER_MS = 500
# A peer that leaves so many answers untaken is gone.
BACKLOG_MESSAGES_MAX = 512


class TransportUnsafe(LantaiError):
    """A socket lacks an option that keeps strangers out. The role must not serve (exit 78)."""

    code = "transport-unsafe"


class PeerGone(LantaiError):
    """There is no connection to this peer, or it does not take what is sent."""

    code = "peer-gone"


class Handshake(StrEnum):
    """How a connection attempt ended."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    SILENT = "silent"  # neither within the time: nobody there, or nobody who answers for keys


@dataclass(frozen=True, slots=True)
class CurveKeys:
    """One role's key pair, in Z85 text."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came. `key` is what the connection proved; `peer` is only a route."""

    peer: bytes
    key: str
    frames: list[memoryview]
