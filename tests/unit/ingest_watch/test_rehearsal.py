"""Rehearsals: judged and told like the real thing, and never taken (ingest_watch/rehearsal.py)."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ingest_watch.answers import AnswerUnreadable, read_answer
from ingest_watch.preparation import Acceptable, Job, PartBytes, Preparation, Profile
from ingest_watch.prepare import prepare
from ingest_watch.rehearsal import Rehearsals, RehearsalSource
from ingest_watch.settle import CompleteWhen, SettleRule
from tests.bags import bag_files, bag_parts, write_files, zip_bytes
from tests.intake_world import IntakeWorld, now
from tests.json_schema import faults

SCHEMAS = Path(__file__).parents[3] / "ingest_watch" / "sender_kit" / "schemas"


async def prepared(job: Job) -> Preparation:
    return await asyncio.to_thread(prepare, job)


class Rehearsed:
    """One sender's folders, looked at by hand."""

    def __init__(self, folder: Path, rule: SettleRule) -> None:
        for name in ("drop/.rehearsal", "return", "staging"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self.now_s = 0.0
        self.source = RehearsalSource(
            "馆", "portal", None, folder / "drop", folder / "return", folder / "staging",
            folder / "rehearsal.json", rule, Profile(("bagit",), "name"), platform_receipts=True,
        )  # fmt: skip
        self.begin()

    def begin(self) -> None:
        """As after a start of the intake."""
        self.rehearsals = Rehearsals(self.source, prepared, now, lambda: self.now_s)

    def send(self, name: str, **changed: bytes) -> Path:
        payload = {"data/1.txt": b"one"} | {f"data/{key}": text for key, text in changed.items()}
        return write_files(self.source.folder / name, bag_files(payload))

    async def look(self) -> int:
        judged = 0
        for _ in range(3):
            self.now_s += 60
            judged += await self.rehearsals.look()
        return judged

    def told(self) -> set[str]:
        return {path.name for path in (self.source.returned / ".rehearsal").iterdir()}


@pytest.fixture
def rehearsed(tmp_path: Path) -> Rehearsed:
    return Rehearsed(tmp_path, SettleRule(CompleteWhen.PROVEN))


async def test_a_good_package_gets_its_report_and_samples_and_stays(rehearsed: Rehearsed) -> None:
    package = rehearsed.send("case-1")
    assert await rehearsed.look() == 1
    assert package.exists()
    assert rehearsed.told() == {
        *("case-1.report.json", "case-1.report.html", "case-1.received.json"),
        *("case-1.received.html", "case-1.stored.json", "case-1.stored.html"),
        *("case-1.registration.html", "case-1.stored.platform.json"),
    }
    assert not rehearsed.source.work.exists(), "nothing of it is kept"
    folder = rehearsed.source.returned / ".rehearsal"
    body = (folder / "case-1.stored.json").read_bytes()
    sample = json.loads(body)
    assert (sample["format"], sample["copies"]) == ("lantai.sample-answer.v1", [])
    assert faults(sample, json.loads((SCHEMAS / "answer.schema.json").read_bytes())) == []
    with pytest.raises(AnswerUnreadable):
        read_answer(body)
    assert "联调样例" in (folder / "case-1.stored.html").read_text()
    report = json.loads((folder / "case-1.report.json").read_bytes())
    assert (report["package_format"], report["verdict"]) == ("bagit", "acceptable")
    assert faults(report, json.loads((SCHEMAS / "check-report.schema.json").read_bytes())) == []


async def test_where_custody_passes_at_the_registration_the_notice_is_among_the_samples(
    rehearsed: Rehearsed,
) -> None:
    rehearsed.source = replace(rehearsed.source, awaits_registration=True)
    rehearsed.begin()
    rehearsed.send("case-1")
    assert await rehearsed.look() == 1
    folder = rehearsed.source.returned / ".rehearsal"
    sample = json.loads((folder / "case-1.registration.json").read_bytes())
    assert (sample["kind"], sample["custody"]) == ("registration", "registration")
    assert "联调样例" in (folder / "case-1.registration.html").read_text()
    assert json.loads((folder / "case-1.stored.json").read_bytes())["custody"] == "registration"


async def test_a_mended_package_is_told_anew_and_the_old_samples_go(rehearsed: Rehearsed) -> None:
    package = rehearsed.send("case-1")
    (package / "data/1.txt").write_bytes(b"another")
    assert await rehearsed.look() == 1
    assert "case-1.rejected.json" in rehearsed.told()
    report = (rehearsed.source.returned / ".rehearsal" / "case-1.report.json").read_bytes()
    assert json.loads(report)["package_format"] == "bagit"
    assert await rehearsed.look() == 0, "it is told once"
    (package / "data/1.txt").write_bytes(b"one")
    assert await rehearsed.look() == 1
    assert "case-1.stored.json" in rehearsed.told()
    assert "case-1.rejected.json" not in rehearsed.told()
    rehearsed.begin()
    assert await rehearsed.look() == 1, "and once more after a start"


async def test_each_part_of_a_batch_is_told_in_the_batch_s_folder(rehearsed: Rehearsed) -> None:
    """The batch is a bag with two zipped bags in it, one of them damaged."""
    good = zip_bytes(bag_parts(bag_files({"data/1.txt": b"one"})))
    bad = zip_bytes(bag_parts(bag_files({"data/1.txt": b"one"}) | {"data/1.txt": b"two"}))
    payload = {"data/A1.zip": good, "data/A2.zip": bad}
    write_files(rehearsed.source.folder / "batch-7", bag_files(payload))

    async def divided(job: Job) -> Preparation:
        if job.part_of is not None:
            return await prepared(replace(job, profile=rehearsed.source.profile))
        package = await prepared(job)
        assert isinstance(package, Acceptable)
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in payload.items()}
        return replace(package, parts=tuple(PartBytes(*part) for part in digests.items()))

    rehearsed.rehearsals = Rehearsals(rehearsed.source, divided, now, lambda: rehearsed.now_s)
    assert await rehearsed.look() == 1
    folder = rehearsed.source.returned / ".rehearsal"
    told = {path.name for path in (folder / "batch-7" / "data").glob("*.json")}
    assert {"A1.zip.stored.json", "A2.zip.rejected.json", "A2.zip.report.json"} <= told
    parts = json.loads((folder / "batch-7.stored.json").read_bytes())["parts"]
    assert [(part["name"], part["outcome"]) for part in parts] == [
        ("data/A1.zip", "stored"),
        ("data/A2.zip", "rejected"),
    ]
    assert (parts[0]["identifier"], parts[1]["code"]) == ("A1", "digest-mismatch")


async def test_without_a_rehearsal_folder_nothing_happens_and_one_made_anew_is_seen(
    rehearsed: Rehearsed,
) -> None:
    await rehearsed.look()
    rehearsed.source.folder.rmdir()
    assert await rehearsed.look() == 0
    rehearsed.source.folder.mkdir()
    rehearsed.send("case-1")
    assert await rehearsed.look() == 1


async def test_a_rehearsal_waits_for_its_marker_like_any_package(tmp_path: Path) -> None:
    rehearsed = Rehearsed(tmp_path, SettleRule(CompleteWhen.MARKER))
    rehearsed.send("case-1")
    assert await rehearsed.look() == 0
    (rehearsed.source.folder / "case-1.done").touch()
    assert await rehearsed.look() == 1


async def test_the_intake_itself_never_takes_what_is_rehearsed(world: IntakeWorld) -> None:
    write_files(world.drop / ".rehearsal" / "case-1", bag_files())
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await world.transfers() == []
    assert list(world.returned.iterdir()) == []
