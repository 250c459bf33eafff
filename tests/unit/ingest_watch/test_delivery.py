"""Answers into return folders and originals out of drop folders (ingest_watch/delivery.py)."""

import asyncio
import errno
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_watch.answers import read_answer
from ingest_watch.preparation import Job, Preparation
from storage.catalogue import answers
from storage.catalogue.model import AnswerKind
from tests.conftest import WaitUntil
from tests.intake_world import SOURCE, IntakeWorld, has, send, states


async def test_answers_are_kept_for_a_return_folder_that_cannot_be_written(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    world.returned.rename(world.folder / "away")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert (world.drop / "case-1").exists(), "nothing is touched before the receipt is there"
        (world.folder / "away").rename(world.returned)
        await running.delivery.round()
    assert world.answers("case-1") == {"received", "stored"}
    assert list(world.drop.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["n" * 255, "档" * 85, "x" * 240 + ".tar.gz", "卷\x1b" * 60], ids=lambda _name: "long"
)
async def test_an_answer_to_the_longest_names_is_delivered(world: IntakeWorld, name: str) -> None:
    send(world, name)
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    (body,) = world.returned.glob("*.rejected.json")
    answer = read_answer(body.read_bytes())
    assert hashlib.sha256(answer.name.encode()).hexdigest()[:16] in body.name
    given = await world.catalogue.look(answers.find, 1, AnswerKind.REJECTED)
    assert given is not None
    assert (world.returned / f"{body.name}.sig").read_bytes() == given.signature


async def test_an_answer_that_cannot_be_written_is_in_no_other_package_s_way(
    world: IntakeWorld,
) -> None:
    """The sender has made a folder where its receipt belongs."""
    (world.returned / "case-1.received.json.sig/in the way").mkdir(parents=True)
    for name in ("case-1", "case-2"):
        send(world, name, name.encode())
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert world.answers("case-2") == {"received", "stored"}
    assert world.answers("case-1") == set(), "nothing is told before what was said earlier"
    assert [path.name for path in world.drop.iterdir()] == ["case-1"]
    shutil.rmtree(world.returned / "case-1.received.json.sig")
    async with world.intake() as running:
        await running.delivery.round()
    assert world.answers("case-1") == {"received", "stored"}
    assert list(world.drop.iterdir()) == []


async def test_what_came_under_a_stored_package_s_name_is_judged_and_not_moved_for_it(
    world: IntakeWorld,
    wait_until: WaitUntil,
) -> None:
    """The intake died after the original was moved; its sender has sent the next one already."""
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: has(world, "stored"))
        shutil.rmtree(world.drop / "case-1")
        send(world, "case-1", b"another page")
        await running.delivery.round()
        assert (world.drop / "case-1/data/1.txt").read_bytes() == b"another page"
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["stored", "rejected"]


async def test_a_package_sent_again_mended_is_told_beside_nothing_of_before(
    world: IntakeWorld,
) -> None:
    (send(world, "case-1") / "data/1.txt").write_bytes(b"another page")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert world.answers("case-1") == {"rejected"}
        (world.drop / "case-1/data/1.txt").write_bytes(b"page one")
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["rejected", "stored"]
    assert world.answers("case-1") == {"received", "stored"}
    assert not list(world.returned.glob("case-1.rejected*"))
    (moved,) = (world.returned / ".earlier" / "case-1").glob("rejected-*.json")
    assert read_answer(moved.read_bytes()).transfer == "1"


async def test_a_package_sent_twice_finds_its_first_receipt_again(world: IntakeWorld) -> None:
    receipts = []
    async with world.intake() as running:
        for _ in range(2):
            send(world, "case-1")
            await running.look(3)
            await running.settle_down()
            receipts.append((world.returned / "case-1.stored.json").read_bytes())
    assert receipts[0] == receipts[1]
    assert await states(world) == ["stored", "stored"]
    received = (world.returned / "case-1.received.json").read_bytes()
    assert read_answer(received).transfer == "2"


async def test_answers_of_two_transfers_that_wait_together_end_in_order(
    world: IntakeWorld,
) -> None:
    """The return folder was away while a package was rejected, mended and stored."""
    (send(world, "case-1") / "data/1.txt").write_bytes(b"another page")
    world.returned.rename(world.folder / "away")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        (world.drop / "case-1/data/1.txt").write_bytes(b"page one")
        await running.look(3)
        await running.settle_down()
        (world.folder / "away").rename(world.returned)
        await running.delivery.round()
    assert world.answers("case-1") == {"received", "stored"}
    assert len(list((world.returned / ".earlier" / "case-1").glob("rejected-*.json"))) == 1


