"""docs/operations/key-stolen.md, carried out: the commands it names, on an appliance that runs on.

1. A package is stored. 2. The keeper's pair is replaced as the page says: nodes first; the
layout is signed anew. 3. A damaged copy is mended by an order under the new key.
4. The intake's wire key and the notary's key are replaced: another package is stored.
5. Receipts of before hold under the old key, those of after under the new one, never crosswise.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from daemon.keys import KeyFolder, PublicKeys
from replication.endpoints import CurveKeys
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.peers import Peer
from replication.transport import Wire
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, restart, running_appliance, stored
from tests.conftest import WaitUntil
from tests.fault_page import record_fault

pytestmark = pytest.mark.timeout(600)


async def test_stolen_keys_are_replaced_as_the_page_says(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, workers=1)
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        sender = Sender(layout)
        sender.send(1)
        await wait_until(lambda: stored(layout) == 1, 60, "a receipt")
        await wait_until(lambda: signed_by_all(layout, 1), 60, "the first layout signed for")

        stolen = await replace_keeper(appliance, tmp_path / "new", wait_until)
        copy = damaged_copy(layout, "case-0000")
        ask(layout.socket("keeper"), "sweep-start", node=NODES[1])
        await wait_until(lambda: copy.read_bytes() != b"rotten", 90, "a mend by the new key")

        thief = replace_intake(appliance, tmp_path / "new")
        replace(layout, "notary", tmp_path / "new")
        for role in ("notary", "ingest"):
            appliance.stop(role)
            restart(appliance, role)
            appliance.wait_until_well(role)
        sender.send(1)
        await wait_until(lambda: stored(layout) == 2, 90, "a receipt by the new notary")
        old = tmp_path / "new" / "stolen" / "notary.signing.pub.pem"
        assert verifies(layout, "case-0001")
        assert not verifies(layout, "case-0000")
        assert verifies(layout, "case-0000", "--key", str(old))
        assert not verifies(layout, "case-0001", "--key", str(old))
        await expect_stranger(layout, thief)
        assert stolen.verify_key not in layout.config.read_text()
    record_fault(
        "F47",
        observed="the stolen keys of keeper, intake and notary count for nothing after the runbook",
        figure="0 bytes let in",
    )


async def replace_keeper(appliance: Processes, new: Path, wait_until: WaitUntil) -> PublicKeys:
    """The page's section on the keeper's signing key; returns what is stolen."""
    layout = appliance.layout
    appliance.stop("keeper")
    stolen, made = replace(layout, "keeper", new)
    for node in NODES:
        change(layout.node_config(node), stolen.verify_key, made.verify_key)
        change(layout.node_config(node), stolen.curve_public_key, made.curve_public_key)
        restart_checked(appliance, node)
    restart(appliance, "keeper")
    appliance.wait_until_well("keeper")
    await wait_until(lambda: signed_by_all(layout, 2), 90, "the layout signed anew, and for")
    return stolen


def replace_intake(appliance: Processes, new: Path) -> CurveKeys:
    """The page's section on a role's wire key; returns the stolen pair."""
    layout = appliance.layout
    thief = KeyFolder(layout.keys).curve_keys("ingest")
    stolen, made = replace(layout, "ingest", new)
    for node in NODES:
        change(layout.node_config(node), stolen.curve_public_key, made.curve_public_key)
        restart_checked(appliance, node)
    return thief


def replace(layout: DemoLayout, name: str, new: Path) -> tuple[PublicKeys, PublicKeys]:
    """Steps 3 and 4 of the page: what was there, and what is there now."""
    before = KeyFolder(layout.keys).public(name)
    made = says(layout, "keys", "make", name, "--into", str(new), config=False)
    assert made.returncode == 0, made.stderr
    (new / "stolen").mkdir(exist_ok=True)
    for path in layout.keys.glob(f"{name}.*"):
        path.rename(new / "stolen" / path.name)
    for path in new.glob(f"{name}.*"):
        shutil.copy2(path, layout.keys)
    return before, KeyFolder(layout.keys).public(name)


def restart_checked(appliance: Processes, node: str) -> None:
    config = appliance.layout.node_config(node)
    checked = says(appliance.layout, "config", "check", str(config), config=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert appliance.stop(node) == 0
    restart(appliance, node)
    appliance.wait_until_well(node)


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text, config
    config.write_text(text.replace(old, new))


def signed_by_all(layout: DemoLayout, version: int) -> bool:
    listed = says(layout, "node", "list", "--json")
    if listed.returncode != 0:
        return False
    said = json.loads(listed.stdout)
    return said["layout"] == version and {each["signed_layout"] for each in said["nodes"]} == {
        version
    }


def damaged_copy(layout: DemoLayout, package: str) -> Path:
    (copy,) = (layout.root(NODES[1]) / object_folder(f"lantai:gov-portal/{package}")).rglob("0.bin")
    copy.chmod(0o640)
    copy.write_bytes(b"rotten")
    return copy


def verifies(layout: DemoLayout, package: str, *options: str) -> bool:
    receipt = layout.returned / f"{package}.stored.json"
    return says(layout, "receipt", "verify", str(receipt), *options).returncode == 0


async def expect_stranger(layout: DemoLayout, thief: CurveKeys) -> None:
    """No node answers to the stolen wire key."""
    wire = Wire()
    node = KeyFolder(layout.keys).public(NODES[0])
    peer = Peer(NODES[0], layout.endpoints[NODES[0]], node.curve_public_key, node.verify_key, "")
    client = NodeClient(wire, peer, thief, "ingest")
    await client.connect()
    with pytest.raises((WireRefusal, TimeoutError)):
        await client.wait_until_greeted(3)
    await client.close()
    wire.close()


def says(layout: DemoLayout, *words: str, config: bool = True) -> subprocess.CompletedProcess[str]:
    where = ["--config", str(layout.config)] if config else []
    return subprocess.run([*lantai(), *words, *where], check=False, capture_output=True, text=True)
