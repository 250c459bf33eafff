"""`lantai node burn-in` on real disks, and what answers and receipts make of it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.demo.processes import lantai
from daemon.keys import KeyFolder
from storage.burn_in.device import Device
from storage.burn_in.proof import Proof, Trial
from storage.burn_in.result import BurnInUnreadable, named_burn_in, read
from storage.node_answer import read_node_answer
from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.volume_packages import make_package, settings_for, store

pytestmark = pytest.mark.needs_root

MEBIBYTE = 1024 * 1024
LoopFilesystem = Callable[..., Path]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
async def test_a_disk_is_burned_in_and_every_answer_names_the_signed_result(
    loop_filesystem: LoopFilesystem, tmp_path: Path, kind: str
) -> None:
    """1. A new volume answers `none`. 2. It is burned in. 3. The next answer names the result.

    4. Its signature holds by openssl. 5. A changed byte, and answers name none.
    """
    disk = loop_filesystem(kind, size_mib=400)
    config, key = configured(disk, tmp_path)
    node("create", config)
    before = await answer_of(disk, key, "lantai:s/before")
    assert before == "none"

    said = json.loads(node("burn-in", config, "--size-gib", "0.05", "--json"))
    outcomes = {each["check"]: each["outcome"] for each in said["examined"]}
    assert said["outcome"] == "passed", said["examined"]
    for check in (
        "content",
        "eviction",
        "direct",
        "writes-reach",
        "reads-reach",
        "errors",
        "journal",
    ):
        assert outcomes[check] == "passed", said["examined"]

    known = read(disk / "root", key.verify_key)
    assert known is not None
    assert await answer_of(disk, key, "lantai:s/after") == known[1]
    expect_signature(disk / "root", config.parent / "keys")
    assert node("burn-in", config, "--size-gib", "2", status=1) == ""  # no room

    result = disk / "root" / "node-burn-in"
    result.chmod(0o644)
    result.write_bytes(result.read_bytes().replace(b"passed", b"failed", 1))
    with pytest.raises(BurnInUnreadable):
        read(disk / "root", key.verify_key)
    assert await answer_of(disk, key, "lantai:s/forged") == "none"


def test_an_ext4_without_a_journal_fails(loop_filesystem: LoopFilesystem, tmp_path: Path) -> None:
    config, _ = configured(loop_filesystem("ext4", 200, "-O", "^has_journal"), tmp_path)
    node("create", config)
    said = json.loads(node("burn-in", config, "--size-gib", "0.02", "--json", status=1))
    outcomes = {each["check"]: each["outcome"] for each in said["examined"]}
    assert {check for check, outcome in outcomes.items() if outcome == "failed"} == {"journal"}


async def test_a_result_copied_to_another_disk_is_not_that_disks(
    loop_filesystem: LoopFilesystem, tmp_path: Path
) -> None:
    disk, other = (loop_filesystem("ext4", size_mib=200) for _ in range(2))
    config, key = configured(disk, tmp_path)
    node("create", config)
    node("burn-in", config, "--size-gib", "0.01")
    assert len(named_burn_in(disk / "root", key.verify_key)) == 64
    for name in ("node-burn-in", "node-burn-in.sig"):
        (other / name).write_bytes((disk / "root" / name).read_bytes())
    assert named_burn_in(other, key.verify_key) == "none"


def test_a_node_that_runs_is_not_burned_in(loop_filesystem: LoopFilesystem, tmp_path: Path) -> None:
    disk = loop_filesystem("ext4", size_mib=200)
    config, key = configured(disk, tmp_path)
    node("create", config)
    volume = Volume.open(settings_for(disk, allow_unproven=False), key)
    assert node("burn-in", config, "--size-gib", "0.01", status=1) == ""
    volume.close()


def test_a_medium_that_loses_writes_is_found(losing_disk: Path) -> None:
    """Every write succeeds, and there is no room on the medium for half of them (M1, M2)."""
    proof = tried(losing_disk, 200 * MEBIBYTE)
    assert [each.what for each in proof.errors if "writing failed" in each.what]


def test_memory_that_calls_itself_a_disk_is_found(tmp_path: Path) -> None:
    """On tmpfs pages stay, and nothing reaches a device."""
    memory = tmp_path / "memory"
    memory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=99m", "tmpfs", str(memory)], check=True)
    try:
        proof = tried(memory, 16 * MEBIBYTE)
    finally:
        subprocess.run(["umount", "--lazy", str(memory)], check=True)
    assert proof.not_evicted
    assert proof.read.counted is None
    assert proof.differences == ()


def tried(folder: Path, size_bytes: int) -> Proof:
    seen: list[int] = []
    proof = Trial(folder, size_bytes, Device(folder), lambda done, _all: seen.append(done)).run()
    assert list(folder.glob("burn-in-*")) == [], "something was left behind"
    assert seen == sorted(seen)
    return proof


async def answer_of(disk: Path, key: SigningKey, object_id: str) -> str:
    """What an answer of the volume names."""
    volume = Volume.open(settings_for(disk, allow_unproven=False), key)
    answer = await store(volume, make_package({"received/a": b"a"}, object_id))
    volume.close()
    return read_node_answer(answer.payload).burn_in


def configured(disk: Path, tmp_path: Path) -> tuple[Path, SigningKey]:
    """The configuration of a node whose volume lies on `disk`, and its key."""
    keys = KeyFolder(tmp_path / "keys")
    keys.make("node-1")
    config = tmp_path / "lantai.toml"
    config.write_text(
        f'[site]\nname = "档案馆"\nkeys_folder = "{tmp_path}/keys"\nrun_folder = "{tmp_path}"\n'
        f'[node]\nname = "node-1"\nbind = "tcp://127.0.0.1:5570"\nroot = "{disk}/root"\n'
        'domain = "room-a"\nreserve_bytes = 0\n'
    )
    return config, keys.signing_key("node-1")


def node(verb: str, config: Path, *arguments: str, status: int = 0) -> str:
    """What `lantai node VERB` prints."""
    finished = subprocess.run(
        [*lantai(), "node", verb, "--config", str(config), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == status, finished.stdout + finished.stderr
    return finished.stdout


def expect_signature(root: Path, keys: Path) -> None:
    """As docs/formats/volume.md says that anybody can check it."""
    key = keys / "node-1.signing.pub.pem"
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin"]
    result = str(root / "node-burn-in")
    files = ["-in", result, "-sigfile", f"{result}.sig"]
    subprocess.run([*command, *files], check=True, capture_output=True)
