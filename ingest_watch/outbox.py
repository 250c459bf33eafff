"""Put signed answers into a source's return folder: whole, signatures first, again after a crash.

docs/formats/answers.md. Which files an answer becomes is answer_files.py's to say. Delivering
twice writes the same bytes twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest_watch.answer_files import AnswerFiles, files_of
from ingest_watch.earlier_answers import move_aside
from ingest_watch.return_folder import folder_beneath
from storage.catalogue.model import Answer
from storage.crash_point import crash_point
from storage.durable import write_whole_files

# Senders of other groups must be able to read what we tell them.
_ANSWER_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Returning:
    """Where one source's answers go, and what belongs to them."""

    folder: Path
    platform_receipts: bool = False


def deliver(
    returning: Returning, answers: Sequence[Answer], ours: Mapping[int, Collection[bytes]]
) -> None:
    """Write signatures and pages of all answers, and then the JSON of all.

    A JSON that is there always has the others beside it. `ours` has, for each transfer, the
    signatures of all that it was told: whatever else lies under its name is moved aside. No two
    transfers of one name may be in `answers`. Raises OSError when one of them cannot be written;
    then all stay in the outbox, and are delivered later or one by one.
    """
    by_folders: dict[tuple[str, ...], list[AnswerFiles]] = {}
    for answer in answers:
        files = files_of(answer, with_platform_receipt=returning.platform_receipts)
        by_folders.setdefault(files.place.folders, []).append(files)
        move_aside(returning.folder, files.place, ours[answer.transfer_id])
    for folders, listed in by_folders.items():
        with folder_beneath(returning.folder, folders) as folder:
            _write(folder, listed)


def _write(folder: Path, listed: Sequence[AnswerFiles]) -> None:
    signatures = {files.signature_name: files.signature for files in listed}
    pages = {name: page for files in listed for name, page in files.made.items()}
    bodies = {files.body_name: files.body for files in listed}
    write_whole_files(folder, signatures | pages, mode=_ANSWER_MODE)
    crash_point("delivery.signatures-written")
    write_whole_files(folder, bodies, mode=_ANSWER_MODE)
