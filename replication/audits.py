"""Carry out audits: ask every holder with one fresh nonce, have doubted copies re-checked, record.

docs/wire/audit.md. What answers mean is audit_plan.py's to say. Mends nothing: what a node finds
when it re-checks itself reaches repair.py as every finding does.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from monitoring.log import get_log
from replication.audit_plan import (
    INTACT,
    Answer,
    AuditOutcome,
    Chance,
    Denied,
    Said,
    Silent,
    compare,
    conclude,
    confessed,
    draw,
    objects_due,
    suspects,
)
from replication.forgotten import ForgottenCopies
from replication.messages import WireRefusal
from replication.node_client import NodeClient, NodeRefused, NodeUnreachable
from storage.audit.framing import Question
from storage.catalogue import audits, copies, packages
from storage.catalogue import suspects as suspect_nodes
from storage.catalogue.audits import AuditRecord
from storage.catalogue.model import Actor, CopyState, Package, PackageState
from storage.catalogue.timestamps import to_moment, to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.errors import Refusal

log = get_log(__name__)

T = TypeVar("T")

# A holder may read terabytes for one answer.
_ANSWER_S_MAX = 24 * 3600.0
# A node that is away is not waited for.
_GREETING_S_MAX = 10.0
_DENIALS = frozenset({"object-unknown"})


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How much is audited, and how thoroughly."""

    share_per_day: float = 0.001  # of all objects, at least one a day; 0: none by itself
    blocks: int = 64  # read of a large file; 0: all of it
    at_once_max: int = 2


@dataclass(frozen=True, slots=True)
class AuditedObject:
    """What one audit came to, and by whose word."""

    object_id: str
    outcome: AuditOutcome
    agreeing: tuple[str, ...]
    doubted: Mapping[str, str]  # node → what its re-check said
    suspects: tuple[str, ...]
    denying: tuple[str, ...]
    missing: Mapping[str, str]  # node → why
    read_bytes: int

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell a person."""
        return self.outcome is AuditOutcome.AGREED


class ObjectNotStored(Refusal):
    """The catalogue has no stored version of this object: see `lantai packages`."""

    code = "object-not-stored"


@dataclass(slots=True)
class _Round:
    """The answers to one nonce."""

    nonce: bytes
    answers: list[Answer]
    read_bytes: int = 0


@dataclass(slots=True)
class AuditCounts:
    """Since the process started."""

    outcomes: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)  # answers that did not come, by node


class Audits:
    """The keeper's questions. One instance for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        settings: AuditSettings,
        chance: Chance,
        new_nonce: Callable[[], bytes],
        now: Callable[[], datetime],
    ) -> None:
        """`new_nonce` gives 32 bytes that nobody can foresee, never the same twice."""
        self._catalogue = catalogue
        self._clients = clients
        self._settings = settings
        self._chance = chance
        self._new_nonce = new_nonce
        self._now = now
        self._forgotten = ForgottenCopies(catalogue, clients, now)
        self._places = asyncio.Semaphore(settings.at_once_max)
        self.counts = AuditCounts()

    async def audit_due(self, actor: Actor) -> list[AuditedObject]:
        """Audit as many objects, drawn at random, as the share of a day demands by now."""
        highest = await self._catalogue.look(audits.highest_number)
        now = self._now()
        last_at = await self._catalogue.look(audits.last_at, to_text(now))
        since = None if last_at is None else now - to_moment(last_at)
        due = objects_due(highest, self._settings.share_per_day, since)
        return await self.audit_sample(due, actor) if due else []

    async def audit_sample(self, count: int, actor: Actor) -> list[AuditedObject]:
        """Audit `count` objects drawn at random, fewer where there are no more."""
        highest = await self._catalogue.look(audits.highest_number)
        numbers = draw(self._chance, highest, count)
        known = await self._catalogue.look(audits.auditable, numbers)
        by_number = {package.id: package for package in known}
        drawn = [by_number[number] for number in numbers if number in by_number]
        return await self._audit_all(drawn[:count], actor)

    async def audit_object(self, object_id: str, actor: Actor) -> AuditedObject:
        """Audit the newest version of one object. Raises ObjectNotStored."""
        versions = await self._catalogue.look(packages.versions_of_object, object_id)
        if not versions or versions[-1].state is not PackageState.STORED:
            raise ObjectNotStored(f"no stored version of {object_id!r} is known: lantai packages")
        (audited,) = await self._audit_all(versions[-1:], actor)
        return audited

    async def _audit_all(self, wanted: Sequence[Package], actor: Actor) -> list[AuditedObject]:
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(self._audit(package, actor)) for package in wanted]
        return [task.result() for task in begun]

    async def _audit(self, package: Package, actor: Actor) -> AuditedObject:
        async with self._places:
            holders = await self._holders(package)
            first = await self._ask(package, holders)
            begun = compare(first.answers)
            rechecks = await self._recheck(package, begun.doubted)
            last = first
            if INTACT in rechecks.values():
                last = await self._ask(package, holders)
            final = compare(confessed(last.answers, rechecks))
            audited = AuditedObject(
                package.object_id,
                conclude(begun, rechecks, final),
                final.agreeing,
                {node: rechecks.get(node, "") for node in begun.doubted},
                suspects(begun, rechecks, final),
                final.denying,
                _reasons(last.answers),
                first.read_bytes + (0 if last is first else last.read_bytes),
            )
            await self._record(package, audited, [first] if last is first else [first, last], actor)
            return audited

    async def _holders(self, package: Package) -> list[str]:
        """Nodes whose copy counts as good: those known to be bad have nothing to prove."""
        held = await self._catalogue.look(copies.of_package, package.id)
        good = [copy.node for copy in held if copy.state is CopyState.COMMITTED]
        return [node for node in good if node in self._clients]

    async def _ask(self, package: Package, holders: Sequence[str]) -> _Round:
        """One nonce to all holders at the same time; the word of a suspect is no vote."""
        nonce = self._new_nonce()
        question = Question(package.object_id, package.version, nonce, self._settings.blocks)
        asked = await asyncio.gather(*(self._ask_one(node, question) for node in holders))
        lying = {known.node for known in await self._catalogue.look(suspect_nodes.all_of)}
        answers = [
            Silent(answer.node, f"suspect; it said {answer.digest}")
            if isinstance(answer, Said) and answer.node in lying
            else answer
            for answer, _ in asked
        ]
        return _Round(nonce, answers, sum(read_bytes for _, read_bytes in asked))

    async def _ask_one(self, node: str, question: Question) -> tuple[Answer, int]:
        try:
            said = await _reach(
                self._clients[node], lambda client: client.audit(question, _ANSWER_S_MAX)
            )
        except NodeRefused as refusal:
            if refusal.refusal_code in _DENIALS:
                return Denied(node, refusal.refusal_code), 0
            return self._silent(node, f"{refusal.refusal_code}: {refusal}"), 0
        except WireRefusal as refusal:
            return self._silent(node, str(refusal)), 0
        return Said(node, said.digest, said.unread_files), said.read_bytes

    def _silent(self, node: str, reason: str) -> Silent:
        self.counts.missing[node] += 1
        log.warning("audit.answer.missing", node=node, reason=reason)
        return Silent(node, reason)

    async def _recheck(self, package: Package, nodes: Sequence[str]) -> dict[str, str]:
        """What each node says of its own copy, when it reads it with the sweep's eyes."""

        async def ask(node: str) -> str:
            try:
                said = await _reach(
                    self._clients[node],
                    lambda client: client.recheck(package.object_id, _ANSWER_S_MAX),
                )
            except WireRefusal as refusal:
                log.warning("audit.recheck.missing", node=node, reason=str(refusal))
                return ""
            return said.outcome

        said = await asyncio.gather(*map(ask, nodes))
        return dict(zip(nodes, said, strict=True))

    async def _record(
        self, package: Package, audited: AuditedObject, rounds: Sequence[_Round], actor: Actor
    ) -> None:
        at = to_text(self._now())
        detail = json.dumps(_evidence(audited, rounds, self._settings.blocks), ensure_ascii=False)
        record = AuditRecord(package.id, at, audited.outcome.value, detail)
        crash_point("keeper.audit-answered")
        await self._catalogue.do(audits.record, record, actor)
        crash_point("keeper.audit-recorded")
        self.counts.outcomes[audited.outcome.value] += 1
        self._tell(audited)
        for node in audited.suspects:
            reason = f"audit of {audited.object_id}: it differs from the majority and says intact"
            if await self._catalogue.do(suspect_nodes.name, node, reason, actor, at):
                log.error("audit.node.suspected", node=node, object_id=audited.object_id)
        for node in audited.denying:
            await self._forgotten.doubt(package, node, actor)

    def _tell(self, audited: AuditedObject) -> None:
        facts = {
            "object_id": audited.object_id,
            "outcome": audited.outcome.value,
            "doubted": ",".join(audited.doubted),
        }
        if audited.outcome is AuditOutcome.UNDECIDED:
            log.error("audit.undecided", **facts)
        elif audited.doubted:
            log.warning("audit.disagreed", **facts)
        else:
            log.info("audit.compared", **facts)
        for node in audited.denying:
            log.error("audit.object.denied", node=node, object_id=audited.object_id)


