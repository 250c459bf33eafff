"""Every row of the crash table for later versions (docs/formats/volume.md), laid out and opened.

Whatever a crash has left, version 1 is whole afterwards, and version 2 is whole or not there.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from ocfl.storage_root import StorageRoot

from storage.model import SignedAnswer
from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, make_package, names, send, store

INVENTORY, SIDECAR = "inventory.json", "inventory.json.sha256"
SECOND = {"received/bagit.txt": b"BagIt-Version: 1.0\n", "received/scan": bytes(1_200_000)}


@dataclass
class Crashed:
    """A closed volume whose second version is published and not recorded."""

    volume: Volume
    key: SigningKey
    first: MadePackage
    second: MadePackage
    staged: Path  # as it was before the group, complete

    @property
    def folder(self) -> Path:
        return self.volume.root / self.volume.object_folder(self.first.order.object_id)

    def lay_out(self, *, published: bool, inventory: int | None, sidecar: int | None) -> None:
        """`inventory` and `sidecar`: of which version those of the root are; None: gone."""
        object_folder = self.staged / "object"
        if published:
            shutil.rmtree(object_folder / "v2")
        else:
            shutil.rmtree(self.folder / "v2")
        for name, version in ((INVENTORY, inventory), (SIDECAR, sidecar)):
            (self.folder / name).unlink()
            if version is not None:
                source = self.staged / "object" if version == 2 else self.folder / "v1"
                shutil.copy(source / name, self.folder / name)
            if version == 2:
                (object_folder / name).unlink()

    def open(self) -> Volume:
        self.volume = Volume.open(self.volume.settings, self.key)
        return self.volume

    def kinds(self) -> list[str]:
        return [record.kind for record in self.volume._journal.records()]


@pytest.fixture
async def crashed(tmp_path: Path, volume: Volume, key: SigningKey) -> Crashed:
    first = make_package()
    second = make_package(SECOND, previous=first)
    await store(volume, first)
    incoming = send(volume, second)
    kept = tmp_path / "staging-copy"
    shutil.copytree(incoming.staged.folder, kept)
    await volume.commit(incoming)
    volume.close()
    forget_last_commit(volume)
    staged = volume.settings.staging / second.order.op_id
    shutil.move(kept, staged)
    return Crashed(volume, key, first, second, staged)


def forget_last_commit(volume: Volume) -> None:
    """Take the record away with what follows it, and the index."""
    segment = volume.settings.journal / "00000001.log"
    lines = segment.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"kind":"committed"' in line)
    segment.write_bytes(b"".join(lines[:last]))
    for part in volume.settings.beside.glob("index.sqlite*"):
        part.unlink()


def assert_whole(crashed: Crashed, newest: MadePackage) -> None:
    volume = crashed.volume
    stored = volume.stat(newest.order.object_id)
    assert stored is not None
    assert (stored.head, stored.inventory_sha256) == (
        newest.order.version, newest.order.inventory_sha256,
    )  # fmt: skip
    for number, version in enumerate(newest.versions, start=1):
        for path, content in version.files.items():
            assert (crashed.folder / f"v{number}/content/{path}").read_bytes() == content
    assert (crashed.folder / INVENTORY).read_bytes() == newest.inventory
    root = StorageRoot(root=str(volume.root))
    root.validate(validate_objects=True, check_digests=True)
    assert root.num_objects == root.good_objects == 1
    assert names(volume.settings.staging) == []


ROOT_PAIRS = [(inventory, sidecar) for inventory in (1, 2, None) for sidecar in (1, 2, None)]


@pytest.mark.parametrize(("inventory", "sidecar"), ROOT_PAIRS)
def test_a_version_that_has_its_name_is_finished(
    crashed: Crashed, inventory: int | None, sidecar: int | None
) -> None:
    crashed.lay_out(published=True, inventory=inventory, sidecar=sidecar)
    volume = crashed.open()
    assert_whole(crashed, crashed.second)
    answer = volume.begin(crashed.second.order)
    assert isinstance(answer, SignedAnswer)
    assert crashed.kinds().count("committed") == 2
    volume.close()
    assert crashed.open().begin(crashed.second.order) == answer
    crashed.volume.close()


@pytest.mark.parametrize(("inventory", "sidecar"), ROOT_PAIRS)
async def test_a_version_that_has_not_its_name_is_withdrawn_and_may_be_sent_again(
    crashed: Crashed, inventory: int | None, sidecar: int | None
) -> None:
    crashed.lay_out(published=False, inventory=inventory, sidecar=sidecar)
    volume = crashed.open()
    assert_whole(crashed, crashed.first)
    assert crashed.kinds().count("committed") == 1
    await store(volume, crashed.second)
    assert_whole(crashed, crashed.second)
    volume.close()


@pytest.mark.parametrize(("inventory", "sidecar"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize(
    "bad", ["content/received/bagit.txt", "content/received/scan", INVENTORY, SIDECAR]
)
async def test_a_version_that_is_not_whole_goes_to_quarantine_and_may_be_sent_again(
    crashed: Crashed, bad: str, inventory: int, sidecar: int
) -> None:
    crashed.lay_out(published=True, inventory=inventory, sidecar=sidecar)
    damaged = crashed.folder / "v2" / bad
    damaged.chmod(0o640)
    damaged.write_bytes(b"not what was written")
    volume = crashed.open()
    assert_whole(crashed, crashed.first)
    (aside,) = volume.settings.quarantine.iterdir()
    assert (aside / bad).read_bytes() == b"not what was written"
    assert crashed.kinds()[-2:] == ["quarantine", "opened"]
    await store(volume, crashed.second)
    assert_whole(crashed, crashed.second)
    volume.close()


def test_damage_that_no_crash_leaves_is_kept_for_the_sweep_to_find(crashed: Crashed) -> None:
    crashed.lay_out(published=True, inventory=1, sidecar=1)
    (crashed.folder / INVENTORY).write_bytes(b"rot")
    volume = crashed.open()
    assert (crashed.folder / INVENTORY).read_bytes() == b"rot"
    stored = volume.stat(crashed.first.order.object_id)
    assert stored is not None
    assert stored.head == 1
    assert not (crashed.folder / "v2").exists()
    volume.close()


def test_left_overs_of_a_committed_version_are_removed(crashed: Crashed) -> None:
    crashed.lay_out(published=True, inventory=2, sidecar=2)
    crashed.open().close()
    (crashed.volume.settings.staging / crashed.second.order.op_id).mkdir()
    crashed.open()
    assert_whole(crashed, crashed.second)
    crashed.volume.close()
