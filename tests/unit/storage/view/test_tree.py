"""Inode numbers: computed, stable, and given back."""

import pytest

from storage.view.holdings import HeldVersion
from storage.view.tree import (
    ROOT_INODE,
    Area,
    InodeTable,
    Position,
    Root,
    Source,
    StaleInode,
    committed_nanoseconds,
)

HELD = HeldVersion("lantai:gov/case-1", 1, "a" * 64, "2026-11-22T08:00:00Z", ("node-1",))
AREA = Area(HELD, records=False)


def test_every_position_comes_back_from_its_inode() -> None:
    table = InodeTable()
    positions = [
        Position(Source("gov")),
        Position(Source("gov"), depth=1, offset=2**32 - 1),
        Position(AREA),
        Position(AREA, depth=64, offset=123456789),
        Position(Area(HELD, records=True), depth=1, offset=1),
    ]
    inodes = [table.remember(position) for position in positions]
    assert [table.position(inode) for inode in inodes] == positions
    assert len(set(inodes)) == len(positions)
    assert table.position(ROOT_INODE) == Position(Root())


def test_inodes_are_the_same_after_a_restart() -> None:
    position = Position(AREA, depth=3, offset=77)
    assert InodeTable().remember(position) == InodeTable().remember(position)


def test_a_million_files_of_one_version_take_one_row() -> None:
    table = InodeTable()
    inodes = {table.remember(Position(AREA, 3, offset)) for offset in range(0, 300_000, 300)}
    assert len(inodes) == 1000
    assert len(table) == 1


def test_a_place_is_forgotten_when_every_look_up_is_given_back() -> None:
    table = InodeTable()
    first = table.remember(Position(AREA, 1, 0))
    second = table.remember(Position(AREA, 2, 0))
    table.remember(Position(AREA, 2, 0))
    table.forget(first, 1)
    table.forget(second, 1)
    assert table.position(second) == Position(AREA, 2, 0)
    table.forget(second, 1)
    with pytest.raises(StaleInode):
        table.position(second)
    table.forget(second, 1)


def test_places_whose_digests_meet_get_numbers_of_their_own() -> None:
    """Among 8 000 places, two of the same slot are as good as certain (24 bits)."""
    table = InodeTable()
    positions = [Position(Source(f"source-{number}")) for number in range(8000)]
    inodes = [table.remember(position) for position in positions]
    assert len(set(inodes)) == 8000
    assert [table.position(inode) for inode in inodes] == positions
    assert any(
        InodeTable().number(position) != inode
        for position, inode in zip(positions, inodes, strict=True)
    )


def test_the_date_of_a_version_is_when_it_was_committed() -> None:
    assert committed_nanoseconds(HELD) == 1795334400 * 10**9
