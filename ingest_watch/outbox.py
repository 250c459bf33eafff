"""Put signed answers into a source's return folder: whole, signatures first, again after a crash.

docs/formats/answers.md. Bytes come from the catalogue, where body and signature were made durable
together before; delivering twice writes the same bytes twice.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from storage.catalogue.model import Answer
from storage.durable import write_whole_files

# Senders of other groups must be able to read what we tell them.
_ANSWER_MODE = 0o644
# With the longest ending, `.received.json.sig`, a file name of 255 bytes.
_NAME_BYTES_MAX = 237
_DIGITS_OF_CUT_NAMES = 16


def deliver(return_folder: Path, answers: Sequence[Answer]) -> None:
    """Write `<name>.<kind>.json.sig` of all of them, and then `<name>.<kind>.json` of all.

    A JSON that is there always has its signature beside it. Raises OSError when one of them cannot
    be written; then all stay in the outbox, and are delivered later or one by one.
    """
    bodies: dict[str, bytes] = {}
    signatures: dict[str, bytes] = {}
    for answer in answers:
        assert answer.body is not None, answer.id
        stem = f"{answer_name(answer.name)}.{answer.kind}.json"
        bodies[stem], signatures[f"{stem}.sig"] = answer.body, answer.signature
    write_whole_files(return_folder, signatures, mode=_ANSWER_MODE)
    write_whole_files(return_folder, bodies, mode=_ANSWER_MODE)


def answer_name(name: str) -> str:
    """`name`, or what stands for it in file names when it is too long: cut, `~`, and its digest."""
    raw = name.encode()
    if len(raw) <= _NAME_BYTES_MAX:
        return name
    ending = f"~{hashlib.sha256(raw).hexdigest()[:_DIGITS_OF_CUT_NAMES]}"
    return raw[: _NAME_BYTES_MAX - len(ending)].decode(errors="ignore") + ending
