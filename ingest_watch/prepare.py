"""Everything that is done to one package before a node hears of it: stage, judge, build.

docs/formats/package.md. Runs whole in a worker process, because it parses what strangers sent and
because hashing small files is the interpreter's cost. Repeating it gives the same object, byte for
byte. What was prepared is taken up again after a crash (take_up), whatever the sender has done to
its own copy since. Touches nothing outside its working folder, and tells nobody but its caller.
"""

import errno
import os
import re
import shutil
import sqlite3
import stat
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec

from ingest_watch.answers import Reason
from ingest_watch.checks.report import CheckReport, Verdict, check_members
from ingest_watch.findings import PackageChanged, PackageRejected
from ingest_watch.format_identification import AskingIdentifier
from ingest_watch.instruments import Instruments
from ingest_watch.judge import Standards, judge, judge_refusal
from ingest_watch.limits import IntakeLimits
from ingest_watch.object_builder import CONTENT, FILE_LIST, INVENTORY
from ingest_watch.packing import Packed, pack
from ingest_watch.preparation import (
    Acceptable,
    Changed,
    Job,
    NoRoom,
    Preparation,
    Unacceptable,
    Undecided,
)
from ingest_watch.progress import told_in
from ingest_watch.room import StagingFull, shared_by_others
from ingest_watch.scan_service import AskingScanner
from ingest_watch.staging import StagedPackage, stage_file, stage_folder, staged_files
from storage.catalogue.model import Facts
from storage.crash_point import crash_point
from storage.digests import sha256_of_file
from storage.file_list import RECEIVED_PREFIX, read_file_list

IDENTIFIER_BYTES_MAX = 200
_SERIALISED = (b".tar.gz", b".tgz", b".tar", b".zip", b".eep")
_PREPARED = "prepared.json"
_NOT_AS_JUDGED = "its bytes are not those of the batch that was judged"
# The disk or the share is in trouble, or not readable by us yet: nothing is said of the package.
_PASSING = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT}
    | {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENODEV, errno.EREMOTEIO, errno.EAGAIN}
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PRIMARY = 0xFF  # of an extended result code of SQLite
# Of files that were made a moment ago: what is wrong with them is their disk.
_UNWRITABLE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY})
_UNREADABLE = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}
)
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f/]|^\s|\s$|^\.{1,2}$")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An `Acceptable` as it is kept beside its object."""

    packed: Packed
    checks: tuple[bytes, ...]


def prepare(job: Job) -> Preparation:
    """Do it all. Raises OSError when something fails that does not pass by itself."""
    try:
        if job.work.exists():
            shutil.rmtree(job.work)
        job.work.mkdir(mode=0o700, parents=True)
        with told_in(job.work), shared_by_others(job.work, job.staging_reserve_bytes):
            return _prepare(job)
    except PackageRejected as rejection:
        return refused(job, rejection)
    except PackageChanged as change:
        return Changed(str(change))
    except StagingFull as full:
        return NoRoom(str(full))
    except FileNotFoundError:
        return Changed("the package went away while it was read")
    except (OSError, sqlite3.DatabaseError) as error:
        return _passing(error)


def refused(job: Job, rejection: PackageRejected) -> Unacceptable:
    """What is said of a package that could not be opened."""
    report = judge_refusal(rejection, _standards(job))
    return Unacceptable(Facts(), _checks(report), _reasons(report))


def take_up(job: Job) -> Preparation:
    """Return what was prepared before if every byte of it is still there; else prepare anew.

    Believes no file of `work`: a power cut may have kept names and lost bytes.
    """
    try:
        record = msgspec.json.decode((job.work / _PREPARED).read_bytes(), type=_Prepared)
        built, parts = record.packed.built, record.packed.parts
        whole = (
            sha256_of_file(job.work / FILE_LIST) == built.file_list.sha256
            and sha256_of_file(job.work / INVENTORY) == built.inventory_sha256
            and all(
                sha256_of_file(job.work / CONTENT / entry.path) == entry.sha256
                for entry in read_file_list(job.work / FILE_LIST)
            )
            and all(
                sha256_of_file(job.work / CONTENT / RECEIVED_PREFIX / part.path) == part.sha256
                for part in parts
            )
        )
    except (OSError, msgspec.MsgspecError):
        whole = False
    if not whole:
        return prepare(job)
    crash_point("reader.verified")
    return _acceptable(job, record.packed, record.checks)


def _acceptable(job: Job, packed: Packed, checks: tuple[bytes, ...]) -> Acceptable:
    return Acceptable(job.source, job.work, packed.facts, checks, packed.built, packed.parts)


