"""What is kept of a damage: digests apart, the bad range, the errno, the disk."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from storage.blocks import FileHasher
from storage.medium import MediumReader
from storage.model import BLOCK_BYTES, ObservedDigest, VerifyMode
from storage.sweep.check_object import check_object
from storage.sweep.evidence import Evidence
from storage.sweep.model import VOLUME_DAMAGE, Damage, DamageKind, ObjectToCheck, Verdict

LARGE = "v1/content/received/data/large.tif"
FIVE_BLOCKS = {"received/data/large.tif": os.urandom(4 * BLOCK_BYTES + 77)}


class Root(Protocol):
    """What conftest.py builds."""

    root: Path

    def add(self, object_id: str, received: dict[str, bytes] = ...) -> ObjectToCheck: ...


@pytest.fixture
def large_object(built_root: Root, tmp_path: Path) -> ObjectToCheck:
    """An object with one file of five blocks, and its block list beside."""
    target = built_root.add("lantai:s/large", FIVE_BLOCKS)
    hasher = FileHasher()
    hasher.update((target.folder / LARGE).read_bytes())
    leaves = tmp_path / "blocks" / f"{LARGE}.leaves"
    leaves.parent.mkdir(parents=True)
    leaves.write_bytes(hasher.finish().leaves)
    return replace(target, blocks=tmp_path / "blocks")


def only_damage(target: ObjectToCheck) -> Damage:
    found = check_object(target, MediumReader(VerifyMode.EVICTED), lambda _read_bytes: None)
    (damage,) = found.damages
    return damage


def evidence_of(target: ObjectToCheck) -> Evidence:
    damage = only_damage(target)
    assert damage.evidence is not None
    return damage.evidence


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)
        os.fsync(stream.fileno())


def test_damage_in_a_large_file_is_located_by_its_signed_blocks(
    large_object: ObjectToCheck,
) -> None:
    """1. Bytes in the second and in the fourth block. 2. The range spans both, two are bad."""
    for block in (1, 3):
        overwrite(large_object.folder / LARGE, block * BLOCK_BYTES + 5, b"xxxx")
    evidence = evidence_of(large_object)
    assert (evidence.first_bad_offset, evidence.bad_end_offset) == (BLOCK_BYTES, 4 * BLOCK_BYTES)
    assert (evidence.granularity_bytes, evidence.bad_blocks) == (BLOCK_BYTES, 2)


def test_expected_and_observed_digests_are_kept_apart(large_object: ObjectToCheck) -> None:
    overwrite(large_object.folder / LARGE, 0, b"xxxx")
    evidence = evidence_of(large_object)
    expected = FileHasher()
    expected.update(FIVE_BLOCKS["received/data/large.tif"])
    observed = FileHasher()
    observed.update((large_object.folder / LARGE).read_bytes())
    assert evidence.expected_sha256 == expected.finish().sha256
    assert evidence.observed == ObservedDigest(observed.finish().sha256)


def test_a_cut_file_is_bad_from_the_block_in_which_it_was_cut(large_object: ObjectToCheck) -> None:
    os.truncate(large_object.folder / LARGE, 2 * BLOCK_BYTES + 1)
    evidence = evidence_of(large_object)
    assert only_damage(large_object).kind is DamageKind.TRUNCATED
    assert (evidence.first_bad_offset, evidence.bad_blocks) == (2 * BLOCK_BYTES, 3)
    assert (evidence.expected_bytes, evidence.observed_bytes) == (
        4 * BLOCK_BYTES + 77,
        2 * BLOCK_BYTES + 1,
    )


def test_a_block_list_without_the_signed_root_locates_nothing(large_object: ObjectToCheck) -> None:
    assert large_object.blocks is not None
    overwrite(large_object.blocks / f"{LARGE}.leaves", 0, bytes(32))
    overwrite(large_object.folder / LARGE, 0, b"xxxx")
    evidence = evidence_of(large_object)
    assert evidence.first_bad_offset is None
    assert evidence.observed is not None


def test_a_missing_file_leaves_its_errno_and_the_disk(large_object: ObjectToCheck) -> None:
    (large_object.folder / LARGE).unlink()
    evidence = evidence_of(large_object)
    device = large_object.folder.stat().st_dev
    assert evidence.errno == errno.ENOENT
    assert evidence.device == f"{os.major(device)}:{os.minor(device)}"


def test_evidence_is_json_without_what_is_not_known() -> None:
    evidence = Evidence(expected_sha256="a", observed=ObservedDigest("b"), errno=5, device="8:1")
    assert json.loads(evidence.text()) == {
        "expected_sha256": "a",
        "observed_sha256": "b",
        "errno": 5,
        "device": "8:1",
    }


def test_an_object_has_one_verdict_of_a_closed_set(large_object: ObjectToCheck) -> None:
    reader = MediumReader(VerifyMode.EVICTED)
    intact = check_object(large_object, reader, lambda _read_bytes: None)
    assert intact.verdict is Verdict.INTACT
    os.truncate(large_object.folder / LARGE, 0)
    cut = check_object(large_object, reader, lambda _read_bytes: None)
    assert cut.verdict is Verdict.TRUNCATED
    assert replace(cut, finished=False).verdict is None


def test_every_damage_of_an_object_is_a_verdict_and_away_is_none() -> None:
    of_objects = {kind.value for kind in DamageKind} - {kind.value for kind in VOLUME_DAMAGE}
    of_objects.discard(DamageKind.STRAY_OBJECT.value)
    assert {verdict.value for verdict in Verdict if verdict.is_damage} == of_objects
    assert not Verdict.UNREACHABLE.is_damage
    assert not Verdict.AWAY.is_damage
