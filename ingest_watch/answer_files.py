"""Which files one answer becomes, and under which names: deciding only, nothing is written.

docs/formats/answers.md ("Answers to a sender"). Bytes come from the catalogue; pages and platform
receipts are made from them, the same ones each time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ingest_watch.answer_pages import answer_page, registration_page
from ingest_watch.answers import read_answer_or_sample
from ingest_watch.platform_receipt import encode, platform_receipt
from storage.catalogue.model import Answer, AnswerKind

# With the longest ending, `.rejected.platform.json`, a file name of 255 bytes.
_NAME_BYTES_MAX = 232
_DIGITS_OF_CUT_NAMES = 16
# Everything that one answer may have become; the JSON says that an answer is there.
BODY = ".json"
SIGNATURE = ".json.sig"
OTHERS = (".html", ".platform.json")
REGISTRATION = ".registration.html"


@dataclass(frozen=True, slots=True)
class Place:
    """Where answers on one name lie: folders below the return folder, and how files begin."""

    folders: tuple[str, ...]
    stem: str


@dataclass(frozen=True, slots=True)
class AnswerFiles:
    """The files of one answer by name. `body_name` is written last, the signature first."""

    place: Place
    signature_name: str
    signature: bytes
    made: Mapping[str, bytes]  # pages, platform receipt
    body_name: str
    body: bytes


def place_of(name: str) -> Place:
    """Where the answers on `name` lie. A part of a batch is called `<batch>/<part>`.

    Nothing that a sender calls its package leads out of the return folder, nor into the folders
    there that are ours, which begin with a dot.
    """
    *folders, stem = name.split("/")
    return Place(tuple(_folder_name(each) for each in folders), _file_name(stem))


def files_of(answer: Answer, *, with_platform_receipt: bool) -> AnswerFiles:
    """What `answer` becomes."""
    assert answer.body is not None, answer.id
    place = place_of(answer.name)
    file_name = f"{place.stem}.{answer.kind}"
    return AnswerFiles(
        place,
        f"{file_name}{SIGNATURE}",
        answer.signature,
        made_from(answer.body, place, with_platform_receipt=with_platform_receipt),
        f"{file_name}{BODY}",
        answer.body,
    )


def made_from(body: bytes, place: Place, *, with_platform_receipt: bool) -> dict[str, bytes]:
    """What is made from the JSON `body` alone, of an answer or a sample: pages, receipt.

    The parts of a batch have no form of their own: people sign for the batch. A form that came
    with a notice is what people sign, and does not come again with the receipt.
    """
    said = read_answer_or_sample(body)
    file_name = f"{place.stem}.{said.kind}"
    if said.kind is AnswerKind.REGISTRATION:
        return {f"{place.stem}{REGISTRATION}": registration_page(said, body)}
    made = {f"{file_name}.html": answer_page(said, body, file_name)}
    if said.kind is AnswerKind.STORED and said.custody is None and not place.folders:
        made[f"{place.stem}{REGISTRATION}"] = registration_page(said, body)
    receipt = platform_receipt(said) if with_platform_receipt else None
    if receipt is not None:
        made[f"{file_name}.platform.json"] = encode(receipt)
    return made


def _file_name(name: str) -> str:
    """`name`, or what stands for it in file names when it is too long: cut, `~`, and its digest."""
    raw = name.encode()
    if len(raw) <= _NAME_BYTES_MAX:
        return name
    return _cut(raw, raw)


def _folder_name(name: str) -> str:
    """The same for a folder; one that begins with a dot, or has no name, loses that."""
    if name and not name.startswith("."):
        return _file_name(name)
    return _cut(name.lstrip(".").encode(), name.encode())


def _cut(shortened: bytes, whole: bytes) -> str:
    ending = f"~{hashlib.sha256(whole).hexdigest()[:_DIGITS_OF_CUT_NAMES]}"
    return shortened[: _NAME_BYTES_MAX - len(ending)].decode(errors="ignore") + ending
