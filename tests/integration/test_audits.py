"""Audits over real processes: three nodes, a keeper, and nodes that lie in several ways.

Each test leaves the appliance whole and nobody suspect.
"""

import getpass
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import ask
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Instance, Processes, lantai
from daemon.demo.samples import bag, write_folder
from storage.canary.flock import SMALL
from storage.catalogue import events
from storage.catalogue.audits import AUDIT_COMPARED
from storage.catalogue.engine import Catalogue
from storage.ocfl.layout import object_folder
from tests.appliance_figures import figure

LIAR = Path(__file__).with_name("lying_node.py")
PACKAGES = 4
PAYLOAD = "v1/content/received/data/record.bin"
WaitUntil = Callable[..., Awaitable[None]]
WITHIN_S = 60

pytestmark = pytest.mark.timeout(300)


def object_id(number: int) -> str:
    return f"lantai:{SOURCE}/case-{number}"


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A running appliance."""
    layout = lay_out(tmp_path_factory.mktemp("audits") / "a", DemoSettings(mount=False))
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        yield processes


@pytest.fixture
async def layout(appliance: Processes, tmp_path: Path, wait_until: WaitUntil) -> DemoLayout:
    """The appliance with four packages stored."""
    where = appliance.layout
    if not list(where.returned.glob("*.stored.json")):
        for number in range(PACKAGES):
            files = bag({"record.bin": bytes([number]) * 300_000}, f"case-{number}")
            write_folder(files, tmp_path / f"case-{number}")
            (tmp_path / f"case-{number}").rename(where.drop / f"case-{number}")
        await wait_until(
            lambda: len(list(where.returned.glob("*.stored.json"))) == PACKAGES, within_s=WITHIN_S
        )
    return where


def audit(layout: DemoLayout, *options: str) -> tuple[int, dict[str, Any]]:
    """`lantai audit …`: its exit code, and what it printed for programs."""
    command = [*lantai(), "audit", *options, "--json", "--config", str(layout.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def audit_one(layout: DemoLayout, number: int) -> dict[str, Any]:
    """What the audit of one object came to."""
    _, order = audit(layout, "--object", object_id(number))
    (audited,) = order["result"]["objects"]
    assert isinstance(audited, dict)
    return audited


def payload(layout: DemoLayout, node: str, number: int) -> Path:
    return layout.root(node) / object_folder(object_id(number)) / PAYLOAD


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 0x04
    path.chmod(0o640)
    path.write_bytes(content)


def open_findings(layout: DemoLayout) -> list[dict[str, Any]]:
    return [each for each in ask(layout.socket("keeper"), "findings") if not each["mended_at"]]


def oldest_checked(layout: DemoLayout, node: str) -> str:
    oldest = ask(layout.socket(node), "status")["detail"]["oldest_checked_at"]
    assert isinstance(oldest, str)
    return oldest


def outcomes_of_findings(layout: DemoLayout, number: int) -> set[tuple[str, str]]:
    found = ask(layout.socket("keeper"), "findings")
    named = [each for each in found if each["object_id"] == object_id(number)]
    return {(each["node"], each["outcome"]) for each in named}


@contextmanager
def lying(appliance: Processes, node: str, how: str) -> Iterator[None]:
    """For the length of the block, a node that lies runs in place of `node`.

    Both are stopped cleanly: after a kill the honest node would sweep by itself and find it all.
    """
    config = appliance.layout.node_config(node)
    appliance.stop(node)
    appliance.start(Instance(node, "node", config, (sys.executable, str(LIAR), how)))
    appliance.wait_until_well(node)
    try:
        yield
    finally:
        appliance.stop(node)
        appliance.start(Instance(node, "node", config))
        appliance.wait_until_well(node)


async def reached_again(layout: DemoLayout, node: str, wait_until: WaitUntil) -> None:
    await wait_until(
        lambda: ask(layout.socket("keeper"), "status")["detail"]["nodes"][node], within_s=WITHIN_S
    )


async def found_and_mended(
    layout: DemoLayout, node: str, number: int, wait_until: WaitUntil
) -> None:
    """An audit is over before the keeper has heard what the node found in it."""

    def is_mended() -> bool:
        found = {name for name, _ in outcomes_of_findings(layout, number)}
        return node in found and open_findings(layout) == []

    await wait_until(is_mended, within_s=WITHIN_S, what=f"case-{number} mended on {node}")


async def trusted_and_whole(layout: DemoLayout, number: int, wait_until: WaitUntil) -> None:
    """A person trusts node-3, which is honest again; the next audit finds what it had hidden."""
    await reached_again(layout, "node-3", wait_until)
    code, answer = audit(layout, "trust", "node-3", "--reason", "its software was replaced")
    assert (code, answer["was_suspect"]) == (0, True)
    honest = audit_one(layout, number)
    assert honest["outcome"] == "located"
    assert honest["doubted"] == {"node-3": "damaged"}
    await found_and_mended(layout, "node-3", number, wait_until)
    assert audit_one(layout, number)["outcome"] == "agreed"


def test_copies_that_are_whole_agree(layout: DemoLayout) -> None:
    code, order = audit(layout, "--sample", str(PACKAGES))
    assert code == 0
    assert order["result"]["outcomes"] == {"agreed": PACKAGES}
    assert order["result"]["read_bytes"] > 3 * PACKAGES * 300_000
    code, status = audit(layout, "status")
    assert (code, status["suspects"], status["open"]) == (0, [], [])
    assert len(status["recent"]) == PACKAGES


def test_an_object_that_nobody_knows_is_refused(layout: DemoLayout) -> None:
    code, order = audit(layout, "--object", "lantai:gov-portal/nothing")
    assert (code, order["state"]) == (1, "failed")
    assert "lantai packages" in order["message"]


async def test_one_flipped_bit_is_located_and_mended(
    layout: DemoLayout, wait_until: WaitUntil
) -> None:
    """1. A bit turns over on node-2; no sweep has come by since.
    2. The audit's majority doubts node-2, whose own re-check finds the damage.
    3. The finding is mended as any other; then all agree again."""
    flip_a_bit(payload(layout, "node-2", 0))
    audited = audit_one(layout, 0)
    assert audited["outcome"] == "located"
    assert sorted(audited["agreeing"]) == ["node-1", "node-3"]
    assert audited["doubted"] == {"node-2": "damaged"}
    assert audited["suspects"] == []
    await found_and_mended(layout, "node-2", 0, wait_until)
    assert {node for node, _ in outcomes_of_findings(layout, 0)} == {"node-2"}
    assert audit_one(layout, 0)["outcome"] == "agreed"


async def test_a_node_that_answers_from_its_table_of_digests_is_exposed(
    appliance: Processes, layout: DemoLayout, wait_until: WaitUntil
) -> None:
    """1. node-3 has lost a file's bytes, and answers audits from stored digests; it says that it
    checked itself and all is well.
    2. It is exposed, suspect, and neither mended nor used as a source.
    3. Damage on node-1 is located by the two that are left, and mended from node-2 alone.
    4. Honest again and trusted again, its loss is found and mended."""
    payload(layout, "node-3", 1).unlink()
    with lying(appliance, "node-3", "table"):
        await reached_again(layout, "node-3", wait_until)
        audited = audit_one(layout, 1)
        assert audited["outcome"] == "suspect"
        assert audited["suspects"] == ["node-3"]
        assert sorted(audited["agreeing"]) == ["node-1", "node-2"]
        code, status = audit(layout, "status")
        assert code == 1
        assert [each["node"] for each in status["suspects"]] == ["node-3"]
        keeper = layout.addresses["keeper"]
        await wait_until(lambda: figure(keeper, "lantai_keeper_suspect_nodes") == 1, within_s=30)

        flip_a_bit(payload(layout, "node-1", 2))
        assert audit_one(layout, 2)["outcome"] == "located"
        await found_and_mended(layout, "node-1", 2, wait_until)
        assert outcomes_of_findings(layout, 2) == {("node-1", "mended from node-2")}
        assert not payload(layout, "node-3", 1).exists()
    await trusted_and_whole(layout, 1, wait_until)


async def test_a_node_that_repeats_an_old_answer_is_exposed(
    appliance: Processes, layout: DemoLayout, wait_until: WaitUntil
) -> None:
    """The answer was true once; with the next nonce it is not an answer."""
    with lying(appliance, "node-3", "replay"):
        await reached_again(layout, "node-3", wait_until)
        assert audit_one(layout, 3)["outcome"] == "agreed"
        flip_a_bit(payload(layout, "node-3", 3))
        audited = audit_one(layout, 3)
        assert (audited["outcome"], audited["suspects"]) == ("suspect", ["node-3"])
    await trusted_and_whole(layout, 3, wait_until)


async def test_a_node_that_is_away_is_missing_and_not_doubted(
    appliance: Processes, layout: DemoLayout, wait_until: WaitUntil
) -> None:
    appliance.stop("node-1")
    await wait_until(
        lambda: not ask(layout.socket("keeper"), "status")["detail"]["nodes"]["node-1"],
        within_s=30,
    )
    audited = audit_one(layout, 0)
    appliance.start(Instance("node-1", "node", layout.node_config("node-1")))
    appliance.wait_until_well("node-1")
    await reached_again(layout, "node-1", wait_until)
    assert audited["outcome"] == "partial"
    assert list(audited["missing"]) == ["node-1"]
    assert audited["doubted"] == {}
    assert open_findings(layout) == []


async def test_a_node_whose_canaries_are_spoilt_says_so_and_counts_nothing_as_checked(
    layout: DemoLayout, wait_until: WaitUntil
) -> None:
    """1. A sound canary of node-2 is damaged by hand; a sweep is ordered.
    2. The node says that its sweep is broken, and none of its objects becomes younger.
    3. A copy of it that differs is doubted, but its re-check is not believed; nothing is mended.
    4. The canary is as planted again: the sweep finds the damage, and it is mended."""
    beside, address = layout.root("node-2").parent, layout.addresses["node-2"]
    canary = beside / "canaries" / object_folder("lantai-canary:sound") / SMALL
    flip_a_bit(canary)
    before = oldest_checked(layout, "node-2")
    ask(layout.socket("node-2"), "sweep-start")
    await wait_until(lambda: figure(address, "lantai_node_sweep_broken") == 1, within_s=30)
    status = ask(layout.socket("node-2"), "status")["detail"]
    assert "lantai-canary:sound has nothing wrong" in status["sweep_broken"]
    assert oldest_checked(layout, "node-2") == before

    flip_a_bit(payload(layout, "node-2", 0))
    audited = audit_one(layout, 0)
    assert audited["outcome"] == "located"
    assert audited["doubted"] == {"node-2": "not-judged"}
    assert open_findings(layout) == []

    flip_a_bit(canary)
    ask(layout.socket("node-2"), "sweep-start")
    await wait_until(
        lambda: payload(layout, "node-2", 0).read_bytes() == bytes(300_000), within_s=WITHIN_S
    )
    await wait_until(lambda: open_findings(layout) == [], within_s=WITHIN_S)
    assert audit_one(layout, 0)["outcome"] == "agreed"
    await wait_until(lambda: figure(address, "lantai_node_sweep_broken") == 0, within_s=30)


def test_every_audit_is_on_record_with_its_evidence(layout: DemoLayout) -> None:
    assert audit_one(layout, 0)["outcome"] == "agreed"
    catalogue = Catalogue.open(f"sqlite:///{layout.folder / 'catalogue.sqlite'}")
    try:
        recorded = catalogue.look(events.page, limit=1000)
    finally:
        catalogue.close()
    last = [event for event in recorded if event.act == AUDIT_COMPARED][-1]
    assert (last.outcome, last.who) == ("agreed", getpass.getuser())
    (only_round,) = json.loads(last.detail)["rounds"]
    assert len(bytes.fromhex(only_round["nonce"])) == 32
    assert sorted(only_round["answers"]) == ["node-1", "node-2", "node-3"]
    (digest,) = set(only_round["answers"].values())
    assert re.fullmatch("[0-9a-f]{64}", digest)
