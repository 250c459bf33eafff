"""A real Prometheus looks at a real appliance: figures agree at each step, alerts fire and rest.

1. Good and bad packages are dropped. What was stored and sent back is what Prometheus says.
2. One bit is flipped; a sweep finds it, it is mended, and all is well: no alert has fired so far.
3. Every query of the dashboard has an answer.
4. A second bit on the same node is more than the storm guard allows: mending stops, and calls.
5. A reader meets a wrong byte, a stranger knocks, a forged statement asks for a signature, a node
   is killed: each is told by its alert, and by no other.
"""

import asyncio
import http.client
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo import story
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes
from daemon.demo.samples import samples
from daemon.roles.openings import peers_of
from ingest_watch import notary_client
from ingest_watch.notary_client import NotaryRefused
from replication.endpoints import Handshake
from replication.peer_link import LinkPatience
from replication.transport import generate_keys, try_handshake
from storage.catalogue import held
from storage.catalogue.engine import Catalogue
from storage.ocfl.layout import object_folder
from tests.monitoring_files import PROJECT, metric_names, queries
from tests.prometheus_server import Prometheus

GOOD, BAD = 6, 1
SEEN_S = 20
RECORD = "v1/content/received/data/base_info.xml"
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.needs_prometheus, pytest.mark.needs_fuse]


