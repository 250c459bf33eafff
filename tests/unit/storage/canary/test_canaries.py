"""Canaries lie on a disk as they were planted, and the sweep's check finds exactly their damage."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.canary.flock import LARGE, SMALL, Canary, flock
from storage.canary.planting import plant_canaries
from storage.canary.proof import canaries_to_check, what_is_broken
from storage.canary.proving import prove_check
from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.ocfl.layout import object_folder
from storage.ocfl.validate import validate_object
from storage.sweep.check_object import check_object

# All paths and bytes of all canaries. If this changes, every volume in the field declares its
# sweep broken: planted bytes stay as they are, new canaries need a root of another name.
FLOCK_SHA256 = "b693e6c92604fc530ab902b65bbfc9b68e352664441543ffa44c034c0578417a"


def name_of(canary: Canary) -> str:
    return canary.object_id.partition(":")[2]


def folder_of(root: Path, name: str) -> Path:
    return root / object_folder(f"lantai-canary:{name}")


@pytest.fixture
def canaries(tmp_path: Path) -> Path:
    root = tmp_path / "canaries"
    plant_canaries(root)
    return root


def test_the_planted_bytes_are_those_of_every_release() -> None:
    digest = hashlib.sha256()
    for canary in flock():
        for path, content in sorted(canary.files.items()):
            digest.update(f"{canary.object_id}\0{path}\0{len(content)}\0".encode() + content)
    assert digest.hexdigest() == FLOCK_SHA256


def test_every_kind_of_damage_within_an_object_that_can_be_planted_is() -> None:
    planted = {kind.value for canary in flock() for kind, _ in canary.expected}
    assert planted == {
        "altered", "truncated", "missing", "stray", "sidecar-damaged", "inventory-damaged",
    }  # fmt: skip
    assert sum(not canary.expected for canary in flock()) == 2


@pytest.mark.parametrize("canary", flock(), ids=name_of)
def test_an_independent_validator_agrees_which_canaries_are_sound(
    canaries: Path, canary: Canary
) -> None:
    report = validate_object(canaries / object_folder(canary.object_id))
    assert bool([each for each in report.findings if each.severity == "error"]) == bool(
        canary.expected
    )


def test_the_check_finds_exactly_what_was_planted(canaries: Path) -> None:
    assert prove_check(canaries, VerifyMode.EVICTED) == ""


def test_planting_again_touches_nothing(canaries: Path) -> None:
    healed = folder_of(canaries, "file-missing") / SMALL
    healed.parent.mkdir()
    healed.write_bytes(b"healed")
    plant_canaries(canaries)
    assert healed.read_bytes() == b"healed"


def test_what_a_crash_left_half_planted_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".canaries.growing" / "4f2").mkdir(parents=True)
    plant_canaries(tmp_path / "canaries")
    assert prove_check(tmp_path / "canaries", VerifyMode.EVICTED) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["canaries"]


def damage_a_sound_one(root: Path) -> None:
    path = folder_of(root, "sound") / SMALL
    path.chmod(0o600)
    path.write_bytes(b"x" + path.read_bytes()[1:])


def heal_a_bad_one(root: Path) -> None:
    path = folder_of(root, "last-bit-flipped") / LARGE
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def add_a_second_damage(root: Path) -> None:
    (folder_of(root, "bit-flipped") / "note.txt").write_bytes(b"")


def take_one_away(root: Path) -> None:
    folder = folder_of(root, "stray-file")
    folder.rename(folder.with_name("elsewhere"))


def take_all_away(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (damage_a_sound_one, "sound has nothing wrong"),
        (heal_a_bad_one, "last-bit-flipped"),
        (add_a_second_damage, "bit-flipped"),
        (take_one_away, "stray-file"),
        (take_all_away, "sound"),
    ],
)
def test_any_other_state_of_a_canary_breaks_the_proof(
    canaries: Path, harm: Callable[[Path], None], named: str
) -> None:
    harm(canaries)
    os.sync()
    assert f"lantai-canary:{named}" in prove_check(canaries, VerifyMode.EVICTED)


def test_a_check_that_did_not_come_to_its_end_is_no_proof(canaries: Path) -> None:
    reader = MediumReader(VerifyMode.EVICTED)
    targets = canaries_to_check(canaries)
    checks = [check_object(target, reader, lambda _read_bytes: None) for target in targets[:-1]]
    assert what_is_broken(checks) == f"{targets[-1].object_id} could not be judged"
