"""Answers as files of a return folder (outbox.py, answer_files.py, earlier_answers.py)."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest_watch.answer_files import files_of, place_of
from ingest_watch.answers import read_answer
from ingest_watch.outbox import Returning, deliver
from storage.catalogue.model import Answer, AnswerKind
from tests.answer_samples import NOTARY, in_outbox

RECEIVED, STORED, REJECTED = AnswerKind.RECEIVED, AnswerKind.STORED, AnswerKind.REJECTED


@pytest.fixture
def returned(tmp_path: Path) -> Path:
    folder = tmp_path / "return"
    folder.mkdir()
    return folder


def give(returned: Path, *answers: Answer, platform: bool = False) -> None:
    """Deliver what one transfer was told."""
    told = {answer.transfer_id: {each.signature for each in answers} for answer in answers}
    deliver(Returning(returned, platform), answers, told)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_answer_is_its_json_its_signature_and_its_page(returned: Path) -> None:
    give(returned, in_outbox(RECEIVED), in_outbox(STORED), platform=True)
    received = {"case-1.received.json", "case-1.received.json.sig", "case-1.received.html"}
    stored = {"case-1.stored.json", "case-1.stored.json.sig", "case-1.stored.html"}
    more = {"case-1.registration.html", "case-1.stored.platform.json"}
    files = tree(returned)
    assert set(files) == received | stored | more
    body = files["case-1.stored.json"]
    assert NOTARY.verify_key.verify(body, files["case-1.stored.json.sig"])
    assert hashlib.sha256(body).hexdigest().encode() in files["case-1.stored.html"]


def test_what_is_delivered_again_is_the_same_to_the_byte(returned: Path) -> None:
    answers = [in_outbox(RECEIVED), in_outbox(STORED)]
    give(returned, *answers, platform=True)
    before = tree(returned)
    give(returned, *answers, platform=True)
    assert tree(returned) == before


@pytest.mark.parametrize("kept", range(5))
def test_a_delivery_that_a_crash_cut_short_is_completed(returned: Path, kept: int) -> None:
    """The first `kept` files were there already, in the order in which they are written."""
    answer = in_outbox(STORED)
    files = files_of(answer, with_platform_receipt=True)
    in_order: Mapping[str, bytes] = {
        files.signature_name: files.signature,
        **files.made,
        files.body_name: files.body,
    }
    for name in list(in_order)[:kept]:
        (returned / name).write_bytes(in_order[name])
    give(returned, answer, platform=True)
    assert tree(returned) == in_order


def test_earlier_answers_on_a_name_are_moved_aside_for_the_first_of_the_next(
    returned: Path,
) -> None:
    refusal = in_outbox(REJECTED, transfer=1)
    give(returned, refusal)
    give(returned, in_outbox(RECEIVED, transfer=2))
    files = tree(returned)
    stem = f".earlier/case-1/rejected-{refusal.signature.hex()[:16]}"
    assert set(files) == {
        *("case-1.received.json", "case-1.received.json.sig", "case-1.received.html"),
        *(f"{stem}.json", f"{stem}.json.sig", f"{stem}.html"),
    }
    assert files[f"{stem}.json"] == refusal.body
    assert files[f"{stem}.json.sig"] == refusal.signature


def test_the_stored_receipt_leaves_the_received_one_of_its_own_transfer_alone(
    returned: Path,
) -> None:
    received, stored = in_outbox(RECEIVED), in_outbox(STORED)
    give(returned, received)
    told = {1: {received.signature, stored.signature}}
    deliver(Returning(returned), [stored], told)
    assert not (returned / ".earlier").exists()
    assert (returned / "case-1.received.json").exists()


def test_an_earlier_stored_answer_takes_its_registration_form_along(returned: Path) -> None:
    give(returned, in_outbox(RECEIVED), in_outbox(STORED), platform=True)
    give(returned, in_outbox(REJECTED, transfer=2))
    assert {name for name in tree(returned) if not name.startswith(".earlier")} == {
        *("case-1.rejected.json", "case-1.rejected.json.sig", "case-1.rejected.html"),
    }
    moved = [name for name in tree(returned) if name.startswith(".earlier/case-1/stored-")]
    assert {name.partition(".earlier/case-1/stored-")[2][16:] for name in moved} == {
        *(".json", ".json.sig", ".html", ".platform.json", ".registration.html"),
    }


@pytest.mark.parametrize("moved", range(4))
def test_moving_aside_that_a_crash_cut_short_is_finished(returned: Path, moved: int) -> None:
    refusal, target = in_outbox(REJECTED), returned / ".earlier" / "case-1"
    give(returned, refusal)
    target.mkdir(parents=True)
    stem = f"rejected-{refusal.signature.hex()[:16]}"
    for end in (".json", ".html", ".json.sig")[:moved]:
        (returned / f"case-1.rejected{end}").rename(target / f"{stem}{end}")
    give(returned, in_outbox(RECEIVED, transfer=2))
    assert not list(returned.glob("case-1.rejected*"))
    assert {path.name for path in target.iterdir()} == {
        f"{stem}{end}" for end in (".json", ".html", ".json.sig")
    }


def test_the_answers_on_a_batch_s_parts_lie_in_a_folder_of_the_batch(returned: Path) -> None:
    give(returned, in_outbox(REJECTED, name="batch-7/A001"))
    give(returned, in_outbox(RECEIVED, transfer=2, name="batch-7/A001"))
    assert (returned / "batch-7" / "A001.received.json").exists()
    assert not (returned / "batch-7" / "A001.rejected.json").exists()
    (moved,) = (returned / ".earlier" / "batch-7" / "A001").glob("rejected-*.json")
    assert read_answer(moved.read_bytes()).name == "batch-7/A001"


def test_people_sign_for_a_batch_and_not_for_each_of_its_parts(returned: Path) -> None:
    give(returned, in_outbox(STORED, name="batch-7"))
    give(returned, in_outbox(STORED, transfer=2, name="batch-7/A001"))
    assert [path.name for path in returned.rglob("*.registration.html")] == [
        "batch-7.registration.html"
    ]


@pytest.mark.parametrize(
    "name",
    ["../x", "../../x", "/etc/x", "a/../../x", "..", ".", "", "a//x", "a/", "./x", ".earlier/x"],
)
def test_no_name_leaves_the_return_folder_or_enters_what_is_ours(returned: Path, name: str) -> None:
    give(returned, in_outbox(RECEIVED, name=name))
    assert [path.name for path in returned.parent.iterdir()] == ["return"]
    (body,) = returned.rglob("*.received.json")
    assert read_answer(body.read_bytes()).name == name
    assert not body.is_relative_to(returned / ".earlier")


def test_a_link_in_the_return_folder_is_not_followed(returned: Path) -> None:
    outside = returned.parent / "outside"
    outside.mkdir()
    (returned / "batch-7").symlink_to(outside)
    with pytest.raises(OSError, match="Not a directory"):
        give(returned, in_outbox(RECEIVED, name="batch-7/A001"))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 255, "档" * 85, f"{'批' * 85}/{'n' * 250}"])
def test_the_longest_names_have_every_file(returned: Path, name: str) -> None:
    give(returned, in_outbox(REJECTED, name=name), platform=True)
    assert len(tree(returned)) == 4
    place = place_of(name)
    assert max(len(os.fsencode(part)) for part in (*place.folders, place.stem)) <= 232