@pytest.fixture
def observed(
    tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[tuple[Processes, Prometheus]]:
    """An appliance whose storm guard allows one mend an hour, and a Prometheus beside it."""
    layout = lay_out(tmp_path / "a", DemoSettings(mends_per_node_hour_max=1))
    with ExitStack() as stack:
        processes = stack.enter_context(Processes(layout))
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        yield processes, stack.enter_context(Prometheus(tmp_path, free_port(), layout))


class Observer:
    """Waits for Prometheus to say what is expected."""

    def __init__(self, prometheus: Prometheus, wait_until: WaitUntil) -> None:
        self.prometheus = prometheus
        self._wait_until = wait_until

    async def sees(self, expected: dict[str, float], within_s: float = SEEN_S) -> None:
        for expression, value in expected.items():
            await self._wait_until(
                lambda asked=expression, value=value: self.prometheus.value(asked) == value,
                within_s=within_s,
                what=f"{expression} == {value}",
            )

    async def sees_firing(self, *alerts: str) -> None:
        await self._wait_until(
            lambda: self.prometheus.firing() == set(alerts), within_s=30, what=f"only {alerts}"
        )


async def test_prometheus_sees_what_happens_and_calls_for_nothing_else(
    observed: tuple[Processes, Prometheus], wait_until: WaitUntil
) -> None:
    processes, prometheus = observed
    layout, observer = processes.layout, Observer(prometheus, wait_until)
    await wait_until(prometheus.is_ready, within_s=20)
    await observer.sees({'count(up{job=~"lantai-.+"} == 1)': 8, "lantai_keeper_leading": 1})

    await observer.sees_firing()
    began = time.monotonic()
    kept = await _packages_are_answered(layout, observer)
    await _one_bit_is_found_and_mended(layout, observer, kept[0])
    await _readers_are_counted(layout, observer)
    await _the_dashboard_has_answers(prometheus, wait_until)
    lately = f"[{time.monotonic() - began:.0f}s]"
    assert prometheus.query(f'count_over_time(ALERTS{{alertstate="firing"}}{lately})') == []

    await _a_second_bit_stops_mending(layout, observer, kept[1])
    await _wrong_bytes_are_thrown_away(layout, observer, kept[2])
    await _intruders_are_refused(layout, observer)
    processes.kill("node-3")
    await _everybody_is_called(observer)
    assert _never_above_zero(prometheus) <= _zero_unless_something_happens()


async def _packages_are_answered(layout: DemoLayout, observer: Observer) -> list[str]:
    """Return the ids of what was stored."""
    dropped = samples()
    story.drop(layout, dropped)
    verdicts = await asyncio.to_thread(story.wait_for_answers, layout, dropped)
    await observer.sees(
        {
            f'lantai_ingest_packages_stored_total{{source="{SOURCE}"}}': GOOD,
            f'lantai_ingest_packages_rejected_total{{source="{SOURCE}"}}': BAD,
            'lantai_notary_signatures_total{kind="stored"}': GOOD,
            'lantai_notary_signatures_total{kind="rejected"}': BAD,
            "lantai_keeper_packages": GOOD,
            "sum(lantai_node_objects)": 3 * GOOD,
            "sum(lantai_node_commits_total)": 3 * GOOD,
            "lantai_keeper_copies_below_target": 0,
            'sum(lantai_node_state{state="ready"})': 3,
            'sum(lantai_wire_refusals_total{reason="stranger"})': 0,
        }
    )
    return [verdict.object_id for verdict in verdicts if verdict.object_id and not verdict.reasons]


async def _one_bit_is_found_and_mended(
    layout: DemoLayout, observer: Observer, object_id: str
) -> None:
    node, file = story.flip_one_bit(layout, object_id)
    await asyncio.to_thread(story.sweep_and_mend, layout, node, file, object_id)
    await observer.sees(
        {
            'sum(lantai_node_findings_total{kind="altered"})': 1,
            f'lantai_node_findings_total{{kind="altered", instance="{node}"}}': 1,
            'lantai_keeper_repairs_total{outcome="mended"}': 1,
            f'lantai_node_repairs_total{{outcome="mended", instance="{node}"}}': 1,
            "lantai_keeper_findings_open": 0,
            "sum(lantai_node_findings_open)": 0,
            "lantai_keeper_copies_below_target": 0,
            f"min(lantai_node_checked_objects_total) >= bool {GOOD}": 1,
        }
    )


async def _readers_are_counted(layout: DemoLayout, observer: Observer) -> None:
    read = await asyncio.to_thread(story.read_tree, layout)
    size_bytes = sum(size for _, size in read)
    await observer.sees(
        {
            f'lantai_reader_verified_bytes_total{{job="lantai-view"}} >= bool {size_bytes}': 1,
            'sum(lantai_reader_failovers_total{job="lantai-view"})': 0,
            'lantai_reader_refusals_total{job="lantai-view"}': 0,
        }
    )
    connection = http.client.HTTPConnection(layout.api_address, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == http.HTTPStatus.OK
    connection.close()
    await observer.sees({'sum(lantai_api_requests_total{status="200"})': 1})


async def _the_dashboard_has_answers(prometheus: Prometheus, wait_until: WaitUntil) -> None:
    for query in queries():
        await wait_until(
            lambda asked=query: prometheus.query(asked.expression), within_s=10, what=str(query)
        )


async def _a_second_bit_stops_mending(
    layout: DemoLayout, observer: Observer, object_id: str
) -> None:
    story.flip_one_bit(layout, object_id)
    ask(layout.socket("keeper"), "sweep-start")
    await observer.sees(
        {
            "lantai_keeper_mending_stopped": 1,
            "lantai_keeper_findings_open": 1,
            "sum(lantai_node_findings_open)": 1,
            "lantai_keeper_copies_below_target": 1,
            'lantai_keeper_bad_copies{state="damaged"}': 1,
            "lantai_keeper_packages_at_risk": 0,
        }
    )


async def _wrong_bytes_are_thrown_away(
    layout: DemoLayout, observer: Observer, object_id: str
) -> None:
    """The node that is asked first has a wrong byte; the reader gets the right one elsewhere."""
    name = object_id.rpartition("/")[2]
    node = _asked_first(layout, name)
    damaged = layout.root(node) / object_folder(object_id) / RECORD
    right = damaged.read_bytes()
    damaged.chmod(0o640)
    damaged.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    shown = layout.mountpoint / SOURCE / name / "v1/data/base_info.xml"
    assert await asyncio.to_thread(shown.read_bytes) == right
    await observer.sees(
        {
            f'lantai_reader_verification_failures_total{{node="{node}", job="lantai-view"}}': 1,
            'lantai_reader_failovers_total{job="lantai-view"}': 1,
        }
    )


async def _intruders_are_refused(layout: DemoLayout, observer: Observer) -> None:
    peer = next(peer for peer in peers_of(load_config(layout.config)) if peer.name == "node-2")
    for _ in range(8):
        verdict = await asyncio.to_thread(
            try_handshake, peer.endpoint, peer.curve_public_key, generate_keys(), 5
        )
        assert verdict is Handshake.REFUSED
    with pytest.raises(NotaryRefused):
        await notary_client.sign(layout.run_folder / "notary-sign.sock", b'{"kind": "stored"}')
    await observer.sees(
        {
            'lantai_wire_refusals_total{reason="stranger", instance="node-2"}': 8,
            'lantai_notary_refusals_total{reason="answer-unreadable"}': 1,
        }
    )


async def _everybody_is_called(observer: Observer) -> None:
    await observer.sees(
        {'lantai_keeper_node_reachable{node="node-3"}': 0}, LinkPatience().dead_s + SEEN_S
    )
    await observer.sees_firing(
        "LantaiMendingStopped",
        "LantaiNodeSuspect",
        "LantaiReaderFoundWrongBytes",
        "LantaiStrangersKnock",
        "LantaiNotaryRefuses",
        "LantaiNodeDown",
    )
    notes = observer.prometheus.notes("LantaiNodeDown")
    assert notes["summary"] == "Node node-3 does not answer"
    assert notes["summary_zh"] == "存储节点 node-3 无响应"


def _never_above_zero(prometheus: Prometheus) -> set[str]:
    """The families of which no series was above zero at any time of this run."""
    return {
        family
        for family, series in metric_names().items()
        if family.startswith("lantai_")
        and not any(prometheus.query(f"max_over_time({name}[10m]) > 0") for name in series)
    }


def _zero_unless_something_happens() -> set[str]:
    page = (PROJECT / "docs/operations/metrics.md").read_text("utf-8")
    listed = set(re.findall(r"`(lantai_\w+)`", page.partition("## Zero unless")[2]))
    assert listed <= metric_names().keys()
    return listed


def _asked_first(layout: DemoLayout, name: str) -> str:
    catalogue = Catalogue.open(f"sqlite:///{layout.folder / 'catalogue.sqlite'}")
    package = catalogue.look(held.held_package, SOURCE, name)
    catalogue.close()
    assert package is not None
    return package.versions[-1].holders[0]
