"""A check that was stopped goes on where it was, and believes nothing that does not fit."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.blocks import FileHasher
from storage.durable import write_whole_file
from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.sweep.check_object import SweepStopped, check_object
from storage.sweep.model import DamageKind, ObjectCheck, ObjectToCheck
from storage.sweep.trail import Trail, TrailRule, forget_trails, read_footprint

MIB = 1024 * 1024
CONTENT = "v1/content/received/"
# A trail after every read; files over 2 MiB have one of their own.
RULE = TrailRule(seconds_max=0, bytes_max=0, large_file_bytes=2 * MIB)
SCAN = os.urandom(9 * MIB + 17)
RECEIVED = {
    "received/a.txt": b"a" * 70_000,
    "received/b/scan.tif": SCAN,
    "received/c.txt": b"c" * 70_000,
}
# The small files, inventories and sidecars, which may be read again in each life; and everything.
SMALL = 160_000
ONCE = len(SCAN) + SMALL


class Root(Protocol):
    """What conftest.py builds."""

    root: Path

    def add(self, object_id: str, received: dict[str, bytes] = ...) -> ObjectToCheck: ...


class Lives:
    """Checks of one object, each stopped after so many bytes, with what all of them read."""

    def __init__(self, target: ObjectToCheck, folder: Path, since: str = "s") -> None:
        self.target = target
        self.folder = folder
        self.since = since
        self.read_bytes = 0
        self.number = 0

    def live(self, stop_after_bytes: int | None = None, since: str = "s") -> ObjectCheck:
        self.number += 1
        left = stop_after_bytes

        def pace(read_bytes: int) -> None:
            nonlocal left
            self.read_bytes += read_bytes
            if left is not None:
                left -= read_bytes
                if left <= 0:
                    raise SweepStopped

        trail = Trail(self.folder, self.target, since, f"life-{self.number}", RULE)
        return check_object(self.target, MediumReader(VerifyMode.EVICTED), pace, trail)


@pytest.fixture
def lives(built_root: Root, tmp_path: Path) -> Lives:
    """Of an object with a large file, whose block list lies beside the root."""
    target = built_root.add("lantai:s/large", RECEIVED)
    return Lives(with_block_list(target, tmp_path / "blocks"), tmp_path / "sweep")


def with_block_list(target: ObjectToCheck, blocks: Path) -> ObjectToCheck:
    hasher = FileHasher()
    hasher.update(SCAN)
    path = blocks / f"{CONTENT}b/scan.tif.leaves"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole_file(path, hasher.finish().leaves)
    return replace(target, blocks=blocks)


def flip(path: Path, offset: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ 1]))
        stream.flush()
        os.fsync(stream.fileno())


def test_a_check_without_a_stop_reads_everything_once_and_leaves_nothing(lives: Lives) -> None:
    check = lives.live()
    assert check.intact
    assert check.file_count == 4
    assert sum(map(len, RECEIVED.values())) <= lives.read_bytes < len(SCAN) + 200_000
    assert list(lives.folder.glob("*")) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 11 * MIB), max_size=8))
def test_wherever_it_is_stopped_it_ends_intact_and_repeats_a_little(
    lives: Lives, stops: list[int]
) -> None:
    """Each life may lose what it read since the last trail: a block, and the small files that
    every life reads again (inventories, sidecars)."""
    lives.read_bytes = 0
    stopped = 0
    for stop in stops:
        if lives.live(stop).finished:
            break
        stopped += 1
    else:
        assert lives.live().intact
    assert lives.read_bytes <= ONCE + stopped * (MIB + SMALL)
    for left in lives.folder.glob("*"):
        left.unlink()


def test_what_was_read_before_the_stop_counts_from_then(lives: Lives) -> None:
    lives.live(5 * MIB)
    check = lives.live()
    assert check.began_at == "life-1"


@pytest.mark.parametrize("offset", [0, 3 * MIB + 5, 9 * MIB + 16])
@pytest.mark.parametrize("stop", [None, 2 * MIB, 8 * MIB])
def test_damage_in_a_large_file_is_found_before_and_behind_the_stop(
    lives: Lives, offset: int, stop: int | None
) -> None:
    flip(lives.target.folder / CONTENT / "b/scan.tif", offset)
    if stop is not None:
        assert not lives.live(stop).finished
    (damage,) = lives.live().damages
    assert (damage.kind, damage.path) == (DamageKind.ALTERED, CONTENT + "b/scan.tif")
    assert damage.evidence is not None
    assert damage.evidence.first_bad_offset == offset // MIB * MIB
    assert damage.evidence.bad_blocks == 1


def test_a_damaged_large_file_is_not_read_whole_a_second_time(lives: Lives) -> None:
    flip(lives.target.folder / CONTENT / "b/scan.tif", 5 * MIB)
    lives.live()
    assert lives.read_bytes < len(SCAN) + MIB + 300_000


def test_a_large_file_that_was_cut_is_truncated(lives: Lives) -> None:
    path = lives.target.folder / CONTENT / "b/scan.tif"
    path.chmod(0o600)
    os.truncate(path, 4 * MIB)
    os.sync()
    (damage,) = lives.live().damages
    assert damage.kind is DamageKind.TRUNCATED


def test_without_a_block_list_damage_is_found_by_the_whole_digest(lives: Lives) -> None:
    lives.target = replace(lives.target, blocks=None)
    flip(lives.target.folder / CONTENT / "b/scan.tif", 5 * MIB)
    (damage,) = lives.live().damages
    assert damage.kind is DamageKind.ALTERED


def test_what_was_found_bad_before_the_stop_is_found_again(lives: Lives) -> None:
    flip(lives.target.folder / CONTENT / "a.txt", 5)
    lives.live(5 * MIB)
    (damage,) = lives.live().damages
    assert damage.path == CONTENT + "a.txt"


Spoil = Callable[[Lives, Path], None]


def rot(_lives: Lives, trail: Path) -> None:
    flip(trail, 100)


def another_pass(lives: Lives, _trail: Path) -> None:
    lives.since = "another"


@pytest.mark.parametrize("spoil", [rot, another_pass])
def test_a_trail_that_does_not_fit_is_no_trail(lives: Lives, spoil: Spoil) -> None:
    lives.live(5 * MIB)
    (trail,) = lives.folder.glob("*.json")
    spoil(lives, trail)
    lives.read_bytes = 0
    assert lives.live(since=lives.since).intact
    assert lives.read_bytes > len(SCAN)


def test_a_leaf_that_rotted_in_a_trail_makes_its_block_be_read_again(lives: Lives) -> None:
    lives.live(5 * MIB)
    (leaves,) = lives.folder.glob("*.leaves")
    flip(leaves, 40)
    check = lives.live()
    assert (check.intact, check.second_looks) == (True, 1)


def test_a_trail_of_another_inventory_is_no_trail(lives: Lives) -> None:
    lives.live(5 * MIB)
    other = replace(lives.target, inventory_sha256="0" * 64)
    assert Trail(lives.folder, lives.target, "s", "x", RULE).at.large_blocks > 0
    assert Trail(lives.folder, other, "s", "x", RULE).at.large_blocks == 0


def test_trails_of_passes_that_are_over_are_forgotten(lives: Lives) -> None:
    lives.live(5 * MIB)
    (trail,) = lives.folder.glob("*.json")
    forget_trails(lives.folder, frozenset({"s"}))
    assert read_footprint(trail) is not None
    forget_trails(lives.folder, frozenset({"t"}))
    assert list(lives.folder.glob("*")) == []
