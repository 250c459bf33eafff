"""The appliance as a whole: dropped, proven, kept three times, mended, seen.

1. Fifty mixed packages arrive in the drop folder of an appliance of real processes.
2. One node is killed with SIGKILL in the middle, and started again.
3. All fifty stored receipts arrive; each verifies with openssl, and its nodes' answers with theirs.
4. Every object is on all three nodes, and valid to an independent OCFL validator.
5. One byte is flipped, one file deleted and one planted, each on another node: one sweep finds and
   mends them all.
6. The mount shows exactly the bytes that were sent, and the metrics agree at each step.
"""

import hashlib
import json
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bagit
import ocfl
import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo import story
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Instance, Processes, lantai
from daemon.demo.samples import Files, bag, case_files, write_folder, write_tar, write_zip
from daemon.receipt_check import judge_receipt
from daemon.roles.notary import known_nodes
from storage.ocfl.layout import object_folder
from storage.signing import VerifyKey
from tests.appliance_figures import figure

PACKAGES = 50
LARGE = 7
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.needs_fuse, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Sent:
    """One package as its sender knows it."""

    name: str  # as dropped
    identifier: str
    files: Files


def fifty_packages(folder: Path) -> list[Sent]:
    """Write fifty good packages into `folder`: folders, zips, tars, compressed tars; one large."""
    source = random.Random(50)
    sent = []
    for number in range(PACKAGES):
        identifier = f"件-{number:03}"
        payload = case_files(source)
        if number == LARGE:
            # bagit.py does not know that RFC 8493 writes a percent sign as %25.
            del payload["申报文件/附件 100%.pdf"]
            payload["大文件.bin"] = source.randbytes(3 * 1024 * 1024 + 1)
        files = bag(payload, identifier, ("sha256", "sha512")[number % 2])
        suffix, write = SERIALISATIONS[number % len(SERIALISATIONS)]
        write(files, folder / f"{identifier}{suffix}")
        sent.append(Sent(f"{identifier}{suffix}", identifier, files))
    return sent


