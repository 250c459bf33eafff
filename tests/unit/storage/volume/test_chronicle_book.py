"""What a node takes in of the ledger, and what it refuses (storage/volume/chronicle_book.py)."""

import hashlib
from pathlib import Path

import pytest

from storage.chronicle.bytes_told import told_bytes
from storage.chronicle.page import (
    SLICE_BYTES,
    SLICES,
    Page,
    PageMalformed,
    Position,
    Row,
    Value,
    chain_after,
    pack,
)
from storage.ocfl.layout import object_folder
from storage.ocfl.validate import validate_object
from storage.signing import SigningKey
from storage.volume.chronicle_book import ToldForked, ToldGap
from storage.volume.refusals import SegmentUnknown
from storage.volume.volume import Volume
from tests.volume_packages import make_package, new_volume, store

START = Position()


def event(number: int) -> Row:
    return Row(
        "events",
        {
            "sequence": number, "at": "2026-11-22T10:00:00.000000Z", "who": "ingest",
            "origin": "host", "act": "transfer.stored", "outcome": "done", "transfer_id": number,
            "package_id": None, "node": None, "detail": "",
        },
    )  # fmt: skip


def page(after: Position, *numbers: int) -> Page:
    rows = [event(number) for number in numbers]
    chain = chain_after(after.chain, [row.values for row in rows])
    return Page(after, Position(numbers[-1], after.answer_id, chain), numbers[-1], pack(rows))


def receipt(after: Position, object_id: str, body: bytes, *, is_long: bool = False) -> Page:
    answer: dict[str, Value] = {
        "id": 1, "transfer_id": 7, "kind": "stored",
        "body": None if is_long else told_bytes(body),
        "body_sha256": hashlib.sha256(body).hexdigest(), "signature": told_bytes(b"\xff" * 64),
    }  # fmt: skip
    rows = [Row("transfers", {"id": 7, "object_id": object_id}), Row("answers", answer)]
    return Page(after, Position(after.event_sequence, 1, after.chain), 1, pack(rows))


def test_pages_that_follow_each_other_are_taken_in_and_outlive_the_index(volume: Volume) -> None:
    first = page(START, 1, 2)
    reached = volume.chronicle.tell(first)
    second = page(reached, 5)
    assert volume.chronicle.tell(second) == second.upto
    volume.rebuild_index()
    assert volume.chronicle.position() == second.upto
    raw, is_end = volume.chronicle.journal_part(1, 0, 1024 * 1024)
    assert (raw.count(b'"kind":"told"'), is_end) == (2, True)
    assert volume.chronicle.journal_part(1, len(raw), 10) == (b"", True)


def test_a_page_that_is_told_twice_changes_nothing(volume: Volume) -> None:
    first = page(START, 1, 2)
    reached = volume.chronicle.tell(first)
    before = volume.chronicle.journal_part(1, 0, 1024 * 1024)
    assert volume.chronicle.tell(first) == reached
    assert volume.chronicle.journal_part(1, 0, 1024 * 1024) == before


def test_a_gap_another_past_and_a_false_chain_are_refused(volume: Volume) -> None:
    reached = volume.chronicle.tell(page(START, 1, 2))
    ahead = Position(3, 0, reached.chain)
    with pytest.raises(ToldGap):
        volume.chronicle.tell(page(ahead, 4))
    other = Position(2, 0, "a" * 64)
    with pytest.raises(ToldForked):
        volume.chronicle.tell(page(other, 3))
    honest = page(reached, 3)
    false = Page(reached, Position(3, 0, "b" * 64), 3, honest.body)
    with pytest.raises(PageMalformed):
        volume.chronicle.tell(false)
    assert volume.chronicle.position() == reached


def test_a_segment_that_is_not_there_is_refused(volume: Volume) -> None:
    with pytest.raises(SegmentUnknown):
        volume.chronicle.journal_part(2, 0, 10)


async def test_a_receipt_lies_in_the_logs_of_its_object_which_stays_valid(volume: Volume) -> None:
    package = make_package()
    await store(volume, package)
    body = '{"kind":"stored","回执":1}'.encode()
    volume.chronicle.tell(receipt(START, package.order.object_id, body))
    folder = volume.root / object_folder(package.order.object_id)
    assert (folder / "logs/7.stored.json").read_bytes() == body
    assert (folder / "logs/7.stored.json.sig").read_bytes() == b"\xff" * 64
    assert validate_object(folder).errors == ()


async def test_a_long_receipt_is_put_together_from_its_slices(volume: Volume) -> None:
    package = make_package()
    await store(volume, package)
    body = b"{" + b"0123456789abcdef" * 6000 + b"}"
    for begun in range(0, len(body), SLICE_BYTES):
        part = told_bytes(body[begun : begun + SLICE_BYTES])
        rows = [Row(SLICES, {"answer_id": 1, "offset": begun, "body": part})]
        assert volume.chronicle.tell(Page(START, START, 1, pack(rows))) == START
    volume.chronicle.tell(receipt(START, package.order.object_id, body, is_long=True))
    folder = volume.root / object_folder(package.order.object_id)
    assert (folder / "logs/7.stored.json").read_bytes() == body
    assert not any(volume.settings.receipts.iterdir())


def test_a_receipt_of_an_object_that_is_not_here_is_only_kept_in_the_journal(
    volume: Volume,
) -> None:
    told = receipt(START, "lantai:gov/elsewhere", b"{}")
    assert volume.chronicle.tell(told) == told.upto
    assert not (volume.root / object_folder("lantai:gov/elsewhere")).exists()


def test_what_was_told_is_there_after_an_opening_without_the_index(
    tmp_path: Path, key: SigningKey
) -> None:
    volume = new_volume(tmp_path / "disk", key)
    settings, reached = volume.settings, volume.chronicle.tell(page(START, 1))
    volume.close()
    settings.index.unlink()
    again = Volume.open(settings, key)
    try:
        assert again.chronicle.position() == reached
    finally:
        again.close()
