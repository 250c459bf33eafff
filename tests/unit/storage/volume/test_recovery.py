"""Every row of the crash table in docs/formats/volume.md, laid out by hand, then opened.

The states are what a crash leaves: files of `staging/` put back, journal lines taken away.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ocfl.storage_root import StorageRoot

from storage.model import SignedAnswer
from storage.node_answer import believe
from storage.signing import SigningKey
from storage.volume.incoming import Incoming
from storage.volume.receiving import StagedOperation
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, again, make_package, names, send, store


@dataclass
class Crashed:
    """A closed volume with one package, and its staging as it was before the group."""

    volume: Volume
    key: SigningKey
    package: MadePackage
    staged: Path  # a copy, complete

    def put_staging_back(self) -> StagedOperation:
        target = self.volume.settings.staging / self.package.order.op_id
        shutil.copytree(self.staged, target)
        return StagedOperation(target)

    def forget_the_record(self) -> None:
        """Take away the last journal line, and the index with it."""
        segment = self.volume.settings.journal / "00000001.log"
        content = segment.read_bytes()
        closed = content[:-1].rfind(b"\n") + 1
        segment.write_bytes(content[: content[: closed - 1].rfind(b"\n") + 1])
        for part in self.volume.settings.beside.glob("index.sqlite*"):
            part.unlink()

    def folder(self) -> Path:
        return self.volume.root / self.volume.object_folder(self.package.order.object_id)

    def open(self) -> Volume:
        self.volume = Volume.open(self.volume.settings, self.key)
        return self.volume

    def kinds(self) -> list[str]:
        return [record.kind for record in self.volume._journal.records()]


@pytest.fixture
async def crashed(tmp_path: Path, volume: Volume, key: SigningKey) -> Crashed:
    package = make_package()
    incoming = send(volume, package)
    copy = tmp_path / "staging-copy"
    shutil.copytree(incoming.staged.folder, copy)
    await volume.commit(incoming)
    volume.close()
    return Crashed(volume, key, package, copy)


def assert_clean(volume: Volume) -> None:
    assert names(volume.settings.staging) == []
    root = StorageRoot(root=str(volume.root))
    root.validate(validate_objects=True, check_digests=True)
    assert root.num_traversal_errors == 0
    assert root.num_objects == root.good_objects == volume.state().objects


def test_published_but_not_recorded_is_read_back_and_recorded(crashed: Crashed) -> None:
    crashed.forget_the_record()
    shutil.rmtree(crashed.put_staging_back().object)
    volume = crashed.open()
    answer = volume.begin(crashed.package.order)
    assert isinstance(answer, SignedAnswer)
    said = believe(answer, "node-1", crashed.key.verify_key)
    assert said.inventory_sha256 == crashed.package.order.inventory_sha256
    assert "committed" in crashed.kinds()
    assert_clean(volume)
    volume.close()


def test_a_torn_record_of_a_published_object_is_made_again(crashed: Crashed) -> None:
    segment = crashed.volume.settings.journal / "00000001.log"
    content = segment.read_bytes()
    closed = content[:-1].rfind(b"\n") + 1
    segment.write_bytes(content[: closed - 30])
    shutil.rmtree(crashed.put_staging_back().object)
    volume = crashed.open()
    assert isinstance(volume.begin(crashed.package.order), SignedAnswer)
    assert_clean(volume)
    volume.close()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        ("v1/content/received/bagit.txt", flip),
        ("v1/content/received/bagit.txt", Path.unlink),
        ("inventory.json", flip),
        ("inventory.json.sha256", flip),
        ("v1/inventory.json", flip),
        ("v1/inventory.json.sha256", Path.unlink),
        ("0=ocfl_object_1.1", flip),
    ],
)
async def test_published_but_not_whole_goes_to_quarantine_and_may_be_sent_again(
    crashed: Crashed, path: str, damage: Callable[[Path], None]
) -> None:
    crashed.forget_the_record()
    shutil.rmtree(crashed.put_staging_back().object)
    damage(crashed.folder() / path)
    volume = crashed.open()
    assert volume.stat(crashed.package.order.object_id) is None
    assert len(names(volume.settings.quarantine)) == 1
    assert not crashed.folder().parent.parent.exists(), "no empty folder stays (E073)"
    assert isinstance(await store(volume, crashed.package), SignedAnswer)
    assert_clean(volume)
    volume.close()


def test_complete_but_not_published_is_discarded(crashed: Crashed) -> None:
    crashed.forget_the_record()
    crashed.put_staging_back()
    shutil.rmtree(crashed.folder())
    volume = crashed.open()
    assert isinstance(volume.begin(crashed.package.order), Incoming)
    volume.close()
    assert not crashed.folder().parent.parent.exists()


def test_incomplete_staging_is_discarded(crashed: Crashed) -> None:
    staged = crashed.put_staging_back()
    staged.order.unlink()
    staged.order.write_bytes(b"")
    (crashed.volume.settings.staging / "self-test-0").write_bytes(b"x")
    volume = crashed.open()
    assert_clean(volume)
    volume.close()


def test_left_overs_of_a_committed_operation_are_removed(crashed: Crashed) -> None:
    crashed.put_staging_back()
    volume = crashed.open()
    assert volume.state().objects == 1
    assert crashed.kinds().count("committed") == 1
    assert_clean(volume)
    volume.close()


def test_recovery_may_run_again(crashed: Crashed) -> None:
    crashed.forget_the_record()
    shutil.rmtree(crashed.put_staging_back().object)
    volume = crashed.open()
    answer = volume.begin(crashed.package.order)
    volume.close()
    shutil.rmtree(crashed.put_staging_back().object)
    volume = crashed.open()
    assert volume.begin(crashed.package.order) == answer
    assert crashed.kinds().count("committed") == 1
    volume.close()


def staged_repair(crashed: Crashed) -> StagedOperation:
    """A repair whose new copy is complete in staging."""
    repair = again(crashed.package, op_id="ab" * 16, replaces_damaged=True)
    volume = crashed.open()
    incoming = send(volume, repair)
    copy = crashed.staged.with_name("repair-copy")
    shutil.copytree(incoming.staged.folder, copy)
    volume.close()
    shutil.rmtree(crashed.staged)
    crashed.staged, crashed.package = copy, repair
    return crashed.put_staging_back()


def test_a_repair_that_exchanged_the_copies_is_finished(crashed: Crashed) -> None:
    staged = staged_repair(crashed)
    flip(crashed.folder() / "v1/content/received/bagit.txt")
    swap(staged.object, crashed.folder())
    volume = crashed.open()
    assert isinstance(volume.begin(crashed.package.order), SignedAnswer)
    assert "mended" in crashed.kinds()
    (bad,) = volume.settings.quarantine.iterdir()
    assert (bad / "v1/content/received/bagit.txt").read_bytes()[0] == ord("B") ^ 1
    assert_clean(volume)
    volume.close()


def test_a_repair_that_had_not_exchanged_them_loses_neither(crashed: Crashed) -> None:
    staged_repair(crashed)
    flip(crashed.folder() / "v1/content/received/bagit.txt")
    volume = crashed.open()
    assert isinstance(volume.begin(crashed.package.order), Incoming)
    assert len(names(volume.settings.quarantine)) == 1
    assert crashed.folder().is_dir()
    assert "mended" not in crashed.kinds()
    volume.close()


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)