def _passing(error: OSError | sqlite3.DatabaseError) -> Preparation:
    """What to say of a failure that time or an operator mends; raises any other."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)  # none: not SQLite's own
        if code == sqlite3.SQLITE_IOERR_WRITE or code & _PRIMARY in _UNWRITABLE:
            return NoRoom(f"staging cannot be written: {error}")
        if code & _PRIMARY in _UNREADABLE:
            return Changed(f"staging cannot be read now: {error}")
    elif error.errno in _FULL:
        return NoRoom(f"staging is full: {error}")
    elif error.errno in _PASSING:
        return Changed(f"it cannot be read now: {error}")
    raise error


def _prepare(job: Job) -> Preparation:
    try:
        staged = _stage(job)
    except PackageRejected:
        # A power cut may have torn the batch's staged copy, which is not its sender's doing.
        wanted = job.wanted_sha256
        if wanted is not None and sha256_of_file(_source(job)) != wanted:
            return Changed(_NOT_AS_JUDGED)
        raise
    crash_point("reader.staged")
    if job.wanted_sha256 not in (None, _sha256_as_sent(staged)):
        return Changed(_NOT_AS_JUDGED)
    report = judge(staged, _standards(job), _instruments(job))
    crash_point("reader.judged")
    return _conclude(job, staged, report)


def _standards(job: Job) -> Standards:
    return Standards(job.profile.formats, job.profile.checks, job.scope)


def _instruments(job: Job) -> Instruments:
    """The day is that of the package's arrival, so that judging again comes to the same."""
    return Instruments(
        date.fromisoformat(job.received_at[: len("2026-11-22")]),
        AskingIdentifier(),
        AskingScanner() if job.has_scanner else None,
    )


def _stage(job: Job) -> StagedPackage:
    source = _source(job)
    target, listing = job.work / "staged", job.work / "listing.sqlite"
    if stat.S_ISDIR(source.lstat().st_mode):
        return stage_folder(source, target, listing, _limits(job))
    profile = job.profile
    return stage_file(
        source,
        target,
        listing,
        _limits(job),
        formats=profile.formats,
        names_encoding=profile.names_encoding,
    )


def _source(job: Job) -> Path:
    return job.drop / os.fsdecode(job.name_raw)


def _limits(job: Job) -> IntakeLimits:
    """The product's own, or the narrower ones of the source's profile."""
    if job.profile.checks is None:
        return job.limits
    narrower = job.profile.checks.limits
    return replace(
        job.limits,
        files_max=min(job.limits.files_max, narrower.files_max),
        content_bytes_max=min(job.limits.content_bytes_max, narrower.content_bytes_max),
    )


def _sha256_as_sent(staged: StagedPackage) -> str | None:
    """The digest of a package that was sent as one file."""
    if staged.serialisation == "file":
        return next(iter(staged_files(staged))).digests["sha256"]
    return staged.serialised_sha256


def _conclude(job: Job, staged: StagedPackage, report: CheckReport) -> Preparation:
    facts = Facts(file_count=staged.file_count, content_bytes=staged.content_bytes)
    if report.verdict is Verdict.REJECTED:
        return Unacceptable(facts, _checks(report), _reasons(report), report.package_format)
    if report.verdict is Verdict.NOT_JUDGED and not job.accepted:
        return Undecided(facts, _checks(report), _reasons(report), report.package_format)
    identifier = _identifier(job, report)
    if isinstance(identifier, Reason):
        return Unacceptable(facts, _checks(report), (identifier,), report.package_format)
    packed = pack(job, staged, report, identifier)
    crash_point("reader.packed")
    checks = _checks(report)
    (job.work / _PREPARED).write_bytes(msgspec.json.encode(_Prepared(packed, checks)))
    return _acceptable(job, packed, checks)


def _identifier(job: Job, report: CheckReport) -> str | Reason:
    """What the sender calls the package (docs/formats/package.md), or why that cannot be used."""
    if job.profile.identifier == "name":
        identifier = os.fsdecode(_without_serialisation(job.name_raw))
    else:
        stated = report.external_identifiers
        if len(stated) != 1:
            return _unusable(f"the package states {len(stated)} External-Identifiers, not one")
        identifier = stated[0]
    try:
        size_bytes = len(identifier.encode())
    except UnicodeEncodeError:
        return _unusable("the identifier is not UTF-8")
    if not 0 < size_bytes <= IDENTIFIER_BYTES_MAX:
        return _unusable(f"the identifier has {size_bytes} bytes, not 1 to {IDENTIFIER_BYTES_MAX}")
    if _UNUSABLE.search(identifier):
        return _unusable("the identifier has control characters, a slash, or space at an end")
    return identifier


def _unusable(message: str) -> Reason:
    return Reason("identifier-unusable", None, message, "信息包的标识不可用。")


def _without_serialisation(name: bytes) -> bytes:
    for suffix in _SERIALISED:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _checks(report: CheckReport) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode(check_members(check)) for check in report.checks)


def _reasons(report: CheckReport) -> tuple[Reason, ...]:
    return tuple(
        Reason(finding.code, finding.path, finding.message, finding.message_zh)
        for finding in report.reasons()
    )
