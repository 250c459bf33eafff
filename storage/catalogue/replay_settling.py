"""What follows from all that was taken in: findings, sweeps, copies, counts and sums.

docs/formats/chronicle.md, docs/operations/catalogue-lost.md. Runs once, after the last journal.
Rows of the ledger follow from events in their order; copies from what each node signed, which
counts more than any image of them.
"""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, null, select, update

from storage.catalogue import findings, repairs, scratch, sweeps, volumes
from storage.catalogue.model import CopyState, PackageState, TransferState
from storage.catalogue.replay import disagree
from storage.catalogue.scratch import Scratch
from storage.catalogue.transitions import FINAL

_ACTS = (
    "finding.recorded", "copy.mended", "copy.verified", "sweep.started", "sweep.finished",
    volumes.VOLUME_REPLACED,
)  # fmt: skip
_AT_ONCE = 1000

_transfers = scratch.images["transfers"]
_packages = scratch.images["packages"]
_copies = scratch.images["copies"]
_said = scratch.said_copies
_findings = scratch.findings
_SAME_VERSION = and_(
    _packages.c.object_id == _said.c.object_id, _packages.c.version == _said.c.version
)


def settle(target: Scratch) -> None:
    """Make the scratch database what the catalogue must be, but for what nobody was told of."""
    with target.catalogue.writing() as connection:
        _Ledger(connection).replay()
        _close_superseded(connection)
        _spread_states(connection)
        _settle_copies(connection)
        count_copies(connection)
        sum_up(connection)


def count_copies(connection: Connection) -> None:
    """Make `copies_committed` equal to the rows it stands for."""
    good = select(func.count()).where(
        _copies.c.package_id == _packages.c.id, _copies.c.state == CopyState.COMMITTED
    )
    connection.execute(update(_packages).values(copies_committed=good.scalar_subquery()))


def sum_up(connection: Connection) -> None:
    """The tallies, from packages that are stored and transfers that were rejected."""
    sums: dict[tuple[str, str], dict[str, int]] = defaultdict(
        lambda: {"packages": 0, "files": 0, "content_bytes": 0, "rejected": 0}
    )
    day = func.substr(_packages.c.stored_at, 1, 10)
    columns = (func.count(), func.sum(_packages.c.file_count), func.sum(_packages.c.content_bytes))
    stored = select(_packages.c.source, day, *columns).where(
        _packages.c.state == PackageState.STORED
    )
    for source, on, count, files, content_bytes in connection.execute(
        stored.group_by(_packages.c.source, day)
    ):
        sums[source, on] |= {"packages": count, "files": files, "content_bytes": content_bytes}
    events = scratch.events
    day = func.substr(events.c.at, 1, 10)
    rejected = (
        select(_transfers.c.source, day, func.count())
        .join(events, events.c.transfer_id == _transfers.c.id)
        .where(events.c.act == f"transfer.{TransferState.REJECTED}")
    )
    for source, on, count in connection.execute(rejected.group_by(_transfers.c.source, day)):
        sums[source, on]["rejected"] = count
    connection.execute(scratch.tallies.delete())
    if sums:
        rows = [{"source": source, "day": on, **sums[source, on]} for source, on in sorted(sums)]
        connection.execute(insert(scratch.tallies), rows)


