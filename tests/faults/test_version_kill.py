"""Killed while versions are added: each comes after the one before it, whole, once, on every node.

1. An appliance of real processes runs whose source may send versions; a few packages come again and
   again under their names, each time with other bytes.
2. Each time, at a random moment, the intake or a node is killed with SIGKILL and started again.
3. At the end every node has every version of every package with the sender's exact bytes and
   nothing else; its root is valid; and every delivery has one stored transfer of its own.
"""

import random
import time
from pathlib import Path

import ocfl
import pytest

from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings
from daemon.demo.samples import Files, bag, write_folder
from storage.ocfl.layout import object_folder
from tests.appliance import restart, running_appliance, staged, transfers_of, tree
from tests.conftest import WaitUntil

NAMES = ("case-a", "case-b", "case-c")
ROUNDS = 5
VICTIMS = ("ingest", "node-1", "ingest", "node-2", "node-3")

pytestmark = pytest.mark.timeout(300)


async def test_versions_follow_each_other_whole_however_often_somebody_is_killed(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, versions="allow")
    sent: list[dict[str, Files]] = []
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        for victim in VICTIMS[:ROUNDS]:
            sent.append(_send(layout, tmp_path / "outside", chance))
            moment = time.monotonic() + chance.uniform(0.1, 1.5)
            await wait_until(lambda at=moment: time.monotonic() >= at)
            appliance.kill(victim)
            restart(appliance, victim)
            await wait_until(
                lambda: _stored(layout) == len(sent) * len(NAMES), 60, "every delivery stored"
            )
            await wait_until(lambda: not list(layout.drop.iterdir()), 30, "an empty drop folder")
            appliance.wait_until_well(victim)
        await wait_until(lambda: not staged(layout), 30, "empty staging")
        assert set(appliance.stop_all().values()) == {0}
    for node in NODES:
        _expect_versions(layout.root(node), sent)


def _send(layout: DemoLayout, outside: Path, chance: random.Random) -> dict[str, Files]:
    """The next version of each package."""
    outside.mkdir(exist_ok=True)
    sent = {}
    for name in NAMES:
        payload = {f"{index}.bin": chance.randbytes(300_000) for index in range(4)}
        sent[name] = bag(payload, name)
        write_folder(sent[name], outside / name)
        (outside / name).rename(layout.drop / name)
    return sent


def _stored(layout: DemoLayout) -> int:
    return sum(transfer.state.value == "stored" for transfer in transfers_of(layout))


def _expect_versions(root: Path, sent: list[dict[str, Files]]) -> None:
    for name in NAMES:
        folder = root / object_folder(f"lantai:{SOURCE}/{name}")
        shown = sorted(path.name for path in folder.glob("v*") if path.is_dir())
        assert shown == [f"v{number}" for number in range(1, len(sent) + 1)]
        for number, files in enumerate(sent, start=1):
            assert tree(folder / f"v{number}/content/received") == files[name]
    validated = ocfl.StorageRoot(root=str(root))
    assert validated.validate(validate_objects=True, check_digests=True)
    assert (validated.good_objects, validated.num_objects) == (len(NAMES), len(NAMES))
