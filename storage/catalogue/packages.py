"""Object versions: begun, finished, looked up.

A package is stored in one transaction with its receipt: there is never the one without the other
(DESIGN.md promise 1). What happens on nodes is replication's affair; copies are copies.py's.
"""

from sqlalchemy import Connection, Select, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from storage.catalogue import answers, copies, tallies, transfers
from storage.catalogue.errors import CopiesMissing, NoSuchTransfer, PackageExists
from storage.catalogue.model import (
    Claim,
    CopyState,
    NewAnswer,
    NewPackage,
    Package,
    PackageState,
    Step,
    TransferState,
)
from storage.catalogue.schema import packages


def begin_writing(connection: Connection, claim: Claim, new: NewPackage, at: str) -> Package:
    """Put the operation on record before any node hears of it; the transfer goes to `writing`.

    Idempotent for one transfer: after a crash the same operation is found, and resumed under its
    own op_id. Raises PackageExists if another transfer has this version of this object.
    """
    transfer = transfers.require(connection, claim)
    known = find_version(connection, new.version.object_id, new.version.version)
    if known is None:
        known = _insert(connection, claim, new, at)
    if known is None or known.transfer_id != claim.transfer_id:
        raise PackageExists(
            f"{new.version.object_id} version {new.version.version} is already taken; "
            "see whether it is the same package, and answer accordingly"
        )
    if transfer.state is not TransferState.WRITING:
        step = Step(TransferState.WRITING)
        transfers.move(connection, claim, step, at, package_id=known.id)
    return known


def finish(
    connection: Connection, claim: Claim, package_id: int, answer: NewAnswer, at: str
) -> Package:
    """Stored: package, transfer and receipt in this one transaction.

    Raises CopiesMissing unless as many copies as wanted are committed, each on a node and in a
    failure domain of its own.
    """
    package = get(connection, package_id)
    _require_copies(connection, package)
    transfers.move(connection, claim, Step(TransferState.STORED), at, package_id=package_id)
    answers.give(connection, claim.transfer_id, answer, at)
    stored = _update_stored(connection, package_id, at)
    tallies.add_stored(connection, stored, at)
    return stored


def finish_duplicate(connection: Connection, claim: Claim, package_id: int, at: str) -> Package:
    """The same package came again: this transfer gets the first one's receipt, byte for byte.

    Raises CopiesMissing if that package is itself not stored yet: wait for it.
    """
    package = get(connection, package_id)
    if package.state is not PackageState.STORED:
        raise CopiesMissing(f"package {package_id} is still being written; wait for its receipt")
    transfers.move(connection, claim, Step(TransferState.STORED), at, package_id=package_id)
    answers.repeat_stored(connection, package.transfer_id, claim.transfer_id, at)
    return package


def get(connection: Connection, package_id: int) -> Package:
    """Raises NoSuchTransfer if there is none."""
    row = connection.execute(select(packages).where(packages.c.id == package_id)).mappings()
    found = row.one_or_none()
    if found is None:
        raise NoSuchTransfer(f"there is no package {package_id}")
    return Package(**found)


def versions(connection: Connection, source: str, identifier: str) -> list[Package]:
    """Every version of what this sender calls `identifier`, those being written included."""
    query = select(packages).where(packages.c.source == source, packages.c.identifier == identifier)
    return _packages(connection, query.order_by(packages.c.version))


def find_same(
    connection: Connection, source: str, identifier: str, identity: str
) -> Package | None:
    """The package with these very bytes, if it is kept or being written."""
    known = versions(connection, source, identifier)
    return next((package for package in known if package.identity == identity), None)


def find_version(connection: Connection, object_id: str, version: int) -> Package | None:
    """One version of one object."""
    query = select(packages).where(packages.c.object_id == object_id, packages.c.version == version)
    return next(iter(_packages(connection, query)), None)


def versions_of_object(connection: Connection, object_id: str) -> list[Package]:
    """Every version of an object, by its OCFL id."""
    query = select(packages).where(packages.c.object_id == object_id)
    return _packages(connection, query.order_by(packages.c.version))


def of_source(
    connection: Connection, source: str, *, after: tuple[str, int] = ("", 0), limit: int = 1000
) -> list[Package]:
    """Stored packages of one sender by identifier and version, after the last pair seen."""
    place = tuple_(packages.c.identifier, packages.c.version)
    query = select(packages).where(packages.c.source == source, place > tuple_(*after))
    query = query.where(packages.c.state == PackageState.STORED)
    order = (packages.c.identifier, packages.c.version)
    return _packages(connection, query.order_by(*order).limit(limit))


def page(connection: Connection, *, after: int = 0, limit: int = 100) -> list[Package]:
    """All packages in the order of their numbers."""
    query = select(packages).where(packages.c.id > after).order_by(packages.c.id)
    return _packages(connection, query.limit(limit))


def below_target(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[Package]:
    """Stored packages with fewer committed copies than wanted: what the keeper mends."""
    query = select(packages).where(
        packages.c.copies_committed < packages.c.copies_wanted,
        packages.c.state == PackageState.STORED,
        packages.c.id > after,
    )
    return _packages(connection, query.order_by(packages.c.id).limit(limit))


def _insert(connection: Connection, claim: Claim, new: NewPackage, at: str) -> Package | None:
    version = new.version
    statement = insert(packages).values(
        object_id=version.object_id,
        version=version.version,
        source=new.source,
        identifier=new.identifier,
        identity=new.identity,
        inventory_sha256=version.inventory_sha256,
        file_list_sha256=new.file_list_sha256,
        file_count=version.file_count,
        content_bytes=version.content_bytes,
        state=PackageState.WRITING,
        op_id=new.op_id,
        transfer_id=claim.transfer_id,
        copies_wanted=new.copies_wanted,
        copies_committed=0,
        created_at=at,
    )
    try:
        with connection.begin_nested():
            row = connection.execute(statement.returning(*packages.c)).mappings().one()
    except IntegrityError:
        return None
    return Package(**row)


def _update_stored(connection: Connection, package_id: int, at: str) -> Package:
    statement = (
        update(packages)
        .where(packages.c.id == package_id, packages.c.state == PackageState.WRITING)
        .values(state=PackageState.STORED, stored_at=at)
    )
    row = connection.execute(statement.returning(*packages.c)).mappings().one()
    return Package(**row)


def _require_copies(connection: Connection, package: Package) -> None:
    good = [
        copy
        for copy in copies.of_package(connection, package.id)
        if copy.state is CopyState.COMMITTED
    ]
    domains = {copy.domain for copy in good}
    if min(len(good), len(domains)) < package.copies_wanted:
        raise CopiesMissing(
            f"package {package.id} has {len(good)} proven copies in {len(domains)} failure "
            f"domains and needs {package.copies_wanted}: it is not stored yet"
        )


def _packages(connection: Connection, query: Select[tuple[Package]]) -> list[Package]:
    return [Package(**row) for row in connection.execute(query).mappings()]
