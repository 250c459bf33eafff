"""Object versions: begun, finished, looked up.

A package is stored in one transaction with its receipt: there is never the one without the other
(DESIGN.md promise 1). What happens on nodes is replication's affair; copies are copies.py's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, select, tuple_, update

from storage.catalogue import answers, copies, tallies, transfers
from storage.catalogue.errors import CopiesMissing, NoSuchTransfer, PackageExists
from storage.catalogue.model import (
    Claim,
    Copy,
    CopyState,
    NewAnswer,
    NewPackage,
    Package,
    PackageState,
    Step,
    TransferState,
)
from storage.catalogue.schema import packages
from storage.catalogue.statements import columns_of, insert_new
from storage.crash_point import crash_point

_C = packages.c
_LATER = packages.alias("later")
# Of each object the newest version that is stored.
IS_NEWEST_STORED = (_C.state == PackageState.STORED) & ~(
    exists()
    .where(
        _LATER.c.object_id == _C.object_id,
        _LATER.c.version > _C.version,
        _LATER.c.state == PackageState.STORED,
    )
    .correlate(packages)
)
_COLUMNS = columns_of(packages, Package)
_BY_NUMBER: Select[Any] = select(*_COLUMNS).where(_C.id == bindparam("by_id"))
_BY_IDENTIFIER: Select[Any] = (
    select(*_COLUMNS)
    .where(_C.source == bindparam("by_source"), _C.identifier == bindparam("by_identifier"))
    .order_by(_C.version)
)
_BY_VERSION: Select[Any] = select(*_COLUMNS).where(
    _C.object_id == bindparam("by_object_id"), _C.version == bindparam("by_version")
)
_STORE = (
    update(packages)
    .where(_C.id == bindparam("by_id"), _C.state == PackageState.WRITING)
    .values(state=PackageState.STORED, stored_at=bindparam("new_stored_at"))
    .returning(*_COLUMNS)
)


# Where a transfer stands that awaits its registration, for whoever looks.
_AWAITED = "both sides sign its form, then: lantai transfers register 待双方签署登记表后登记"


@dataclass(frozen=True, slots=True)
class _Finished:
    """Which package is stored, and what its sender is told of it."""

    package_id: int
    told: tuple[NewAnswer, ...]
    at: str


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
    connection: Connection,
    claim: Claim,
    package_id: int,
    answer: NewAnswer,
    at: str,
    proven: Iterable[Copy] = (),
) -> Package:
    """Stored: package, transfer, receipt and the `proven` copies in this one transaction.

    Copies that are on record already may be among them. Raises CopiesMissing unless as many copies
    as wanted are committed, each on a node and in a failure domain of its own.
    """
    return _finish(
        connection, claim, Step(TransferState.STORED), _Finished(package_id, (answer,), at), proven
    )


def finish_unregistered(
    connection: Connection,
    claim: Claim,
    package_id: int,
    told: Sequence[NewAnswer],
    at: str,
    proven: Iterable[Copy] = (),
) -> Package:
    """As `finish`, but the transfer awaits its registration (custody.py).

    Of the answers `told` the outbox withholds the receipt until then.
    """
    step = Step(TransferState.AWAITING_REGISTRATION, message=_AWAITED)
    return _finish(connection, claim, step, _Finished(package_id, tuple(told), at), proven)


def _finish(
    connection: Connection, claim: Claim, step: Step, finished: _Finished, proven: Iterable[Copy]
) -> Package:
    for copy in proven:
        assert copy.package_id == finished.package_id, "a copy of this package"
        copies.record(connection, copy)
    _require_copies(connection, get(connection, finished.package_id))
    transfers.move(connection, claim, step, finished.at, package_id=finished.package_id)
    crash_point("catalogue.storing")
    for answer in finished.told:
        answers.give(connection, claim.transfer_id, answer, finished.at)
    stored = _update_stored(connection, finished.package_id, finished.at)
    tallies.add_stored(connection, stored, finished.at)
    return stored


def finish_duplicate(connection: Connection, claim: Claim, package_id: int, at: str) -> Package:
    """The same package came again: this transfer gets the first one's receipt, byte for byte.

    It gets it when the first one does, if that awaits its registration.
    Raises CopiesMissing if that package is itself not stored yet: wait for it.
    """
    package = get(connection, package_id)
    if package.state is not PackageState.STORED:
        raise CopiesMissing(f"package {package_id} is still being written; wait for its receipt")
    first = transfers.get_locked(connection, package.transfer_id)
    step = Step(TransferState.STORED)
    if first.state is TransferState.AWAITING_REGISTRATION:
        step = Step(first.state, message=f"with transfer {first.id}, the same package 与该移交相同")
    transfers.move(connection, claim, step, at, package_id=package_id)
    answers.repeat_stored(connection, package.transfer_id, claim.transfer_id, at)
    return package


def finish_again(
    connection: Connection, claim: Claim, package_id: int, answer: NewAnswer, at: str
) -> Package:
    """As `finish_duplicate`, where the first one's receipt was lost: this transfer gets its own."""
    package = get(connection, package_id)
    _require_copies(connection, package)
    transfers.move(connection, claim, Step(TransferState.STORED), at, package_id=package_id)
    answers.give(connection, claim.transfer_id, answer, at)
    return package


