"""What is held, as the view and the API page through it: packages with their versions and nodes.

storage/view/holdings.py gives the shapes. Reads only; stored versions only.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from storage.catalogue import tallies
from storage.catalogue.model import CopyState, Package, PackageState
from storage.catalogue.packages import IS_NEWEST_STORED
from storage.catalogue.schema import copies, packages
from storage.catalogue.statements import columns_of
from storage.view.holdings import HeldPackage, HeldVersion, HoldingsTotals

_COLUMNS = columns_of(packages, Package)
_STORED = packages.c.state == PackageState.STORED


def held_after(connection: Connection, source: str, after: int, limit: int) -> list[HeldPackage]:
    """Packages of `source` in the order in which their first versions were taken in."""
    # Every package has a first version, so these are the packages, each once.
    query = (
        select(packages.c.identifier)
        .where(packages.c.source == source, packages.c.version == 1, packages.c.id > after, _STORED)
        .order_by(packages.c.id)
        .limit(limit)
    )
    identifiers = [row.identifier for row in connection.execute(query)]
    held = (held_package(connection, source, identifier) for identifier in identifiers)
    return [package for package in held if package is not None]


def stored_after(
    connection: Connection, after: str, source: str | None, limit: int
) -> list[Package]:
    """The newest stored version of each object, by object id, after the id `after`."""
    query = select(*_COLUMNS).where(packages.c.object_id > after, IS_NEWEST_STORED)
    if source is None:
        query = query.order_by(packages.c.object_id)
    else:
        # The same order, by the index that begins with the source.
        _, _, reached = after.partition(f":{source}/")
        query = query.where(packages.c.source == source, packages.c.identifier > reached)
        query = query.order_by(packages.c.identifier)
    rows = connection.execute(query.limit(limit)).mappings()
    return [Package(**row) for row in rows]


def stored_in_partition(
    connection: Connection, partition: int, after: str, limit: int
) -> list[Package]:
    """The same within one partition of the hash tree."""
    query = select(*_COLUMNS).where(
        packages.c.partition == partition, packages.c.object_id > after, IS_NEWEST_STORED
    )
    rows = connection.execute(query.order_by(packages.c.object_id).limit(limit)).mappings()
    return [Package(**row) for row in rows]


def held_package(connection: Connection, source: str, identifier: str) -> HeldPackage | None:
    """One package, or None if nothing of that name is stored."""
    query = select(*_COLUMNS).where(
        packages.c.source == source, packages.c.identifier == identifier, _STORED
    )
    rows = connection.execute(query.order_by(packages.c.version)).mappings()
    versions = [Package(**row) for row in rows]
    if not versions:
        return None
    return HeldPackage(
        versions[0].id, identifier, tuple(held_version(connection, each) for each in versions)
    )


def held_version(connection: Connection, package: Package) -> HeldVersion:
    """One version and the nodes that should have it; copies known to be bad come last."""
    query = select(copies.c.node, copies.c.state).where(copies.c.package_id == package.id)
    return HeldVersion(
        package.object_id,
        package.version,
        package.inventory_sha256,
        package.stored_at or package.created_at,
        _good_first(package.id, ((row.node, row.state) for row in connection.execute(query))),
    )


def totals(connection: Connection) -> HoldingsTotals:
    """How much all sources hold, from the daily tallies."""
    held = tallies.holdings(connection)
    return HoldingsTotals(
        sum(each.packages for each in held), sum(each.content_bytes for each in held)
    )


def sources(connection: Connection) -> list[str]:
    """Every source that something is held of, sorted."""
    return [each.source for each in tallies.holdings(connection) if each.packages > 0]


def _good_first(package_id: int, copies_seen: Iterable[tuple[str, CopyState]]) -> tuple[str, ...]:
    """Of the good ones another first for each package, so that all nodes are read from alike."""
    by_node = sorted(copies_seen)
    first = package_id % max(1, len(by_node))
    turned = by_node[first:] + by_node[:first]
    ordered = sorted(turned, key=lambda copy: copy[1] is not CopyState.COMMITTED)
    return tuple(node for node, _ in ordered)
