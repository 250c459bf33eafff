"""Lay a judged package out as the object that the nodes will keep: what of it goes where.

docs/formats/package.md. object_builder.py writes the records and lists; this module moves the
staged copy into place. Runs in the worker that judged the package, and decides nothing.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import msgspec

from ingest_watch.checks.report import CheckReport
from ingest_watch.formats.package_format import Decoded, Part
from ingest_watch.listing import Listing, StagedFile
from ingest_watch.names import GB18030, encoding_of
from ingest_watch.object_builder import (
    CONTENT,
    PACKAGE_FORMAT,
    BuiltObject,
    FileLists,
    PackageFacts,
    Records,
    build_object,
)
from ingest_watch.preparation import Job, PartBytes
from ingest_watch.staging import StagedPackage, staged_files
from storage.catalogue.model import Facts
from storage.file_list import (
    CONTENT_PREFIX,
    RECEIVED_PREFIX,
    identity,
    read_file_list,
    write_file_list,
)


@dataclass(frozen=True, slots=True)
class Packed:
    """An object that lies ready."""

    facts: Facts
    built: BuiltObject
    parts: tuple[PartBytes, ...] = ()  # of a batch; not in its object


def pack(job: Job, staged: StagedPackage, report: CheckReport, identifier: str) -> Packed:
    """Lay out the object of a package that passed, below `job.work`; the staged copy moves there.

    The parts of a batch move too, so that they can be read, and are not in the object's lists.
    """
    content = job.work / CONTENT
    content.mkdir(mode=0o700)
    received = job.work / "received.jsonl"
    apart = {part.path for part in report.parts}
    kept = (file.entry() for file in staged_files(staged) if file.path not in apart)
    listed = write_file_list(kept, received)
    names = b"".join(_name_records(job, staged, report.decoded))
    staged.folder.rename(content / "received")
    decoded = None
    if report.decoded is not None:
        decoded = job.work / "content.jsonl"
        opened = (file.entry(CONTENT_PREFIX) for file in _decoded_files(report.decoded))
        write_file_list(opened, decoded)
        report.decoded.folder.rename(content / "content")
    facts = PackageFacts(
        format=PACKAGE_FORMAT,
        object_id=f"lantai:{job.source}/{identifier}",
        source=job.source,
        identifier=identifier,
        name=job.name,
        package_format=report.package_format or "",
        serialisation=staged.serialisation,
        serialised_sha256=staged.serialised_sha256,
        identity=identity(read_file_list(received)),
        file_count=listed.file_count,
        content_bytes=listed.content_bytes,
        part_of=job.part_of,
        matter=report.scope.matter,
        record_class=report.scope.record_class,
        retention=report.scope.retention,
        received_at=job.received_at,
    )
    records = Records(report.as_json(), names, b"".join(map(_part_line, report.parts)))
    built = build_object(job.work, facts, FileLists(received, decoded), records, job.archive)
    found = Facts(
        identifier,
        facts.identity,
        facts.object_id,
        staged.file_count,
        staged.content_bytes,
        report.scope.matter,
        report.scope.record_class,
        report.scope.retention,
    )
    parts = tuple(PartBytes(part.path, part.sha256) for part in report.parts)
    return Packed(found, built, parts)


def _part_line(part: Part) -> bytes:
    """A line of `lantai/parts.jsonl`."""
    line = {
        "path": part.path,
        "identifier": part.identifier,
        "size_bytes": part.size_bytes,
        "sha256": part.sha256,
    }
    return msgspec.json.encode(line) + b"\n"


def _decoded_files(decoded: Decoded) -> Iterator[StagedFile]:
    with Listing.open(decoded.listing) as files:
        yield from files.files()


def _name_records(job: Job, staged: StagedPackage, decoded: Decoded | None) -> Iterator[bytes]:
    """The lines of `lantai/names.jsonl`; none when every name is UTF-8."""
    tried = [GB18030, *([job.profile.names_encoding] if job.profile.names_encoding else [])]
    received = ((RECEIVED_PREFIX, file) for file in staged_files(staged))
    opened = () if decoded is None else _decoded_files(decoded)
    for prefix, file in chain(((CONTENT_PREFIX, file) for file in opened), received):
        if file.raw_path is None:
            continue
        raw = base64.b64encode(prefix.encode() + file.raw_path).decode()
        line = {"path": prefix + file.path, "raw_base64": raw}
        encoding = encoding_of(file.path, file.raw_path, tried)
        if encoding is not None:
            line["encoding"] = encoding
        yield msgspec.json.encode(line) + b"\n"
