"""Expected against received, through a real intake (ingest_watch/tally/desk.py)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ingest_watch.drop_folder import DropFolder
from ingest_watch.tally.desk import TallyDesk, TallyFolders
from storage.catalogue import acts, dispatch_notes
from storage.catalogue.model import Actor
from tests.bags import bag_files, write_files
from tests.intake_world import SOURCE, IntakeWorld, now, send

ARCHIVIST = Actor("li.wei", "console")


def desk_of(world: IntakeWorld) -> TallyDesk:
    drop = DropFolder(world.drop, world.folder / "drop.json", world.rule)
    folders = TallyFolders(SOURCE, drop, world.returned, world.accepted)
    return TallyDesk(folders, world.catalogue, now, lambda: world.now_s)


async def settled_round(world: IntakeWorld, desk: TallyDesk) -> None:
    """A note is seen, is quiet, is read and compared."""
    for _ in range(2):
        await desk.round()
        world.now_s += 60
    await desk.round()


def note(world: IntakeWorld, *lines: str, name: str = "day.csv") -> None:
    (world.drop / ".tally").mkdir(exist_ok=True)
    text = "\n".join(("identifier,file_count,content_bytes", *lines, ""))
    (world.drop / ".tally" / name).write_text(text)


def answer(world: IntakeWorld, name: str = "day.csv") -> dict[str, Any]:
    told: dict[str, Any] = json.loads((world.returned / f"{name}.tally.json").read_bytes())
    return told


def gap(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["identifier"]) for entry in told["gap"]]


async def stored(world: IntakeWorld, *names: str) -> None:
    for name in names:
        send(world, name)
    async with world.intake() as running:
        await running.look()
        await running.settle_down()


def size_of(name: str) -> str:
    files = bag_files({"data/1.txt": b"page one"})
    return f"{name},{len(files)},{sum(map(len, files.values()))}"


async def test_a_note_is_open_until_all_that_it_names_is_stored_and_then_moves_aside(
    world: IntakeWorld,
) -> None:
    desk = desk_of(world)
    note(world, size_of("case-1"), size_of("case-2"))
    await stored(world, "case-1")
    await settled_round(world, desk)
    told = answer(world)
    assert (told["state"], gap(told)) == ("open", [("missing", "case-2")])
    assert told["counts"]["matched"] == 1
    await stored(world, "case-2")
    await desk.round()
    told = answer(world)
    assert (told["state"], told["gap"], told["counts"]["matched"]) == ("closed", [], 2)
    assert (world.accepted / "day.csv").exists()
    assert list((world.drop / ".tally").iterdir()) == []


async def test_what_is_there_and_not_stored_yet_is_under_way(world: IntakeWorld) -> None:
    """Its archive's name is what it may be called until it is judged."""
    (world.drop / "case-1.zip").write_bytes(b"half")
    async with world.intake(at_once=0) as running:
        await running.look(1)
    note(world, "case-1,,", "case-2,,")
    await settled_round(world, desk_of(world))
    assert gap(answer(world)) == [("under-way", "case-1"), ("missing", "case-2")]


async def test_what_was_sent_back_is_missing_until_it_comes_again(world: IntakeWorld) -> None:
    write_files(world.drop / "case-1", bag_files() | {"data/scan/1.txt": b"other"})
    await stored(world)
    note(world, "case-1,,")
    await settled_round(world, desk_of(world))
    assert gap(answer(world)) == [("missing", "case-1")]


@pytest.mark.parametrize("line", ["case-1,4,", "case-1,,7", "case-1,1,1"])
async def test_what_is_stored_with_other_numbers_is_different(
    world: IntakeWorld, line: str
) -> None:
    await stored(world, "case-1")
    note(world, line)
    await settled_round(world, desk_of(world))
    (entry,) = answer(world)["gap"]
    files = bag_files({"data/1.txt": b"page one"})
    assert (entry["kind"], entry["received"]) == (
        "different",
        {"file_count": len(files), "content_bytes": sum(map(len, files.values()))},
    )
    assert entry["expected"] != entry["received"]


