"""Put signed answers into a source's return folder: whole, signature first, again after a crash.

docs/formats/answers.md. Bytes come from the catalogue, where body and signature were made durable
together before; delivering twice writes the same bytes twice.
"""

import hashlib
from pathlib import Path

from storage.catalogue.model import AnswerKind
from storage.durable import write_whole_file
from storage.model import SignedAnswer

# Senders of other groups must be able to read what we tell them.
_ANSWER_MODE = 0o644
# With the longest ending, `.received.json.sig`, a file name of 255 bytes.
_NAME_BYTES_MAX = 237
_DIGITS_OF_CUT_NAMES = 16


def deliver(return_folder: Path, name: str, kind: AnswerKind, answer: SignedAnswer) -> Path:
    """Write `<name>.<kind>.json.sig` and then `<name>.<kind>.json`; return the latter's path.

    A JSON that is there always has its signature beside it. Raises OSError when the return folder
    cannot be written; the answer stays in the outbox and is delivered later.
    """
    stem = f"{answer_name(name)}.{kind}.json"
    body, signature = return_folder / stem, return_folder / f"{stem}.sig"
    write_whole_file(signature, answer.signature, mode=_ANSWER_MODE)
    write_whole_file(body, answer.payload, mode=_ANSWER_MODE)
    return body


def answer_name(name: str) -> str:
    """`name`, or what stands for it in file names when it is too long: cut, `~`, and its digest."""
    raw = name.encode()
    if len(raw) <= _NAME_BYTES_MAX:
        return name
    ending = f"~{hashlib.sha256(raw).hexdigest()[:_DIGITS_OF_CUT_NAMES]}"
    return raw[: _NAME_BYTES_MAX - len(ending)].decode(errors="ignore") + ending