async def test_what_a_package_is_called_is_not_in_the_log_of_its_answers(
    world: IntakeWorld, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of packages may name people; the log has the number of the transfer."""
    send(world, "张三")
    world.returned.rename(world.folder / "away")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        (world.folder / "away").rename(world.returned)
        await running.delivery.round()
    assert world.answers("张三") == {"received", "stored"}
    printed = capsys.readouterr()
    assert "delivery.answer" in printed.out + printed.err + caplog.text
    for line in (printed.out + printed.err + caplog.text).splitlines():
        assert "delivery." not in line or "张三" not in line


async def test_an_original_is_not_gone_because_its_folder_is_away(world: IntakeWorld) -> None:
    """1. stored and answered 2. only the empty mount point is there 3. the share comes back."""
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: running.intake.is_idle, 30)
        world.drop.rename(world.folder / "unmounted")
        world.drop.mkdir()
        await running.delivery.round()
        assert world.answers("case-1") == {"received", "stored"}
        (transfer,) = await world.transfers()
        assert transfer.closed_at is None
        world.drop.rmdir()
        (world.folder / "unmounted").rename(world.drop)
        await running.look()
        await running.settle_down()
    assert await states(world) == ["stored"]
    assert (world.accepted / "case-1").exists()


async def test_a_failure_on_a_file_called_after_a_person_is_logged_without_its_name(
    world: IntakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_job: Job) -> Preparation:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl", "/staging/1/张三.jpg")

    world.prepare = failing
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    (transfer,) = await world.transfers()
    assert transfer.state.value == "failed"
    assert "张三" in transfer.message, "operators see it where they see the package"
    printed = capsys.readouterr()
    assert "Inappropriate ioctl" in printed.out + printed.err
    assert "张三" not in printed.out + printed.err


@pytest.mark.needs_root
async def test_no_answer_is_written_beneath_a_return_folder_whose_share_is_away(
    world: IntakeWorld, loop_filesystem: Callable[..., Path]
) -> None:
    """1. the return folder is a share 2. only its mount point is there 3. it is back."""
    image = loop_filesystem("ext4").with_suffix(".img")
    mount = ["mount", "-o", "loop", str(image), str(world.returned)]
    unmount = ["umount", str(world.returned)]
    subprocess.run(mount, check=True)
    try:
        async with world.intake() as running:
            send(world, "case-1")
            await running.look()
            await running.settle_down()
            subprocess.run(unmount, check=True)
            send(world, "case-2")
            await running.look()
            await running.settle_down()
            assert list(world.returned.iterdir()) == []
            subprocess.run(mount, check=True)
            await running.settle_down()
        assert world.answers("case-1") == world.answers("case-2") == {"received", "stored"}
    finally:
        subprocess.run(unmount, check=False)


class FrozenDesk:
    """Freezes its intake when it has read what to tell, and before it writes.

    `believes`: whether the intake takes itself for the one that serves when it wakes up.
    """

    def __init__(self, believes: bool) -> None:
        self.is_frozen, self.wake = asyncio.Event(), asyncio.Event()
        self._asked = 0
        self._believes = believes

    async def serves(self, source: str) -> bool:
        self._asked += source == SOURCE
        if self._asked == 2 and not self.wake.is_set():
            self.is_frozen.set()
            await self.wake.wait()
            return self._believes
        return True


@pytest.mark.parametrize("believes", [True, False])
async def test_an_intake_that_was_frozen_over_an_answer_takes_back_nothing_that_was_told_since(
    world: IntakeWorld, believes: bool
) -> None:
    """It knows of the received receipt only, and would move the stored one aside."""
    send(world, "case-1")
    for node in world.nodes:
        node.reachable.clear()
    desk = FrozenDesk(believes)
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: has(world, "writing"), 30, "an answer to tell")
        late = asyncio.create_task(world.delivery(desk.serves).round())
        await desk.is_frozen.wait()
        for node in world.nodes:
            node.reachable.set()
        await running.settle_down()
        receipt = (world.returned / "case-1.stored.json").read_bytes()
        desk.wake.set()
        assert await late == int(believes)
        await running.delivery.round()
    assert world.answers("case-1") == {"received", "stored"}
    assert (world.returned / "case-1.stored.json").read_bytes() == receipt
    assert await world.catalogue.look(answers.outbox) == []
