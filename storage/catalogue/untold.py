"""Object versions that nodes keep and no event tells of: stored in the catalogue's last moments.

docs/operations/catalogue-lost.md, "The last seconds". Their rows follow from the object itself
(`lantai/package.json`) and from what the nodes signed; only their receipts cannot be given back.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, insert, select

from storage.catalogue import scratch
from storage.catalogue.model import CopyState, PackageState, TransferState
from storage.catalogue.scratch import Scratch
from storage.errors import Refusal

_packages = scratch.images["packages"]
_transfers = scratch.images["transfers"]
_said = scratch.said_copies
_STORED = "rebuilt from the nodes; its receipt lies in the return folder 由存储节点重建"
_UNFINISHED = (
    "was being stored when the catalogue was lost: lantai transfers retry takes it up again "
    "目录库丢失时正在入库,请重试"
)


class FactsUnusable(Refusal):
    """A package's own record does not say what the catalogue needs."""

    code = "package-facts"


@dataclass(frozen=True, slots=True)
class Untold:
    """One object version, and who signed for which inventory of it."""

    object_id: str
    version: int
    inventory_sha256: str
    nodes: tuple[str, ...]


def untold(target: Scratch) -> Iterator[Untold]:
    """Each of them, the earlier versions first. Of several inventories that of most nodes."""
    same = and_(_packages.c.object_id == _said.c.object_id, _packages.c.version == _said.c.version)
    holders = func.group_concat(_said.c.node, " ").label("holders")
    key = (_said.c.object_id, _said.c.version, _said.c.inventory_sha256)
    query = select(*key, holders).outerjoin(_packages, same).where(_packages.c.id.is_(None))
    query = query.group_by(*key).order_by(*key[:2], func.count().desc())
    last = None
    with target.catalogue.reading() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        if (row.object_id, row.version) != last:
            last = row.object_id, row.version
            yield Untold(*last, row.inventory_sha256, tuple(row.holders.split(" ")))


def add(target: Scratch, found: Untold, facts: Mapping[str, Any], copies_wanted: int) -> bool:
    """Make its rows; True when as many nodes as wanted signed for it, so that it is stored.

    `facts` is its `lantai/package.json`. Raises FactsUnusable.
    """
    with target.catalogue.writing() as connection:
        of_it = (
            _said.c.object_id == found.object_id,
            _said.c.version == found.version,
            _said.c.inventory_sha256 == found.inventory_sha256,
        )
        said = [dict(row) for row in connection.execute(select(_said).where(*of_it)).mappings()]
        is_stored = len({row["domain"] for row in said}) >= copies_wanted
        try:
            transfer = _transfer(found, facts, said, is_stored)
            package = _package(found, facts, said, is_stored) | {"copies_wanted": copies_wanted}
        except (KeyError, TypeError) as error:
            raise FactsUnusable(f"{found.object_id}: its package.json lacks {error}") from error
        transfer["id"] = _next(connection, _transfers)
        package |= {"id": _next(connection, _packages), "transfer_id": transfer["id"]}
        transfer["package_id"] = package["id"]
        connection.execute(insert(_transfers), transfer)
        connection.execute(insert(_packages), package)
        copies = [
            {
                "package_id": package["id"],
                "state": CopyState.COMMITTED,
                "as_of": 0,
                **{name: row[name] for name in _COPIED},
            }
            for row in said
        ]
        connection.execute(insert(scratch.images["copies"]), copies)
        return is_stored


_COPIED = ("node", "domain", "verify_mode", "committed_at", "answer", "signature")
_FACTS = ("source", "identifier", "identity", "matter", "record_class", "retention")


def _transfer(
    found: Untold, facts: Mapping[str, Any], said: list[dict[str, Any]], is_stored: bool
) -> dict[str, Any]:
    last = max(row["committed_at"] for row in said)
    values = {name: facts[name] for name in _FACTS}
    return values | {
        "name": facts["name"],
        "name_raw": os.fsencode(facts["name"]),
        "fingerprint": "0" * 64,
        "state": TransferState.STORED if is_stored else TransferState.FAILED,
        "message": _STORED if is_stored else _UNFINISHED,
        "bytes_done": 0,
        "claim_epoch": 1,
        "attempts": 1,
        "object_id": found.object_id,
        "file_count": facts["file_count"],
        "content_bytes": facts["content_bytes"],
        "created_at": _moment(facts["received_at"]),
        "updated_at": last,
        "closed_at": last if is_stored else None,
        "as_of": 0,
    }


def _package(
    found: Untold, facts: Mapping[str, Any], said: list[dict[str, Any]], is_stored: bool
) -> dict[str, Any]:
    values = {name: facts[name] for name in _FACTS}
    signed = ("file_list_sha256", "op_id", "file_count", "content_bytes")
    return (
        values
        | {name: said[0][name] for name in signed}
        | {
            "object_id": found.object_id,
            "version": found.version,
            "inventory_sha256": found.inventory_sha256,
            "state": PackageState.STORED if is_stored else PackageState.WRITING,
            "copies_committed": len(said),
            "created_at": _moment(facts["received_at"]),
            "stored_at": max(row["committed_at"] for row in said) if is_stored else None,
            "as_of": 0,
        }
    )


def _moment(text: str) -> str:
    """A moment to the second, as the catalogue writes it."""
    return text if "." in text else text.replace("Z", ".000000Z")


def _next(connection: Any, table: Any) -> int:
    highest: int | None = connection.scalar(select(func.max(table.c.id)))
    return (highest or 0) + 1
