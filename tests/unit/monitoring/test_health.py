"""The role's own port, asked over real HTTP."""

import aiohttp
import pytest

from monitoring.health import Health, HealthServer, PartHealth, split_address
from monitoring.metrics import NodeMetrics, new_registry


def health(*, alive: bool = True, state: str = "running") -> Health:
    return Health("node", "node-1", state, (PartHealth("sweep", alive, 0.5, "读取 120 MB/s"),))


async def get(server: HealthServer, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_a_role_that_is_well_answers_200_with_its_parts() -> None:
    registry = new_registry("node", "node-1")
    async with HealthServer("127.0.0.1:0", registry, health) as server:
        status, text = await get(server, "/healthz")
    assert status == 200
    assert '"role": "node"' in text
    assert "读取 120 MB/s" in text


@pytest.mark.parametrize("ill", [health(alive=False), health(state="starting")])
async def test_a_role_that_is_not_well_answers_503(ill: Health) -> None:
    async with HealthServer("127.0.0.1:0", new_registry("node", "n"), lambda: ill) as server:
        status, _text = await get(server, "/healthz")
    assert status == 503


async def test_the_metrics_page_is_asked_of_the_registry() -> None:
    registry = new_registry("node", "node-1")
    NodeMetrics(registry).objects.set(7)
    async with HealthServer("127.0.0.1:0", registry, health) as server:
        status, text = await get(server, "/metrics")
    assert status == 200
    assert "lantai_node_objects 7.0" in text


def test_an_address_has_a_host_and_a_port() -> None:
    assert split_address("127.0.0.1:9401") == ("127.0.0.1", 9401)
    assert split_address("[::1]:9401") == ("::1", 9401)
    for wrong in ("9401", ":9401", "host:", "host:70000", "host:http"):
        with pytest.raises(ValueError, match="host:port"):
            split_address(wrong)