class _Ledger:
    """Findings and sweeps as the events of them say, in the order of recording."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: dict[str, int] = defaultdict(int)  # numbers of the disks before a node's own
        self._highest: dict[str, int] = defaultdict(int)

    def replay(self) -> None:
        reached = 0
        events = scratch.events
        while True:
            query = select(events).where(events.c.sequence > reached, events.c.act.in_(_ACTS))
            page = self._connection.execute(query.order_by(events.c.sequence).limit(_AT_ONCE))
            rows = [dict(row) for row in page.mappings()]
            for row in rows:
                self._take(row, json.loads(row["detail"] or "{}"))
            if len(rows) < _AT_ONCE:
                return
            reached = rows[-1]["sequence"]

    def _take(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        match event["act"]:
            case "finding.recorded":
                self._found(event, detail)
            case "copy.mended" | "copy.verified":
                self._mended(event, detail)
            case volumes.VOLUME_REPLACED:
                self._replaced(event, detail)
            case _:
                self._swept(event, detail)

    def _found(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        node, number = event["node"], detail["finding"]
        self._highest[node] = max(self._highest[node], number)
        said = scratch.said_findings
        own = select(said).where(
            said.c.node == node, said.c.sequence == number - self._before[node]
        )
        told = self._connection.execute(own).mappings().one_or_none()
        evidence = detail.get("evidence")
        values = {
            "id": event["sequence"],  # the order of recording; gaps mean nothing
            "node": node,
            "sequence": number,
            "found_at": event["at"],
            "recorded_at": event["at"],
            "object_id": detail["object_id"],
            "kind": event["outcome"],
            "path": told["path"] if told else "",
            "detail": told["detail"] if told else "",
            "evidence": told["evidence"] if told else json.dumps(evidence) if evidence else "",
            "mended_at": detail.get("mended_at"),
            "outcome": findings.MENDED_BEFORE if "mended_at" in detail else "",
        }
        self._connection.execute(insert(_findings), values)

    def _mended(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        closed = _findings.c.sequence.in_(detail["findings"]) & (_findings.c.node == event["node"])
        is_verified = event["act"] == "copy.verified"
        outcome = repairs.VERIFIED if is_verified else repairs.MENDED_FROM.format(detail["source"])
        self._connection.execute(
            update(_findings).where(closed).values(mended_at=event["at"], outcome=outcome)
        )

    def _replaced(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        node = event["node"]
        self._before[node] = self._highest[node]
        self._renumber(node, detail["is"], event["at"])
        strays = (_findings.c.node == node) & _findings.c.object_id.is_(None)
        self._connection.execute(
            update(_findings)
            .where(strays, _findings.c.mended_at.is_(None))
            .values(mended_at=event["at"], outcome=volumes.GONE)
        )
        earlier = (_copies.c.node == node) & (_copies.c.as_of < event["sequence"])
        self._connection.execute(update(_copies).where(earlier).values(state=CopyState.MISSING))

    def _renumber(self, node: str, node_uuid: str, since: str) -> None:
        """What the new disk's own numbers mean from here on."""
        table, passes = scratch.volumes, scratch.sweeps
        last = select(func.max(passes.c.cycle)).where(passes.c.node == node)
        values = {
            "node": node,
            "node_uuid": node_uuid,
            "since": since,
            "findings_before": self._highest[node],
            "cycles_before": self._connection.scalar(last) or 0,
        }
        self._connection.execute(table.delete().where(table.c.node == node))
        self._connection.execute(insert(table), values)

    def _swept(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        table = scratch.sweeps
        key = (table.c.node == event["node"]) & (table.c.cycle == detail["cycle"])
        values = {name: detail[name] for name in sweeps.TOLD}
        if not self._connection.execute(update(table).where(key).values(values)).rowcount:
            row = {"node": event["node"], "cycle": detail["cycle"], **values}
            self._connection.execute(insert(table), row)


def _spread_states(connection: Connection) -> None:
    """What is found or mended of a node's copy concerns every version of the object in it.

    It is told of one of them, so of all the one that was told last says how they are.
    """
    version, other = _packages.alias("version"), _copies.alias("other")
    latest = (
        select(other.c.state)
        .join(version, version.c.id == other.c.package_id)
        .where(version.c.object_id == _packages.c.object_id, other.c.node == _copies.c.node)
        .order_by(other.c.as_of.desc(), version.c.version.desc())
        .limit(1)
    )
    state = latest.where(_packages.c.id == _copies.c.package_id).scalar_subquery()
    later = _packages.alias("later")
    of_several = select(later.c.object_id).where(later.c.version > 1)
    several = select(_packages.c.id).where(_packages.c.object_id.in_(of_several))
    connection.execute(update(_copies).where(_copies.c.package_id.in_(several)).values(state=state))


def _close_superseded(connection: Connection) -> None:
    """A name that came again shows that the transfer before it was closed; nobody was told when."""
    later = _transfers.alias("later")
    since = (
        select(func.min(later.c.created_at))
        .where(
            later.c.source == _transfers.c.source,
            later.c.name_raw == _transfers.c.name_raw,
            later.c.id > _transfers.c.id,
        )
        .scalar_subquery()
    )
    superseded = _transfers.c.closed_at.is_(None) & since.is_not(None)
    undecided = superseded & _transfers.c.state.not_in([str(state) for state in FINAL])
    connection.execute(update(_transfers).where(undecided).values(state=TransferState.WITHDRAWN))
    connection.execute(update(_transfers).where(superseded).values(closed_at=since))


def _settle_copies(connection: Connection) -> None:
    """What a node signed for counts, as long as it is about the very bytes of the package."""
    _note_other_digests(connection)
    _note_missing(connection)
    same = select(_packages.c.id.label("package_id"), _packages.c.created_at, _said).join(
        _said, _SAME_VERSION
    )
    same = same.where(_said.c.inventory_sha256 == _packages.c.inventory_sha256)
    newer = same.join(
        _copies, (_copies.c.package_id == _packages.c.id) & (_copies.c.node == _said.c.node)
    ).where(_said.c.committed_at > _copies.c.committed_at)
    for row in _all(connection, newer):
        subject = row["object_id"]
        disagree(connection, subject, row["node"], "copy-newer", "mended since it was told")
        key = (_copies.c.package_id == row["package_id"]) & (_copies.c.node == row["node"])
        connection.execute(update(_copies).where(key).values(_copy_values(row)))
    lacking = same.outerjoin(
        _copies, (_copies.c.package_id == _packages.c.id) & (_copies.c.node == _said.c.node)
    ).where(_copies.c.node.is_(None))
    for row in _all(connection, lacking):
        key = {"package_id": row["package_id"], "node": row["node"], "as_of": 0}
        connection.execute(insert(_copies), key | _copy_values(row))


def _copy_values(row: dict[str, Any]) -> dict[str, Any]:
    names = ("domain", "verify_mode", "committed_at", "answer", "signature")
    return {name: row[name] for name in names} | {"state": CopyState.COMMITTED, "checked_at": None}


def _note_other_digests(connection: Connection) -> None:
    query = select(_said.c.object_id, _said.c.version, _said.c.node, _said.c.inventory_sha256).join(
        _packages, _SAME_VERSION
    )
    for row in _all(
        connection, query.where(_said.c.inventory_sha256 != _packages.c.inventory_sha256)
    ):
        detail = f"version {row['version']} is {row['inventory_sha256']} there"
        disagree(connection, row["object_id"], row["node"], "digest-differs", detail)


def _note_missing(connection: Connection) -> None:
    """Copies that count as good, on a node that was heard and has never signed for them."""
    heard = scratch.said_nodes
    query = (
        select(_packages.c.object_id, _packages.c.version, _copies.c.node)
        .join(_packages, _packages.c.id == _copies.c.package_id)
        .join(heard, heard.c.node == _copies.c.node)
        .outerjoin(_said, _SAME_VERSION & (_said.c.node == _copies.c.node))
        .where(_said.c.node.is_(null()), _copies.c.state == CopyState.COMMITTED)
    )
    for row in _all(connection, query):
        detail = f"version {row['version']} is not in its journal"
        disagree(connection, row["object_id"], row["node"], "copy-unknown", detail)


def _all(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Differences are few: what is the same never gets here."""
    return [dict(row) for row in connection.execute(query).mappings()]
