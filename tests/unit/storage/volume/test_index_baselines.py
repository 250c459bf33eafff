"""A node's index takes no other digest for a version that it knows, whoever says so."""

import sqlite3

import pytest

from storage.volume.refusals import VersionTaken
from storage.volume.volume import Volume
from tests.volume_packages import again, make_package, store

OTHER = "e" * 64


def say(volume: Volume, statement: str) -> None:
    with sqlite3.connect(volume.settings.index) as database:
        try:
            database.execute(statement)
        finally:
            database.rollback()
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE objects SET inventory_sha256='{OTHER}'",
        f"UPDATE operations SET inventory_sha256='{OTHER}'",
        f"UPDATE operations SET file_list_sha256='{OTHER}'",
    ],
    ids=["object", "operation", "file list"],
)
async def test_no_statement_writes_another_digest(volume: Volume, statement: str) -> None:
    await store(volume, make_package())
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        say(volume, statement)


async def test_no_row_is_put_in_the_place_of_another(volume: Volume) -> None:
    await store(volume, make_package())
    with sqlite3.connect(volume.settings.index) as database:
        database.execute("CREATE TEMP TABLE changed AS SELECT * FROM objects")
        database.execute("UPDATE changed SET inventory_sha256=?", (OTHER,))
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute("INSERT OR REPLACE INTO objects SELECT * FROM changed")
        database.rollback()
    database.close()


async def test_a_mend_cannot_bring_another_digest(volume: Volume) -> None:
    """Not even the keeper: a copy is replaced by the bytes that were signed, or not at all."""
    await store(volume, make_package())
    other = make_package({"received/other": b"other bytes"})
    with pytest.raises(VersionTaken):
        volume.begin(again(other, op_id="7" * 32, replaces_damaged=True).order)


async def test_a_copy_that_is_proven_anew_is_recorded_as_before(volume: Volume) -> None:
    package = make_package()
    await store(volume, package)
    await store(volume, again(package, op_id="7" * 32, replaces_damaged=True))
    stored = volume.stat(package.order.object_id)
    assert stored is not None
    assert stored.inventory_sha256 == package.order.inventory_sha256
