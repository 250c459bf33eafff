"""What a rehearsal is told: the check report, and the answers it would have got, marked as samples.

docs/formats/answers.md, "Rehearsal". Made from one package that was opened; nothing is signed, and
nothing of it is on record. Writing is rehearsal.py's.
"""

import msgspec

from ingest_watch import answers as statements
from ingest_watch.answer_files import BODY, made_from, place_of
from ingest_watch.answer_pages import report_page
from ingest_watch.answers import TransferFacts
from ingest_watch.checks.report import Verdict
from ingest_watch.object_builder import CONTENT, FILE_LIST
from ingest_watch.preparation import Acceptable, Unacceptable, Undecided
from ingest_watch.published import CheckEntry, CheckReportEntry
from storage.file_list import RECEIVED_PREFIX, read_file_list
from storage.model import ObjectVersion

Judged = Acceptable | Unacceptable | Undecided


def verdict_of(package: Judged) -> Verdict:
    """What its report says in the end."""
    match package:
        case Acceptable():
            return Verdict.ACCEPTABLE
        case Unacceptable():
            return Verdict.REJECTED
        case Undecided():
            return Verdict.NOT_JUDGED


def sample_files(
    package: Judged, facts: TransferFacts, *, with_platform_receipt: bool
) -> dict[str, bytes]:
    """Every file of one rehearsal by name. Reads the working folder of what is acceptable."""
    place = place_of(facts.name)
    stem = place.stem
    report = _report(package)
    files = {
        f"{stem}.report.json": msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n",
        f"{stem}.report.html": report_page(facts.name, report, sample=True),
    }
    for body in _bodies(package, facts):
        kind = statements.read_answer_or_sample(body).kind
        files[f"{stem}.{kind}{BODY}"] = body
        files |= made_from(body, place, with_platform_receipt=with_platform_receipt)
    return files


def _report(package: Judged) -> CheckReportEntry:
    if isinstance(package, Acceptable):
        kept = package.work / CONTENT / "lantai" / "check-report.json"
        return msgspec.json.decode(kept.read_bytes(), type=CheckReportEntry)
    checks = [msgspec.json.decode(check, type=CheckEntry) for check in package.checks]
    return CheckReportEntry(
        "lantai.check-report.v1", package.package_format, verdict_of(package), checks
    )


def _bodies(package: Judged, facts: TransferFacts) -> list[bytes]:
    match package:
        case Acceptable():
            said = [statements.received(facts, package.checks), _stored(package, facts)]
            if facts.awaits_registration and not place_of(facts.name).folders:
                version = package.built.version
                said.insert(1, statements.to_be_registered(facts, package.checks, version))
            return said
        case Unacceptable():
            return [statements.rejected(facts, package.checks, package.reasons)]
        case Undecided():
            return [statements.held(facts, package.checks, package.reasons)]


def _stored(package: Acceptable, facts: TransferFacts) -> bytes:
    """As it would be, but for the copies: there are none."""
    built = package.built
    version = ObjectVersion(
        built.object_id, built.version, built.inventory_sha256,
        built.file_list.file_count, built.file_list.content_bytes,
    )  # fmt: skip
    listed = read_file_list(package.work / FILE_LIST)
    files = [entry for entry in listed if entry.path.startswith(RECEIVED_PREFIX)]
    return statements.stored(facts, package.checks, version, files, ())
