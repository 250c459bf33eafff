"""Journal records as rows of the index: the one place where an event changes what is known.

docs/formats/journal.md, "Payload". Used alike for a record just written and for one replayed, so
a rebuilt index equals the one that was lost. Runs inside the caller's transaction.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import fields

from storage.hash_tree.leaf import partition_of
from storage.model import source_of
from storage.ocfl.layout import object_folder
from storage.sweep.model import SweepCycle
from storage.volume.index_tree import counting
from storage.volume.journal_records import Record
from storage.volume.publish import decoded_folder_name


def take_in(database: sqlite3.Connection, record: Record) -> None:
    """Change the rows as the record says; records of kinds unknown here change nothing."""
    taker = _TAKERS.get(record.kind)
    if taker is None:
        return
    with counting(database, str(record.members.get("object_id") or "")):
        taker(database, record)


def _take_copy(database: sqlite3.Connection, record: Record) -> None:
    members = record.members
    place = (record.segment, record.offset)
    object_id, version, inventory_sha256 = (
        members["object_id"],
        members["version"],
        members["inventory_sha256"],
    )
    known = database.execute(
        "SELECT file_count, content_bytes, checked_at, swept_at, sweeps FROM objects"
        " WHERE object_id=?",
        (object_id,),
    ).fetchone()
    # A later version leaves the earlier ones unread: as a whole the copy is as old as before.
    is_added = record.kind == "committed" and known is not None
    checked_at, swept_at, sweeps = known[2:] if is_added else (record.at, record.at, 0)
    file_count, content_bytes = object_totals(record)
    database.execute(
        "INSERT OR REPLACE INTO operations VALUES (?,?,?,?,?,?,?)",
        (
            members["op_id"],
            object_id,
            version,
            inventory_sha256,
            members["file_list_sha256"],
            *place,
        ),
    )
    source = source_of(str(object_id))
    database.execute(
        "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            object_id,
            source,
            version,
            inventory_sha256,
            file_count,
            content_bytes,
            checked_at,
            swept_at,
            *place,
            _cut_folder(str(object_id)),
            sweeps,
            partition_of(str(object_id)),
        ),
    )
    known_files, known_bytes = known[:2] if known else (0, 0)
    more = (0 if known else 1, file_count - known_files, content_bytes - known_bytes)
    database.execute(
        "INSERT INTO sources VALUES (?1,?2,?3,?4) ON CONFLICT (source) DO UPDATE SET"
        " objects=objects+?2, files=files+?3, content_bytes=content_bytes+?4",
        (source, *more),
    )
    database.execute(
        "UPDATE reached SET objects=objects+?, content_bytes=content_bytes+?", (more[0], more[2])
    )


def object_totals(record: Record) -> tuple[int, int]:
    """Files and bytes of all versions together, as of a `committed` or `mended` record."""
    members = record.members
    totals = (
        (members["file_count"], members.get("earlier_files", 0)),
        (members["content_bytes"], members.get("earlier_bytes", 0)),
    )
    files, content_bytes = (int(str(own)) + int(str(before)) for own, before in totals)
    return files, content_bytes


def _cut_folder(object_id: str) -> str | None:
    folder = object_folder(object_id)
    return str(folder) if decoded_folder_name(folder.name) is None else None


def _take_mended(database: sqlite3.Connection, record: Record) -> None:
    _take_copy(database, record)
    database.execute(
        "UPDATE findings SET mended_at=? WHERE object_id=? AND mended_at IS NULL",
        (record.at, record.members["object_id"]),
    )


def _take_finding(database: sqlite3.Connection, record: Record) -> None:
    members = record.members
    database.execute(
        "INSERT OR REPLACE INTO findings VALUES (?,?,?,?,?,?,?,NULL)",
        (
            record.sequence,
            members["found_at"],
            members["object_id"],
            members["finding"],
            members["path"],
            members["detail"],
            members.get("evidence", ""),
        ),
    )


def _take_quarantine(database: sqlite3.Connection, record: Record) -> None:
    """A stray that was moved aside is mended; a bad object waits for its new copy."""
    if record.members["object_id"] is None:
        database.execute(
            "UPDATE findings SET mended_at=? WHERE object_id='' AND path=? AND mended_at IS NULL",
            (record.at, record.members["source"]),
        )


def _take_closing(database: sqlite3.Connection, record: Record) -> None:
    """What was wrong with the volume itself, and is not any more."""
    database.execute(
        "UPDATE findings SET mended_at=? WHERE object_id='' AND kind=? AND mended_at IS NULL",
        (record.at, record.members["finding"]),
    )


def _take_epoch(database: sqlite3.Connection, record: Record) -> None:
    database.execute(
        "INSERT INTO epochs VALUES (?,?) ON CONFLICT (scope)"
        " DO UPDATE SET epoch=max(epoch, excluded.epoch)",
        (record.members["scope"], record.members["epoch"]),
    )


def _take_sweep_cycle(database: sqlite3.Connection, record: Record) -> None:
    members = record.members
    database.execute(
        "INSERT OR REPLACE INTO sweep_cycles VALUES (?,?,?,?,?,?,?,?,?,?)",
        tuple(members[field.name] for field in fields(SweepCycle)),
    )


def _take_opened(database: sqlite3.Connection, record: Record) -> None:
    facts = tuple(record.members[name] for name in ("kernel", "device", "software"))
    database.execute("INSERT OR REPLACE INTO opening VALUES (1,0,?,?,?)", facts)


def _take_closed(database: sqlite3.Connection, _record: Record) -> None:
    database.execute("UPDATE opening SET closed=1")


def _take_told(database: sqlite3.Connection, record: Record) -> None:
    members = record.members
    position = (members["event_sequence"], members["answer_id"], members["chain"])
    database.execute("INSERT OR REPLACE INTO chronicle VALUES (1,?,?,?)", position)


_TAKERS: dict[str, Callable[[sqlite3.Connection, Record], None]] = {
    "committed": _take_copy,
    "mended": _take_mended,
    "finding": _take_finding,
    "finding-closed": _take_closing,
    "quarantine": _take_quarantine,
    "epoch": _take_epoch,
    "sweep-cycle": _take_sweep_cycle,
    "opened": _take_opened,
    "closed": _take_closed,
    "told": _take_told,
}