SERIALISATIONS: list[tuple[str, Callable[[Files, Path], None]]] = [
    ("", write_folder),
    (".zip", write_zip),
    (".tar", write_tar),
    (".tar.gz", lambda files, target: write_tar(files, target, "w:gz")),
]


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A running appliance."""
    layout = lay_out(tmp_path_factory.mktemp("appliance") / "a", DemoSettings())
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        yield processes


async def test_fifty_packages_survive_a_killed_node_and_damage_on_every_node(
    appliance: Processes, tmp_path: Path, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    sent = fifty_packages(tmp_path)
    for package in sent:
        (tmp_path / package.name).rename(layout.drop / package.name)
    await wait_until(lambda: _stored(layout) >= 5, within_s=60)
    appliance.kill("node-2")
    assert _stored(layout) < PACKAGES, "the kill came too late to mean anything"
    appliance.start(Instance("node-2", "node", layout.node_config("node-2")))
    await wait_until(lambda: _stored(layout) == PACKAGES, within_s=120)

    _all_receipts_verify(layout, sent)
    await wait_until(lambda: list(layout.drop.iterdir()) == [], within_s=30)
    assert len(list(layout.accepted.iterdir())) == PACKAGES
    for node in NODES:
        _node_holds(layout, node, sent)
    await _metrics_say(layout, wait_until, packages=PACKAGES, mended=0)

    damaged = _damage_each_node(layout, sent)
    ask(layout.socket("keeper"), "sweep-start")
    await wait_until(lambda: _mended(layout) == set(damaged), within_s=120)
    for node in NODES:
        _node_holds(layout, node, sent)
        assert len(list((layout.root(node).parent / "quarantine").iterdir())) == 1
    await _metrics_say(layout, wait_until, packages=PACKAGES, mended=3)

    _exported_package_is_valid_to_bagit_py(layout, sent[LARGE], tmp_path)
    for package in sent:
        shown = layout.mountpoint / SOURCE / package.identifier / "v1"
        assert _tree(shown) == package.files


def _stored(layout: DemoLayout) -> int:
    return len(list(layout.returned.glob("*.stored.json")))


def _all_receipts_verify(layout: DemoLayout, sent: list[Sent]) -> None:
    nodes = {
        name: node.verify_key for name, node in known_nodes(load_config(layout.config)).items()
    }
    notary = VerifyKey.load(layout.keys / "notary.signing.pub.pem")
    for package in sent:
        receipt = layout.returned / f"{package.name}.stored.json"
        command = story.openssl_command(layout, receipt)
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0, (
            package.name
        )
        signature = Path(f"{receipt}.sig").read_bytes()
        judgement = judge_receipt(receipt.read_bytes(), signature, notary, nodes)
        assert judgement.holds, package.name
        listed = {
            each["path"]: each["sha256"] for each in json.loads(receipt.read_bytes())["files"]
        }
        assert listed == {
            f"received/{path}": hashlib.sha256(content).hexdigest()
            for path, content in package.files.items()
        }


def _node_holds(layout: DemoLayout, node: str, sent: list[Sent]) -> None:
    """Every object is there, as sent; and the root is valid to an independent validator."""
    root = layout.root(node)
    for package in sent:
        folder = root / object_folder(f"lantai:{SOURCE}/{package.identifier}")
        assert _tree(folder / "v1/content/received") == package.files
    validated = ocfl.StorageRoot(root=str(root))
    # Its own answer speaks of the root alone; the counts speak of the objects.
    assert validated.validate(validate_objects=True, check_digests=True)
    assert (validated.good_objects, validated.num_objects) == (len(sent), len(sent))


def _exported_package_is_valid_to_bagit_py(
    layout: DemoLayout, package: Sent, tmp_path: Path
) -> None:
    command = [*lantai(), "package", "export", f"lantai:{SOURCE}/{package.identifier}"]
    options = ["--to", str(tmp_path), "--config", str(layout.config)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    exported = tmp_path / package.identifier
    assert _tree(exported) == package.files
    bagit.Bag(str(exported)).validate()


def _damage_each_node(layout: DemoLayout, sent: list[Sent]) -> dict[tuple[str, str], Path]:
    """Flip a byte on node-1, delete a file on node-2, plant one on node-3."""
    damaged = {}
    for node, package in zip(NODES, sent, strict=False):
        object_id = f"lantai:{SOURCE}/{package.identifier}"
        folder = layout.root(node) / object_folder(object_id) / "v1/content/received/data"
        damaged[node, object_id] = folder
    (first, second, third) = damaged.values()
    victim = first / "base_info.xml"
    victim.chmod(0o640)
    content = bytearray(victim.read_bytes())
    content[10] ^= 1
    victim.write_bytes(content)
    (second / "申报文件/申请表.txt").unlink()
    (third / "planted.txt").write_text("nobody sent this")
    return damaged


def _mended(layout: DemoLayout) -> set[tuple[str, str]]:
    found = ask(layout.socket("keeper"), "findings")
    return {(each["node"], each["object_id"]) for each in found if each["mended_at"] is not None}


async def _metrics_say(
    layout: DemoLayout, wait_until: WaitUntil, packages: int, mended: int
) -> None:
    keeper = layout.addresses["keeper"]
    expected = {
        "lantai_keeper_packages": packages,
        "lantai_keeper_copies_below_target": 0,
        "lantai_keeper_findings_open": 0,
        'lantai_keeper_repairs_total{outcome="mended"}': mended,
    }
    await wait_until(
        lambda: {name: figure(keeper, name) for name in expected} == expected, within_s=30
    )
    for node in NODES:
        address = layout.addresses[node]
        await wait_until(
            lambda at=address: figure(at, "lantai_node_objects") == packages, within_s=30
        )


def _tree(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
