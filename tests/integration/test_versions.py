"""A package that comes again with other bytes, through an appliance of real processes.

1. A case is dropped and stored; dropped again with other bytes, it becomes version 2; and once more
   as it was, it gets the first version's receipt.
2. Receipts of both versions verify, and name them; every node's root is valid to ocfl-py, to
   `lantai store validate` and to the verify.py that lies in it.
3. The mount and `lantai package` show both versions with the exact bytes that were sent.
4. Damage to version 1 on one node is found and mended, and version 2 is as it was. All nodes agree
   in an audit of the whole object, before and after.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ocfl
import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from daemon.demo.samples import Files, bag, write_folder
from daemon.receipt_check import judge_receipt
from daemon.roles.notary import known_nodes
from storage.ocfl.layout import object_folder
from storage.signing import VerifyKey
from tests.appliance import running_appliance, tree
from tests.conftest import WaitUntil

NAME = "case-1"
OBJECT = f"lantai:{SOURCE}/{NAME}"

pytestmark = [pytest.mark.needs_fuse, pytest.mark.timeout(300)]


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Processes]:
    """A running appliance whose one source may send new versions."""
    with running_appliance(tmp_path / "a", DemoSettings(versions="allow")) as processes:
        yield processes


def case(seed: int) -> Files:
    chance = random.Random(seed)
    payload = {"申请表.txt": chance.randbytes(900), "扫描件.bin": chance.randbytes(2_500_000)}
    return bag(payload | {f"{seed}.txt": b"only here"}, NAME)


async def drop(
    layout: DemoLayout, files: Files, outside: Path, transfers: int, wait_until: WaitUntil
) -> bytes:
    """Send the case; its stored receipt, once `transfers` of them are stored and moved away."""
    write_folder(files, outside / NAME)
    (outside / NAME).rename(layout.drop / NAME)

    def is_answered() -> bool:
        answer = ask(layout.socket("api"), "transfers", state="stored", limit=10)
        return len(answer["transfers"]) == transfers and not (layout.drop / NAME).exists()

    await wait_until(is_answered, within_s=60)
    return (layout.returned / f"{NAME}.stored.json").read_bytes()


def expect_receipt(layout: DemoLayout, receipt: Path, version: int) -> None:
    nodes = {
        name: node.verify_key for name, node in known_nodes(load_config(layout.config)).items()
    }
    notary = VerifyKey.load(layout.keys / "notary.signing.pub.pem")
    body = receipt.read_bytes()
    assert judge_receipt(body, Path(f"{receipt}.sig").read_bytes(), notary, nodes).holds
    assert json.loads(body)["version"] == version


def expect_roots(layout: DemoLayout, sent: list[Files]) -> None:
    for node in NODES:
        root = layout.root(node)
        for number, files in enumerate(sent, start=1):
            assert tree(root / object_folder(OBJECT) / f"v{number}/content/received") == files
        validated = ocfl.StorageRoot(root=str(root))
        assert validated.validate(validate_objects=True, check_digests=True)
        assert (validated.good_objects, validated.num_objects) == (1, 1)
        for command in (
            [*lantai(), "store", "validate", str(root)],
            [sys.executable, str(root / "verify.py"), str(root)],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


def expect_exports(layout: DemoLayout, sent: list[Files], folder: Path) -> None:
    for number, files in enumerate(sent, start=1):
        options = ["--version", str(number), "--config", str(layout.config)]
        command = [*lantai(), "package"]
        target = folder / f"export-{number}"
        exported = [*command, "export", OBJECT, "--to", str(target), *options]
        subprocess.run(exported, check=True, capture_output=True)
        assert tree(target / NAME) == files
        subprocess.run([*command, "verify", OBJECT, *options], check=True, capture_output=True)
        shown = subprocess.run(
            [*command, "show", OBJECT, "--json", *options], check=True, capture_output=True
        )
        members = json.loads(shown.stdout)
        assert (members["version"], members["versions"]) == (number, len(sent))
        assert len(members["copies"]) == len(NODES)


async def test_a_case_that_comes_again_with_other_bytes_is_kept_in_both_versions(
    appliance: Processes, tmp_path: Path, wait_until: WaitUntil
) -> None:
    layout, sent = appliance.layout, [case(1), case(2)]
    first = await drop(layout, sent[0], tmp_path, 1, wait_until)
    expect_receipt(layout, layout.returned / f"{NAME}.stored.json", 1)
    await drop(layout, sent[1], tmp_path, 2, wait_until)
    expect_receipt(layout, layout.returned / f"{NAME}.stored.json", 2)
    assert await drop(layout, sent[0], tmp_path, 3, wait_until) == first
    expect_receipt(layout, layout.returned / f"{NAME}.stored.json", 1)

    expect_roots(layout, sent)
    for number, files in enumerate(sent, start=1):
        assert tree(layout.mountpoint / SOURCE / NAME / f"v{number}") == files
    expect_exports(layout, sent, tmp_path)
    assert _audited(layout) == ["agreed"]

    victim = layout.root("node-2") / object_folder(OBJECT) / "v1/content/received/data/申请表.txt"
    victim.chmod(0o640)
    victim.write_bytes(b"rot")
    ask(layout.socket("keeper"), "sweep-start")
    await wait_until(lambda: _mended(layout) == {"node-2"}, within_s=60)
    expect_roots(layout, sent)
    assert _audited(layout) == ["agreed"]
    (packages,) = ask(layout.socket("api"), "packages", limit=10)["packages"]
    assert (packages["version"], packages["copies_good"], packages["safety"]) == (2, 3, "safe")


def _audited(layout: DemoLayout) -> list[str]:
    """What all holders answered to a fresh nonce over every file of every version."""
    command = [*lantai(), "audit", "--object", OBJECT, "--json", "--config", str(layout.config)]
    done = subprocess.run(command, check=True, capture_output=True)
    return [each["outcome"] for each in json.loads(done.stdout)["result"]["objects"]]


def _mended(layout: DemoLayout) -> set[str]:
    found = ask(layout.socket("keeper"), "findings")
    return {each["node"] for each in found if each["mended_at"] is not None}