def get(connection: Connection, package_id: int) -> Package:
    """Raises NoSuchTransfer if there is none."""
    row = connection.execute(_BY_NUMBER, {"by_id": package_id}).one_or_none()
    if row is None:
        raise NoSuchTransfer(f"there is no package {package_id}")
    return Package(*row)


def versions(connection: Connection, source: str, identifier: str) -> list[Package]:
    """Every version of what this sender calls `identifier`, those being written included."""
    name = {"by_source": source, "by_identifier": identifier}
    return [Package(*row) for row in connection.execute(_BY_IDENTIFIER, name)]


def find_same(
    connection: Connection, source: str, identifier: str, identity: str
) -> Package | None:
    """The package with these very bytes, if it is kept or being written."""
    known = versions(connection, source, identifier)
    return next((package for package in known if package.identity == identity), None)


def find_version(connection: Connection, object_id: str, version: int) -> Package | None:
    """One version of one object."""
    name = {"by_object_id": object_id, "by_version": version}
    row = connection.execute(_BY_VERSION, name).one_or_none()
    return None if row is None else Package(*row)


def versions_of_object(connection: Connection, object_id: str) -> list[Package]:
    """Every version of an object, by its OCFL id."""
    query = select(*_COLUMNS).where(packages.c.object_id == object_id)
    return _packages(connection, query.order_by(packages.c.version))


def of_source(
    connection: Connection, source: str, *, after: tuple[str, int] = ("", 0), limit: int = 1000
) -> list[Package]:
    """Stored packages of one sender by identifier and version, after the last pair seen."""
    place = tuple_(packages.c.identifier, packages.c.version)
    query = select(*_COLUMNS).where(packages.c.source == source, place > tuple_(*after))
    query = query.where(packages.c.state == PackageState.STORED)
    order = (packages.c.identifier, packages.c.version)
    return _packages(connection, query.order_by(*order).limit(limit))


def page(connection: Connection, *, after: int = 0, limit: int = 100) -> list[Package]:
    """All packages in the order of their numbers."""
    query = select(*_COLUMNS).where(packages.c.id > after).order_by(packages.c.id)
    return _packages(connection, query.limit(limit))


def below_target(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[Package]:
    """Stored packages with fewer committed copies than wanted: what the keeper mends."""
    query = select(*_COLUMNS).where(
        packages.c.copies_committed < packages.c.copies_wanted,
        packages.c.state == PackageState.STORED,
        packages.c.id > after,
    )
    return _packages(connection, query.order_by(packages.c.id).limit(limit))


def _insert(connection: Connection, claim: Claim, new: NewPackage, at: str) -> Package | None:
    version = new.version
    values = asdict(version) | {
        "source": new.source,
        "identifier": new.identifier,
        "identity": new.identity,
        "file_list_sha256": new.file_list_sha256,
        "state": PackageState.WRITING,
        "op_id": new.op_id,
        "transfer_id": claim.transfer_id,
        "copies_wanted": new.copies_wanted,
        "copies_committed": 0,
        "created_at": at,
        "matter": new.matter,
        "record_class": new.record_class,
        "retention": new.retention,
    }
    row = insert_new(connection, packages, Package, values)
    return None if row is None else Package(*row)


def _update_stored(connection: Connection, package_id: int, at: str) -> Package:
    row = connection.execute(_STORE, {"by_id": package_id, "new_stored_at": at}).one()
    return Package(*row)


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
