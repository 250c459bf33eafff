"""Custody at the signed registration: the receipt is withheld until a person confirms the form."""

import shutil

import pytest

from ingest_watch.answers import read_answer
from storage.catalogue import answers, events, figures
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, AnswerKind, TransferState
from tests.bags import write_files
from tests.intake_world import IntakeWorld, send, states

PERSON = Actor("wang", "control socket")
FORM = "登记表 2026-17"
WAITS = "awaiting-registration"


async def waiting_for_its_form(world: IntakeWorld, name: str = "case-1") -> None:
    world.awaits_registration = True
    send(world, name)
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == [WAITS]


async def receipt_on_record(world: IntakeWorld, number: int = 1) -> bytes | None:
    found = await world.catalogue.look(answers.find, number, AnswerKind.STORED)
    return None if found is None else found.body


async def test_a_stored_package_waits_and_its_sender_gets_the_form_and_no_receipt(
    world: IntakeWorld,
) -> None:
    await waiting_for_its_form(world)
    assert world.answers("case-1") == {"received", "registration"}
    notice = read_answer((world.returned / "case-1.registration.json").read_bytes())
    assert notice.custody == "registration"
    assert notice.copies is None, "it is no receipt"
    form = (world.returned / "case-1.registration.html").read_text()
    assert "1.registration" in form
    assert "请双方签字盖章" in form
    assert all(len(node.objects) == 1 for node in world.nodes)
    assert (world.drop / "case-1").exists(), "nothing of the sender's is touched"
    assert [each.name for each in world.staging.iterdir()] == ["1"], "nor the staged copy"
    assert await world.catalogue.look(figures.oldest_unregistered) is not None
    assert await world.catalogue.look(figures.oldest_unanswered) is None


async def test_the_registration_lets_the_receipt_go_and_the_original_move(
    world: IntakeWorld,
) -> None:
    await waiting_for_its_form(world)
    form = (world.returned / "case-1.registration.html").read_bytes()
    signed = await receipt_on_record(world)
    async with world.intake() as running:
        registered = await running.decisions.register(1, FORM, PERSON)
        assert (registered.state, registered.message) == (TransferState.STORED, FORM)
        await running.settle_down()
    assert world.answers("case-1") == {"received", "registration", "stored"}
    assert (world.returned / "case-1.stored.json").read_bytes() == signed
    assert (world.returned / "case-1.registration.html").read_bytes() == form, "as it was signed"
    assert (world.accepted / "case-1").exists()
    assert not (world.drop / "case-1").exists()
    assert list(world.staging.iterdir()) == []
    last = (await world.catalogue.look(events.page, transfer_id=1))[-1]
    assert (last.who, last.act) == ("wang", "transfer.stored")


async def test_what_was_registered_is_not_registered_twice(world: IntakeWorld) -> None:
    await waiting_for_its_form(world)
    async with world.intake() as running:
        await running.decisions.register(1, FORM, PERSON)
        with pytest.raises(IllegalTransition, match="does not await a registration"):
            await running.decisions.register(1, "once more", PERSON)
        await running.settle_down()
    (stored,) = await world.transfers()
    assert stored.message == FORM


@pytest.mark.parametrize("verb", ["release", "reject", "retry"])
async def test_nothing_else_can_be_decided_about_what_waits(world: IntakeWorld, verb: str) -> None:
    await waiting_for_its_form(world)
    async with world.intake() as running:
        with pytest.raises(IllegalTransition):
            await getattr(running.decisions, verb)(1, "away with it", PERSON)
    assert await states(world) == [WAITS]


async def test_a_package_that_awaits_nothing_cannot_be_registered(world: IntakeWorld) -> None:
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        with pytest.raises(IllegalTransition):
            await running.decisions.register(1, FORM, PERSON)
    assert "stored" in world.answers("case-1")


async def test_a_crash_between_recording_and_delivering_changes_nothing(world: IntakeWorld) -> None:
    world.awaits_registration = True
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: running.intake.is_idle, 30, "an intake at rest")
    assert await states(world) == [WAITS]
    assert list(world.returned.glob("case-1.*")) == [], "it ended before anything was delivered"
    signed = await receipt_on_record(world)
    async with world.intake() as running:
        await running.settle_down()
        assert world.answers("case-1") == {"received", "registration"}
        await running.decisions.register(1, FORM, PERSON)
    assert "stored" not in world.answers("case-1"), "it ended before the receipt was delivered"
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert (world.returned / "case-1.stored.json").read_bytes() == signed
    assert (world.accepted / "case-1").exists()
    assert await states(world) == ["stored"]


async def test_a_crash_before_it_is_recorded_ends_in_the_same_state(world: IntakeWorld) -> None:
    world.awaits_registration = True
    world.nodes[2].reachable.clear()
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: world.nodes[0].puts > 0, 30, "a copy")
    world.nodes[2].reachable.set()
    async with world.intake() as running:
        await running.settle_down()
    assert await states(world) == [WAITS]
    assert world.answers("case-1") == {"received", "registration"}
    assert all(len(node.objects) == 1 for node in world.nodes)


async def test_a_duplicate_waits_with_the_first_and_gets_the_same_receipt(
    world: IntakeWorld,
) -> None:
    await waiting_for_its_form(world)
    shutil.copytree(world.drop / "case-1", world.folder / "twin")
    shutil.make_archive(str(world.folder / "case-1"), "tar", world.folder / "twin")
    (world.folder / "case-1.tar").rename(world.drop / "case-1.tar")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert await states(world) == [WAITS, WAITS]
        assert "stored" not in world.answers("case-1.tar")
        with pytest.raises(IllegalTransition, match="register 1"):
            await running.decisions.register(2, FORM, PERSON)
        await running.decisions.register(1, FORM, PERSON)
        await running.settle_down()
    assert await states(world) == ["stored", "stored"]
    receipts = {
        (world.returned / f"{name}.stored.json").read_bytes() for name in ("case-1", "case-1.tar")
    }
    assert receipts == {await receipt_on_record(world)}
    assert list(world.drop.iterdir()) == []


async def test_what_waits_goes_on_waiting_when_its_source_no_longer_asks_for_forms(
    world: IntakeWorld,
) -> None:
    await waiting_for_its_form(world)
    world.awaits_registration = False
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == [WAITS]


async def test_an_earlier_notice_and_its_form_are_moved_together(world: IntakeWorld) -> None:
    await waiting_for_its_form(world)
    async with world.intake() as running:
        await running.decisions.register(1, FORM, PERSON)
        await running.settle_down()
        write_files(world.drop / "case-1", {"bagit.txt": b"no bag"})
        await running.look()
        await running.settle_down()
    assert world.answers("case-1") == {"rejected"}
    assert not (world.returned / "case-1.registration.html").exists()
    earlier = world.returned / ".earlier" / "case-1"
    kinds = sorted(path.name.partition("-")[0] for path in earlier.iterdir())
    assert kinds == sorted(["received", "registration", "stored"] * 3), "body, signature, page"
