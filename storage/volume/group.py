"""Committing a group of packages: sync, read back, publish, sync, journal, answer.

docs/formats/volume.md, "Write order and commit point", steps 4 to 9. No sync is ever tried
again: its error condemns every open operation and shuts the gate. The caller decides who is in a
group, and runs one group at a time.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

from monitoring.log import get_log
from storage.crash_point import crash_point
from storage.model import SignedAnswer
from storage.volume import events
from storage.volume.block_lists import BlockLists
from storage.volume.events import Event, Speaker
from storage.volume.gate import Gate
from storage.volume.identity import MountGuard
from storage.volume.incoming import Incoming
from storage.volume.publish import Publisher
from storage.volume.read_back import copy_to_read
from storage.volume.readers import Readers
from storage.volume.records import Condemn, Records
from storage.volume.refusals import (
    PreviousDamaged,
    ReadBackDisturbed,
    ReadBackFailed,
    VersionTaken,
    VolumeRefusal,
    refusal_of,
)

log = get_log(__name__)

Outcome = SignedAnswer | VolumeRefusal


@dataclass(frozen=True, slots=True)
class GroupParts:
    """What committing works with; one set for each open volume."""

    speaker: Speaker
    guard: MountGuard
    publisher: Publisher
    records: Records
    readers: Readers
    block_lists: BlockLists
    gate: Gate
    condemn: Condemn


@dataclass(frozen=True, slots=True)
class _Published:
    member: Incoming
    quarantined: str | None


def commit_group(parts: GroupParts, members: Sequence[Incoming]) -> dict[str, Outcome]:
    """An outcome for each member by `op_id`: its signed answer, or why there is none.

    Every member is closed when this returns.
    """
    began_s = monotonic()
    outcomes: dict[str, Outcome] = {}
    try:
        parts.guard.check()
        _commit(parts, members, outcomes)
    except (OSError, VolumeRefusal) as error:
        reason = _reason(error)
        parts.condemn(reason)
        for member in members:
            if member.op_id not in outcomes:
                outcomes[member.op_id] = reason
                member.end(reason, keep_staging=True)
    answered = sum(isinstance(outcome, SignedAnswer) for outcome in outcomes.values())
    log.info(
        "volume.group.finished",
        packages=len(members),
        committed=answered,
        duration_s=round(monotonic() - began_s, 4),
    )
    return outcomes


def _commit(parts: GroupParts, members: Sequence[Incoming], outcomes: dict[str, Outcome]) -> None:
    oldest = min(members, key=lambda member: member.number)
    with ExitStack() as stack:
        first_sync, second_sync = map(stack.enter_context, oldest.hand_over_syncs())
        first_sync.ask()
        crash_point("volume.group-synced")
        kept = _read_back(parts, members, outcomes)
        crash_point("volume.group-read-back")
        published = _publish(parts, kept, outcomes)
        second_sync.ask()
        crash_point("volume.publication-synced")
    if not published:
        return
    # Another operation may have met a lost write meanwhile; then nothing is acknowledged.
    parts.gate.check()
    outcomes.update(_write_down(parts, published))
    crash_point("volume.recorded")
    for item in published:
        parts.block_lists.take_over(item.member.staged.blocks, item.member.order.object_id)
        item.member.end()
        crash_point("volume.cleared")


def _read_back(
    parts: GroupParts, members: Sequence[Incoming], outcomes: dict[str, Outcome]
) -> list[Incoming]:
    copies = [copy_to_read(member.staged.object, member.staged, member.order) for member in members]
    flaws = parts.readers.read_back(copies, parts.speaker.verify_mode)
    suspicions = [flaw.what for flaw in flaws if flaw is not None and flaw.medium_suspect]
    if suspicions:
        # A medium that does not keep what it is given is trusted with none of the others either.
        raise ReadBackFailed("; ".join(suspicions))
    kept: list[Incoming] = []
    for member, flaw in zip(members, flaws, strict=True):
        if flaw is None:
            kept.append(member)
        else:
            _refuse(member, ReadBackDisturbed(flaw.what), outcomes)
    return kept


def _publish(
    parts: GroupParts, members: Sequence[Incoming], outcomes: dict[str, Outcome]
) -> list[_Published]:
    published: list[_Published] = []
    parts.guard.check()
    for member in members:
        order, staged = member.order, member.staged.object
        try:
            quarantined = None
            if order.replaces_damaged:
                quarantined = parts.publisher.replace_damaged(staged, order.object_id)
            elif order.adds_version:
                parts.publisher.add_version(staged, order.object_id, order.version)
            else:
                parts.publisher.publish(staged, order.object_id)
        except FileExistsError:
            taken = VersionTaken(f"something unrecorded lies where {order.object_id!r} belongs")
            _refuse(member, taken, outcomes)
            continue
        except PreviousDamaged as damaged:
            _refuse(member, damaged, outcomes)
            continue
        published.append(_Published(member, quarantined))
    return published


def _write_down(parts: GroupParts, published: Sequence[_Published]) -> dict[str, SignedAnswer]:
    answers: dict[str, SignedAnswer] = {}

    def compose(sequence: int, at: str) -> list[Event]:
        composed: list[Event] = []
        for number, item in enumerate(published):
            order = item.member.order
            answer = events.sign_answer(parts.speaker, order, sequence + number, at)
            answers[order.op_id] = answer
            event = events.committed(order, answer, parts.speaker.verify_mode, recovered=False)
            if order.replaces_damaged:
                event = events.mended(event, item.quarantined)
            composed.append(event)
        return composed

    parts.records.write(compose)
    return answers


def _refuse(member: Incoming, reason: VolumeRefusal, outcomes: dict[str, Outcome]) -> None:
    outcomes[member.op_id] = reason
    member.end(reason)


def _reason(error: OSError | VolumeRefusal) -> VolumeRefusal:
    if isinstance(error, VolumeRefusal):
        return error
    return refusal_of(error, "the disk failed while a group was committed")
