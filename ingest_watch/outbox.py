"""Put signed answers into a source's return folder: whole, signature first, again after a crash.

docs/formats/answers.md. Bytes come from the catalogue, where body and signature were made durable
together before; delivering twice writes the same bytes twice.
"""

from pathlib import Path

from storage.catalogue.model import AnswerKind
from storage.durable import write_whole_file
from storage.model import SignedAnswer

# Senders of other groups must be able to read what we tell them.
_ANSWER_MODE = 0o644


def deliver(return_folder: Path, name: str, kind: AnswerKind, answer: SignedAnswer) -> Path:
    """Write `<name>.<kind>.json.sig` and then `<name>.<kind>.json`; return the latter's path.

    A JSON that is there always has its signature beside it. Raises OSError when the return folder
    cannot be written; the answer stays in the outbox and is delivered later.
    """
    body = return_folder / f"{name}.{kind}.json"
    signature = return_folder / f"{name}.{kind}.json.sig"
    write_whole_file(signature, answer.signature, mode=_ANSWER_MODE)
    write_whole_file(body, answer.payload, mode=_ANSWER_MODE)
    return body