async def test_what_came_unsaid_is_surplus_until_a_later_note_names_it(
    world: IntakeWorld,
) -> None:
    """1. before the first note nothing is surplus 2. two come, one is named 3. so is the other."""
    desk = desk_of(world)
    await stored(world, "case-0")
    note(world, name="monday.csv")
    await settled_round(world, desk)
    assert answer(world, "monday.csv")["state"] == "closed"
    await stored(world, "case-1", "case-2")
    note(world, "case-1,,", name="tuesday.csv")
    await settled_round(world, desk)
    assert gap(answer(world, "tuesday.csv")) == [("surplus", "case-2")]
    note(world, "case-2,,", name="wednesday.csv")
    await settled_round(world, desk)
    assert answer(world, "tuesday.csv")["state"] == "closed"
    assert answer(world, "wednesday.csv")["state"] == "closed"


async def test_a_note_of_the_same_name_replaces_the_one_before(world: IntakeWorld) -> None:
    desk = desk_of(world)
    await stored(world, "case-1")
    note(world, "case-1,,", "case-9,,")
    await settled_round(world, desk)
    assert gap(answer(world)) == [("missing", "case-9")]
    note(world, "case-1,,")
    await settled_round(world, desk)
    assert answer(world)["state"] == "closed"
    assert await world.catalogue.look(dispatch_notes.open_notes) == []


async def test_a_note_that_cannot_be_read_is_refused_stays_and_is_read_again_when_mended(
    world: IntakeWorld,
) -> None:
    desk = desk_of(world)
    note(world, "case-1,five,")
    await settled_round(world, desk)
    told = answer(world)
    assert told["state"] == "refused"
    assert "package 1" in told["reason"]
    assert (world.drop / ".tally/day.csv").exists()
    note(world, "case-1,5,")
    await settled_round(world, desk)
    assert gap(answer(world)) == [("missing", "case-1")]


async def test_a_note_that_is_still_being_written_is_not_read(world: IntakeWorld) -> None:
    desk = desk_of(world)
    for count in range(1, 4):
        note(world, *(f"case-{number},," for number in range(count)))
        await desk.round()
        world.now_s += world.rule.quiet_s - 1
    assert await world.catalogue.look(dispatch_notes.open_notes) == []


async def test_a_restart_takes_no_note_in_twice_and_answers_again(world: IntakeWorld) -> None:
    note(world, "case-1,,")
    await settled_round(world, desk_of(world))
    (world.returned / "day.csv.tally.json").unlink()
    await settled_round(world, desk_of(world))
    assert len(await world.catalogue.look(dispatch_notes.open_notes)) == 1
    assert gap(answer(world)) == [("missing", "case-1")]


async def test_a_person_closes_a_note_with_its_gap_and_that_is_on_record(
    world: IntakeWorld,
) -> None:
    desk = desk_of(world)
    note(world, "case-1,,")
    await settled_round(world, desk)
    close = dispatch_notes.close
    await world.catalogue.do(close, SOURCE, "day.csv", "never sent", ARCHIVIST, now())
    await desk.round()
    told = answer(world)
    assert (told["state"], told["reason"]) == ("closed", "never sent")
    assert (world.accepted / "day.csv").exists()
    (act,) = await world.catalogue.look(acts.page)
    assert (act.event.act, act.event.who) == ("note.closed", "li.wei")
    with pytest.raises(dispatch_notes.NoSuchNote, match="no open note"):
        await world.catalogue.do(close, SOURCE, "day.csv", "again", ARCHIVIST, now())


async def test_a_share_that_is_away_closes_no_note(world: IntakeWorld) -> None:
    desk = desk_of(world)
    note(world, "case-1,,")
    await settled_round(world, desk)
    world.drop.rename(world.folder / "away")
    await settled_round(world, desk)
    (world.folder / "away").rename(world.drop)
    await stored(world, "case-1")
    await settled_round(world, desk)
    assert answer(world)["state"] == "closed"
    assert (world.accepted / "day.csv").exists()


async def test_links_and_other_files_in_the_folder_are_left_alone(world: IntakeWorld) -> None:
    secret = world.folder / "secret.csv"
    secret.write_text("identifier\ncase-1\n")
    (world.drop / ".tally").mkdir()
    (world.drop / ".tally/link.csv").symlink_to(secret)
    (world.drop / ".tally/notes.txt").write_text("identifier\n")
    (world.drop / ".tally/.day.csv.AbC123").write_text("identifier\n")
    await settled_round(world, desk_of(world))
    assert list(world.returned.iterdir()) == []
