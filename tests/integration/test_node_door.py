"""A real node process at its door: who is refused is counted, and the process lives on.

What each refusal looks like on the wire is tests/integration/test_wire_strangers.py's; here the
node is the shipped one, with its own volume, keys, role table and metrics.
"""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo.layout import DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances
from daemon.keys import KeyFolder
from daemon.roles.openings import peers_of
from replication.endpoints import CurveKeys, Handshake
from replication.messages import DATA_BYTES_MAX, Hello, Refused, Welcome
from replication.peers import Peer
from replication.transport import generate_keys, try_handshake
from tests.appliance_figures import figure
from tests.integration.raw_peer import RawPeer, raw_peer, unchecked

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """An appliance of which only node-1 runs."""
    layout = lay_out(tmp_path_factory.mktemp("door") / "a", DemoSettings(mount=False))
    with Processes(layout) as running:
        running.create_nodes()
        running.start(instances(layout)[0])
        running.wait_until_well("node-1")
        yield running


@pytest.fixture
def node(processes: Processes) -> Iterator[Peer]:
    """The node as others know it; after the test it still serves, in the same process."""
    before = processes.process_id("node-1")
    yield peers_of(load_config(processes.layout.config))[0]
    assert processes.process_id("node-1") == before
    assert ask(processes.layout.socket("node-1"), "status")["well"]


def keys_of(layout: DemoLayout, name: str) -> CurveKeys:
    return KeyFolder(layout.keys).curve_keys(name)


async def refusals_rise(
    layout: DemoLayout, wait_until: WaitUntil, reason: str, before: float
) -> None:
    await wait_until(lambda: refusals(layout, reason) > before, what=f"refusals for {reason}")


def refusals(layout: DemoLayout, reason: str) -> float:
    name = f'lantai_wire_refusals_total{{reason="{reason}"}}'
    return figure(layout.addresses["node-1"], name) or 0.0


async def hear_refusal(peer: RawPeer) -> str:
    message, _ = await peer.hear()
    assert isinstance(message, Refused)
    return message.code


async def test_a_strangers_key_gets_no_connection(
    processes: Processes, node: Peer, wait_until: WaitUntil
) -> None:
    before = refusals(processes.layout, "stranger")
    verdict = try_handshake(node.endpoint, node.curve_public_key, generate_keys(), 5)
    assert verdict is Handshake.REFUSED
    await refusals_rise(processes.layout, wait_until, "stranger", before)


async def test_another_nodes_key_may_not_be_used_as_ingest(
    processes: Processes, node: Peer, wait_until: WaitUntil
) -> None:
    before = refusals(processes.layout, "role")
    with raw_peer(node, keys_of(processes.layout, "node-2")) as peer:
        await peer.say(Hello(1, "ingest"))
        assert await hear_refusal(peer) == "role-not-yours"
    await refusals_rise(processes.layout, wait_until, "role", before)


@pytest.mark.parametrize(
    "frames",
    [
        (b"\xc1 no MessagePack",),
        (unchecked(t="put", op_id="0"),),
        (unchecked(t="delete", object_id="lantai:gov/1"),),
        (unchecked(t="ping", sequence=1), b"data", b"more"),
        (b"\x81" + b"x" * 5000,),
    ],
    ids=["garbage", "members missing", "no such verb", "three frames", "long header"],
)
async def test_a_malformed_message_is_refused_and_counted(
    processes: Processes, node: Peer, wait_until: WaitUntil, frames: tuple[bytes, ...]
) -> None:
    before = refusals(processes.layout, "malformed")
    with raw_peer(node, keys_of(processes.layout, "api")) as peer:
        await peer.say(Hello(1, "api"))
        welcome, _ = await peer.hear()
        assert isinstance(welcome, Welcome)
        await peer.send(*frames)
        assert await hear_refusal(peer) == "message-malformed"
    await refusals_rise(processes.layout, wait_until, "malformed", before)


async def test_a_frame_over_the_limit_ends_the_connection_and_not_the_process(
    processes: Processes, node: Peer
) -> None:
    with raw_peer(node, keys_of(processes.layout, "view")) as peer:
        await peer.say(Hello(1, "view"))
        await peer.hear()
        await peer.send(b"x" * (DATA_BYTES_MAX + 65 * 1024))
        assert await peer.hears_nothing(within_s=0.5)


async def test_a_volume_is_never_made_by_running_a_node(processes: Processes) -> None:
    """A disk that is not mounted looks empty: the role must refuse, and write nothing there."""
    layout = processes.layout
    root = layout.root("node-2")
    held = root.parent.rename(root.parent.with_name("unmounted"))
    try:
        root.parent.mkdir()
        processes.start(instances(layout)[1])
        assert processes.wait("node-2") == 78
        assert list(root.parent.iterdir()) == []
    finally:
        root.parent.rmdir()
        held.rename(root.parent)