async def _reach(client: NodeClient, ask: Callable[[NodeClient], Awaitable[T]]) -> T:
    """Ask a node that may be away, and once more if its connection was lost meanwhile.

    Raises NodeRefused, NodeUnreachable.
    """
    await client.wait_until_greeted(_GREETING_S_MAX)
    try:
        return await ask(client)
    except NodeUnreachable:
        await client.wait_until_greeted(_GREETING_S_MAX)
        return await ask(client)


def _reasons(answers: Sequence[Answer]) -> dict[str, str]:
    return {answer.node: answer.reason for answer in answers if isinstance(answer, Silent)}


def _evidence(audited: AuditedObject, rounds: Sequence[_Round], blocks: int) -> dict[str, Any]:
    """What an auditor needs to ask the same question of the disks again."""
    evidence: dict[str, Any] = {
        "object_id": audited.object_id,
        "blocks": blocks,
        "read_bytes": audited.read_bytes,
        "rounds": [
            {"nonce": each.nonce.hex(), "answers": dict(map(_in_words, each.answers))}
            for each in rounds
        ],
    }
    if audited.doubted:
        evidence["rechecks"] = dict(audited.doubted)
    if audited.suspects:
        evidence["suspects"] = list(audited.suspects)
    return evidence


def _in_words(answer: Answer) -> tuple[str, str]:
    match answer:
        case Said():
            unread = f", {answer.unread_files} files unread" if answer.unread_files else ""
            return answer.node, f"{answer.digest}{unread}"
        case Denied():
            return answer.node, f"denied: {answer.code}"
        case Silent():
            return answer.node, f"no answer: {answer.reason}"
