"""A node's sums stand for its rows: after any records, after a rebuild, after an older index."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import PARTITIONS, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum
from storage.sweep.model import DamageKind
from storage.volume import index_tree
from storage.volume.index import Index
from storage.volume.journal_records import Record
from storage.volume.volume import Volume
from tests.volume_packages import make_package, store

AT = "2026-11-22T08:00:00.000000Z"


def record(sequence: int, kind: str, **members: str | int) -> Record:
    return Record(sequence, AT, kind, dict(members), 1, sequence, b"")


def copy_record(sequence: int, name: str, version: int, kind: str = "committed") -> Record:
    return record(
        sequence, kind, object_id=name, version=version, inventory_sha256=f"{version:064x}",
        file_list_sha256="b" * 64, file_count=1, content_bytes=1, op_id=f"{sequence:032x}",
    )  # fmt: skip


def any_records(chance: Random, count: int) -> list[Record]:
    """A journal as a node's life might be: commits, versions, damage, mends."""
    heads: dict[str, int] = {}
    records = []
    for sequence in range(1, count + 1):
        act = chance.random()
        name = f"lantai:s/{chance.randrange(30)}"
        if name not in heads or act < 0.3:
            heads[name] = heads.get(name, 0) + 1
            records.append(copy_record(sequence, name, heads[name]))
        elif act < 0.7:
            kind = chance.choice([DamageKind.ALTERED, DamageKind.OBJECT_MISSING])
            members = {"object_id": name, "finding": kind.value, "path": f"p{sequence}"}
            records.append(record(sequence, "finding", **members, detail="", found_at=AT))
        else:
            records.append(copy_record(sequence, name, heads[name], "mended"))
    return records


def everything(index: Index) -> list[Subtree]:
    return [child for number in range(256) for child in index.tree_branch(2, number)]


def from_its_leaves(index: Index) -> list[Subtree]:
    """What the tree must be, by what is listed."""
    listed = (index.leaves(partition, "", 10_000) for partition in range(PARTITIONS))
    return [
        SetSum().changed([], (leaf_digest(leaf) for leaf in leaves)).subtree() for leaves in listed
    ]


@pytest.mark.parametrize("seed", range(4))
def test_sums_stand_for_the_rows_after_any_records(tmp_path: Path, seed: int) -> None:
    records = any_records(Random(seed), 200)
    index, rebuilt = Index(tmp_path / "index"), Index(tmp_path / "rebuilt")
    for each in records:
        index.apply([each])
    kept = everything(index)
    assert kept == from_its_leaves(index)
    assert {each.state for n in range(PARTITIONS) for each in index.leaves(n, "", 9)} == set(
        LeafState
    )
    rebuilt.apply(records)
    assert everything(rebuilt) == kept
    rebuilt.clear()
    assert sum(each.objects for each in everything(rebuilt)) == 0
    rebuilt.apply(records)
    assert everything(rebuilt) == kept
    index.renew(records)
    assert everything(index) == kept
    index.close()
    rebuilt.close()


def test_a_copy_that_is_gone_has_no_leaf_and_a_bad_one_says_so(tmp_path: Path) -> None:
    index = Index(tmp_path / "index")
    name = "lantai:s/1"
    partition = partition_of(name)
    index.apply([copy_record(1, name, 1)])
    assert [each.state for each in index.leaves(partition, "", 9)] == [LeafState.STORED]
    found = {"object_id": name, "path": "", "detail": "", "found_at": AT}
    index.apply([record(2, "finding", **found, finding="altered")])
    assert [each.state for each in index.leaves(partition, "", 9)] == [LeafState.DAMAGED]
    index.apply([record(3, "finding", **found, finding="object-missing")])
    assert index.leaves(partition, "", 9) == []
    index.apply([copy_record(4, name, 1, "mended")])
    assert [each.state for each in index.leaves(partition, "", 9)] == [LeafState.STORED]
    index.close()


def test_an_index_of_the_version_before_keeps_its_rows_and_gets_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "index"
    index = Index(path)
    index.apply(any_records(Random(1), 100))
    kept, stored = everything(index), index.objects("", 100)
    index.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            "DROP TABLE tree; DROP INDEX objects_by_partition;"
            "ALTER TABLE objects DROP COLUMN partition; PRAGMA user_version = 2;"
        )
    again = Index(path)
    assert (everything(again), again.objects("", 100)) == (kept, stored)
    again.close()


async def test_a_sum_that_is_not_that_of_its_rows_is_found_by_the_sweep(volume: Volume) -> None:
    await store(volume, make_package({"received/a": b"a"}, "lantai:s/1"))
    kept = volume.tree_branch(0, 0)
    with closing(sqlite3.connect(volume.settings.index)) as database, database:
        database.execute("UPDATE tree SET objects=2")
    assert volume.tree_branch(0, 0) != kept
    (damage,) = volume.records_check()(lambda _read_bytes: None)
    assert damage.kind is DamageKind.INDEX_DAMAGED
    volume.settle_records([damage], AT)
    assert volume.tree_branch(0, 0) == kept, "the index was made anew from the journal"


def test_every_sum_agrees_with_its_rows(tmp_path: Path) -> None:
    index = Index(tmp_path / "index")
    index.apply(any_records(Random(2), 50))
    index.close()
    with closing(sqlite3.connect(tmp_path / "index")) as database:
        assert index_tree.disagreement(database) is None
