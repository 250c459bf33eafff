"""What audits are due, and what the holders' answers say when they are laid side by side.

docs/wire/audit.md, "How answers are judged" (after LOCKSS polls). No digest of the catalogue is
asked: right is what most holders read now. Nothing here orders a mend; a doubted copy is re-checked
by its own node, and only what that finds is mended. Pure: audits.py asks and carries out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from math import ceil
from typing import Protocol

# What a re-check says (docs/wire/audit.md).
INTACT = "intact"
DAMAGED = "damaged"
# A small archive has something audited every day all the same.
_OBJECTS_PER_DAY_MIN = 1.0
_DAY = timedelta(days=1)
_AT_ONCE_MAX = 1000
# Fewer equal answers than this are nobody's majority.
_MAJORITY_MIN = 2
# More numbers are drawn than objects are wanted: some belong to nothing that is stored.
_DRAWN_FOR_ONE = 4


class AuditOutcome(StrEnum):
    """What one audit of one object came to; the words of the ledger and of the metrics."""

    AGREED = "agreed"
    PARTIAL = "partial"  # agreed, but not everybody answered
    LOCATED = "located"  # damage, by the word of the node that has it
    SETTLED = "settled"  # differed, was intact when re-checked, and agreed when asked again
    SUSPECT = "suspect"  # a node differs and says that it is intact
    UNDECIDED = "undecided"  # no majority: a person must look
    UNANSWERED = "unanswered"  # fewer than two answers say nothing


@dataclass(frozen=True, slots=True)
class Said:
    """A holder read its copy and answered."""

    node: str
    digest: str
    unread_files: int = 0  # its disk did not give them: damaged by its own word


@dataclass(frozen=True, slots=True)
class Denied:
    """A holder says that it does not hold what it signed for."""

    node: str
    code: str


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer came. That says nothing about the copy."""

    node: str
    reason: str


Answer = Said | Denied | Silent


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answers to one nonce, laid side by side."""

    outcome: AuditOutcome  # never settled or suspect: that takes more than one look
    agreeing: tuple[str, ...]  # nodes of the majority
    doubted: tuple[str, ...]  # nodes that must re-check the object
    denying: tuple[str, ...]
    missing: tuple[str, ...]


class Chance(Protocol):
    """`random.Random`, as far as it is needed."""

    def sample(self, population: range, k: int) -> list[int]: ...


def compare(answers: Sequence[Answer]) -> Comparison:
    """Judge the answers of all holders of one object to one nonce."""
    said = [answer for answer in answers if isinstance(answer, Said)]
    votes = Counter(answer.digest for answer in said if not answer.unread_files)
    denying = _nodes(answers, Denied)
    missing = _nodes(answers, Silent)
    majority = _majority(votes, len(said) + len(denying))
    agreeing = tuple(
        answer.node for answer in said if answer.digest == majority and not answer.unread_files
    )
    others = tuple(answer.node for answer in said if answer.node not in agreeing)
    if majority is None and not votes.total() and not others and not denying:
        outcome = AuditOutcome.UNANSWERED
    elif majority is None:
        outcome = AuditOutcome.UNDECIDED
    elif others or denying:
        outcome = AuditOutcome.LOCATED
    elif len(agreeing) < _MAJORITY_MIN:
        outcome = AuditOutcome.UNANSWERED
    else:
        outcome = AuditOutcome.PARTIAL if missing else AuditOutcome.AGREED
    return Comparison(outcome, agreeing, others, denying, missing)


def confessed(answers: Sequence[Answer], rechecks: Mapping[str, str]) -> list[Answer]:
    """The answers, those of nodes whose re-check said `damaged` counted as no votes any more."""
    return [
        replace(answer, unread_files=answer.unread_files + 1)
        if isinstance(answer, Said) and rechecks.get(answer.node) == DAMAGED
        else answer
        for answer in answers
    ]


def suspects(first: Comparison, rechecks: Mapping[str, str], final: Comparison) -> tuple[str, ...]:
    """Nodes that differ from the majority twice and say in between that their copy is intact.

    Where there is no majority nobody is suspected: it may be any of them.
    """
    if final.outcome is not AuditOutcome.LOCATED:
        return ()
    twice = (node for node in first.doubted if node in final.doubted)
    return tuple(node for node in twice if rechecks.get(node) == INTACT)


def conclude(first: Comparison, rechecks: Mapping[str, str], final: Comparison) -> AuditOutcome:
    """What the audit came to. `rechecks`: what the nodes doubted first said of their copies.

    `final` compares the last answers given, as `confessed` left them.
    """
    if suspects(first, rechecks, final):
        return AuditOutcome.SUSPECT
    if first.doubted and final.outcome in {AuditOutcome.AGREED, AuditOutcome.PARTIAL}:
        return AuditOutcome.SETTLED
    return final.outcome


def objects_due(total: int, share_per_day: float, since_last: timedelta | None) -> int:
    """How many objects to audit now so that `share_per_day` of all is audited each day.

    At least one a day, and never more than a day's worth at once, however long nobody led; nor so
    much that what a person orders meanwhile waits for hours.
    """
    assert 0 <= share_per_day <= 1, "a share is from 0 to 1"
    if not total or not share_per_day:
        return 0
    per_day = max(_OBJECTS_PER_DAY_MIN, total * share_per_day)
    if since_last is None:
        return 1
    return max(0, min(int(per_day * (since_last / _DAY)), ceil(per_day), total, _AT_ONCE_MAX))


def draw(chance: Chance, highest: int, count: int) -> list[int]:
    """Numbers of packages to look for `count` objects among, in the order to try them."""
    assert highest >= 0
    return chance.sample(range(1, highest + 1), min(highest, count * _DRAWN_FOR_ONE))


def _majority(votes: Counter[str], speakers: int) -> str | None:
    """The digest that most speakers gave.

    Where no two give different ones, those who confess or deny do not have to be outvoted.
    """
    if len(votes) == 1:
        return next(iter(votes))
    for digest, count in votes.most_common(1):
        if count >= _MAJORITY_MIN and count * 2 > speakers:
            return digest
    return None


def _nodes(answers: Sequence[Answer], kind: type[Denied] | type[Silent]) -> tuple[str, ...]:
    return tuple(answer.node for answer in answers if isinstance(answer, kind))
