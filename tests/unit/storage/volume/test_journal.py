"""The chain, segments, torn tails and rot."""

import hashlib
import json
from pathlib import Path

import pytest

from storage.volume.events import Event
from storage.volume.journal import Journal
from storage.volume.journal_records import FIRST_CHAIN, chain_after, encode_line
from storage.volume.refusals import JournalRotten, WriteLost
from tests.volume_packages import names


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    journal, quarantine = tmp_path / "journal", tmp_path / "quarantine"
    journal.mkdir()
    quarantine.mkdir()
    return journal, quarantine


def add(journal: Journal, *kinds: str) -> None:
    journal.append(lambda _sequence, _at: [Event(kind, {"text": "正文"}) for kind in kinds])


def filled(folders: tuple[Path, Path], records: int = 5) -> Path:
    """A journal of that many records after the segment's own; its only segment."""
    journal = Journal(*folders)
    for number in range(records):
        add(journal, f"kind-{number}")
    journal.close()
    return folders[0] / "00000001.log"


def test_the_first_record_is_the_test_vector_of_the_format_page() -> None:
    payload = (
        b'{"sequence":1,"at":"2026-11-22T00:00:00Z","kind":"segment","segment":1,'
        b'"previous_chain":"' + b"0" * 64 + b'"}'
    )
    page = Path(__file__).parents[4] / "docs/formats/journal.md"
    line = encode_line(chain_after(FIRST_CHAIN, payload), payload).decode().rstrip("\n")
    chain, _, text = line.partition(" ")
    assert f"payload  {text}\nchain    {chain}\n" in page.read_text()


def test_a_reader_with_the_loop_of_the_format_page_can_follow_the_chain(
    folders: tuple[Path, Path],
) -> None:
    journal = Journal(*folders, segment_bytes_max=600)
    for number in range(20):
        add(journal, f"kind-{number}")
    journal.close()
    chain, sequences = bytes(32), []
    segments = sorted(folders[0].glob("*.log"))
    for segment in segments:
        for line in segment.read_bytes().splitlines():
            chain = hashlib.sha256(chain + line[65:]).digest()
            assert line[:64].decode() == chain.hex()
            sequences.append(json.loads(line[65:])["sequence"])
    assert len(segments) > 3
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_journal_goes_on_after_it_was_closed(folders: tuple[Path, Path]) -> None:
    filled(folders)
    journal = Journal(*folders)
    add(journal, "later")
    kinds = [record.kind for record in journal.records()]
    assert kinds == ["segment", *(f"kind-{number}" for number in range(5)), "later"]
    assert (journal.torn_bytes, journal.rot) == (0, None)
    journal.close()


def test_segments_follow_each_other_after_a_restart(folders: tuple[Path, Path]) -> None:
    for number in range(6):
        journal = Journal(*folders, segment_bytes_max=400)
        add(journal, f"kind-{number}")
        journal.close()
    journal = Journal(*folders)
    kinds = [record.kind for record in journal.records() if record.kind != "segment"]
    assert kinds == [f"kind-{number}" for number in range(6)]
    assert len(list(folders[0].iterdir())) > 1
    journal.close()


@pytest.mark.parametrize("cut_bytes", [1, 2, 40, 70, 100])
def test_a_torn_tail_is_cut_off_kept_aside_and_counted(
    folders: tuple[Path, Path], cut_bytes: int
) -> None:
    segment = filled(folders)
    whole = segment.read_bytes()
    last = len(whole) - whole[:-1].rfind(b"\n") - 1
    segment.write_bytes(whole[: len(whole) - cut_bytes])
    journal = Journal(*folders)
    assert journal.rot is None
    assert journal.torn_bytes == last - cut_bytes
    add(journal, "after")
    assert [record.kind for record in journal.records()][-2:] == ["kind-3", "after"]
    (tail,) = folders[1].iterdir()
    assert tail.read_bytes() == whole[len(whole) - last : len(whole) - cut_bytes]
    journal.close()


def test_a_last_record_that_is_wrong_is_a_torn_tail(folders: tuple[Path, Path]) -> None:
    segment = filled(folders)
    content = bytearray(segment.read_bytes())
    content[-10] ^= 1
    segment.write_bytes(content)
    journal = Journal(*folders)
    assert journal.rot is None
    assert journal.torn_bytes > 0
    journal.close()


def test_every_flipped_bit_before_the_last_record_is_rot_and_nothing_is_changed(
    folders: tuple[Path, Path],
) -> None:
    segment = filled(folders, records=3)
    whole = segment.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for position in range(last):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        segment.write_bytes(damaged)
        journal = Journal(*folders)
        assert journal.rot is not None, position
        with pytest.raises(JournalRotten):
            add(journal, "never")
        assert segment.read_bytes() == damaged
        journal.close()


def test_rot_in_an_older_segment_is_found_when_all_is_read(folders: tuple[Path, Path]) -> None:
    journal = Journal(*folders, segment_bytes_max=400)
    for number in range(6):
        add(journal, f"kind-{number}")
    first = folders[0] / "00000001.log"
    damaged = bytearray(first.read_bytes())
    damaged[100] ^= 1
    first.write_bytes(damaged)
    with pytest.raises(JournalRotten):
        list(journal.records())
    journal.close()


def test_a_whole_segment_that_was_exchanged_breaks_the_chain(folders: tuple[Path, Path]) -> None:
    journal = Journal(*folders, segment_bytes_max=400)
    for number in range(8):
        add(journal, f"kind-{number}")
    journal.close()
    one, other = sorted(folders[0].iterdir())[1:3]
    one.write_bytes(other.read_bytes())
    journal = Journal(*folders)
    with pytest.raises(JournalRotten):
        list(journal.records())
    journal.close()


def test_a_missing_segment_is_rot(folders: tuple[Path, Path]) -> None:
    journal = Journal(*folders, segment_bytes_max=400)
    for number in range(8):
        add(journal, f"kind-{number}")
    journal.close()
    (folders[0] / "00000002.log").unlink()
    assert Journal(*folders).rot is not None


@pytest.mark.parametrize("torn", [b"", b"0123 torn"])
def test_a_segment_that_never_got_its_first_record_is_taken_away(
    folders: tuple[Path, Path], torn: bytes
) -> None:
    filled(folders)
    (folders[0] / "00000002.log").write_bytes(torn)
    journal = Journal(*folders)
    add(journal, "after")
    assert names(folders[0]) == ["00000001.log"]
    assert [record.kind for record in journal.records()][-1] == "after"
    journal.close()


def test_a_closed_journal_takes_nothing(folders: tuple[Path, Path]) -> None:
    journal = Journal(*folders)
    journal.close()
    with pytest.raises(WriteLost):
        add(journal, "never")


def test_reopening_reads_what_is_there(folders: tuple[Path, Path]) -> None:
    journal = Journal(*folders)
    add(journal, "one")
    journal.reopen()
    add(journal, "two")
    assert [record.kind for record in journal.records()] == ["segment", "one", "two"]
    journal.close()
