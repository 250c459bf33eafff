"""Ports of the loopback for a demo, kept from every other demo on this machine.

A role binds its port only when it starts, and two demos that were laid out at the same moment
could have drawn the same one. So ports come in blocks: whoever has bound a block's first port owns
the block, and keeps it bound, never listening, until the process ends.
"""

import secrets
import socket

from storage.errors import Refusal

# Below the ports that the kernel hands out: none is taken by chance before its role starts.
_PORTS = range(10000, 32000)
_BLOCK = 16

_owned: list[socket.socket] = []


class NoPortsFree(Refusal):
    """Too many demos run on this machine."""

    code = "no-ports-free"


def own_ports(count: int) -> list[int]:
    """Return `count` free ports, at most 15, that no other caller is given. Raises NoPortsFree."""
    firsts = range(_PORTS.start, _PORTS.stop, _BLOCK)
    for first in secrets.SystemRandom().sample(firsts, len(firsts)):
        owner = _bind(first)
        if owner is None:
            continue
        free = [port for port in range(first + 1, first + _BLOCK) if _is_free(port)]
        if len(free) >= count:
            _owned.append(owner)
            return free[:count]
        owner.close()
    raise NoPortsFree(
        f"there are no {count} ports free between {_PORTS.start} and {_PORTS.stop}:"
        " end other demos. 没有空闲端口,请先结束其他演示。"
    )


def _bind(port: int) -> socket.socket | None:
    owner = socket.socket()
    try:
        owner.bind(("127.0.0.1", port))
    except OSError:
        owner.close()
        return None
    return owner


def _is_free(port: int) -> bool:
    tried = _bind(port)
    if tried is not None:
        tried.close()
    return tried is not None
