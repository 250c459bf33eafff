"""What earlier transfers of a name were told, moved out of the way of what this one is told.

docs/formats/answers.md, "Earlier answers". A rejection that lies beside the receipt of the package
sent again would mislead whoever looks. Moves by rename, never deletes.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from ingest_watch.answer_files import BODY, OTHERS, REGISTRATION, SIGNATURE, Place
from ingest_watch.return_folder import EARLIER, folder_beneath
from ingest_watch.safe_open import FILE_FLAGS
from storage.catalogue.model import AnswerKind
from storage.crash_point import crash_point
from storage.durable import fsync_folder
from storage.whole_reads import read_range

_SIGNATURE_BYTES = 64
_DIGITS = 16


def move_aside(returned: Path, place: Place, ours: Collection[bytes]) -> None:
    """Move answers at `place` whose signatures are not `ours` into `.earlier/<name>/`.

    There they are called `<kind>-<first 16 digits of the signature>` with their endings. Of an
    answer the signature is the first file to come and the last to go, so that the next delivery
    finishes what a crash interrupted. Idempotent. Raises OSError.
    """
    where = returned.joinpath(*place.folders)
    # In this order, so that a form goes with the notice that it is the page of.
    for kind in AnswerKind:
        signature = _signature_at(where / f"{place.stem}.{kind}{SIGNATURE}")
        if signature is not None and signature not in ours:
            _move(returned, place, kind, f"{kind}-{signature.hex()[:_DIGITS]}")


def _move(returned: Path, place: Place, kind: AnswerKind, new_stem: str) -> None:
    names = {f"{place.stem}.{kind}{end}": f"{new_stem}{end}" for end in (BODY, *OTHERS)}
    if kind is AnswerKind.STORED:
        names[f"{place.stem}{REGISTRATION}"] = f"{new_stem}{REGISTRATION}"
    signature = f"{place.stem}.{kind}{SIGNATURE}"
    with (
        folder_beneath(returned, place.folders) as source,
        folder_beneath(returned, (EARLIER, *place.folders, place.stem)) as target,
    ):
        for old, new in names.items():
            if os.path.lexists(source / old):
                (source / old).replace(target / new)
        # The others are there for good before the one goes that brings us back here.
        fsync_folder(target)
        fsync_folder(source)
        crash_point("earlier.moved")
        (source / signature).replace(target / f"{new_stem}{SIGNATURE}")
        fsync_folder(target)
        fsync_folder(source)


def _signature_at(path: Path) -> bytes | None:
    """The bytes there; None where there is no file."""
    try:
        descriptor = os.open(path, FILE_FLAGS)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return read_range(descriptor, _SIGNATURE_BYTES + 1, 0)
    finally:
        os.close(descriptor)
