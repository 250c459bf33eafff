"""The role's own port: `/metrics` for Prometheus and `/healthz` for whoever asks if it is well.

Plain HTTP on the address the configuration names, read-only, no page and no secret. Judges
nothing: the role's life cycle says what is alive (`Health`), this module says it aloud.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part of a role as it stands now."""

    name: str
    alive: bool  # it runs and has beaten within its own limit
    last_beat_age_s: float
    status: str  # one sentence


@dataclass(frozen=True, slots=True)
class Health:
    """A role as it stands now; well when it is `running` and every part is alive."""

    role: str
    name: str
    state: str  # "starting", "running", "stopping"
    parts: tuple[PartHealth, ...]

    @property
    def well(self) -> bool:
        """True when this role does all of its work."""
        return self.state == "running" and all(part.alive for part in self.parts)


class HealthServer:
    """Serves the registry and the health of one process; used as an async context."""

    def __init__(
        self, address: str, registry: CollectorRegistry, health: Callable[[], Health]
    ) -> None:
        """Listen at `address` ("127.0.0.1:9401", "[::1]:9401"); port 0 takes any free one."""
        self._host, self._port = split_address(address)
        self._health = health
        application = web.Application()
        application.router.add_get("/metrics", make_aiohttp_handler(registry))
        application.router.add_get("/healthz", self._answer_health)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)

    async def __aenter__(self) -> "HealthServer":
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port it really listens at."""
        port: int = self._runner.addresses[0][1]
        return port

    async def _answer_health(self, _request: web.Request) -> web.Response:
        health = self._health()
        return web.json_response(
            asdict(health),
            status=200 if health.well else 503,
            dumps=lambda value: json.dumps(value, ensure_ascii=False),
        )


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as its two halves. Raises ValueError for anything else."""
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port)
