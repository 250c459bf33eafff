"""Asking the copies of one object in turn, until one gives what was signed.

Time-outs, fail-over, and the memory of who failed lately. A copy that answers wrongly is reported
and asked last for a while; a node that does not answer rests; one that is slow is asked after the
others. What is right is decided by the attempt that the caller brings, never here.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from monitoring.log import get_log
from replication.messages import WireRefusal
from replication.paces import Paces, SlowLimits
from storage.errors import LantaiError, VerificationFailed
from storage.sweep.model import Damage, DamageKind
from storage.view.holdings import HeldVersion
from storage.view.reader import CopiesUnreachable

log = get_log(__name__)

_T = TypeVar("_T")

# How a node says that it has not got what the catalogue says it has (storage/volume/refusals.py).
_LACKING = {
    "object-unknown": DamageKind.OBJECT_MISSING,
    "file-unknown": DamageKind.MISSING,
    "file-unreadable": DamageKind.UNREADABLE,
}
# What is remembered of failures is bounded; the oldest is forgotten, and then only reported twice.
_REMEMBERED_MAX = 10_000


class FileReads(Protocol):
    """Reading files from one node, as `NodeClient` does.

    `path` is relative to the object's folder. Answers are fewer bytes than asked only at the end of
    the file. May raise any LantaiError, OSError or TimeoutError, and may lie.
    """

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        """At most `length` (1 MiB) bytes of the file."""
        ...


class NodeReads(FileReads, Protocol):
    """Verified reading: files, and the digests of their blocks. May raise and lie likewise."""

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        """At most `count` (32 768) leaf digests, 32 bytes each, from block `first` on."""
        ...


class CopyWrong(VerificationFailed):
    """One copy answered with something that was not signed."""

    def __init__(self, kind: DamageKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class BadCopy:
    """What a reader found out about one copy: for the keeper to look at, and to mend."""

    node: str
    held: HeldVersion
    damage: Damage


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for whom."""

    request_s: float = 10.0  # for one answer
    rest_s: float = 30.0  # how long a node that did not answer is asked last, at first …
    rest_s_max: float = 600.0  # … and at most: each silence in a row doubles it
    distrust_s: float = 600.0  # how long a copy that was wrong is asked last, and not told of again
    slow: SlowLimits = field(default_factory=SlowLimits)


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    length_s: float


@dataclass(slots=True)
class ReaderCounts:
    """Since the reader was made."""

    reads: int = 0  # of files, answered
    verified_bytes: int = 0  # passed on by them
    failovers: int = 0  # fetches that a node answered after another had failed
    refusals: int = 0  # fetches that no node could answer rightly


Attempt = Callable[[NodeReads], Awaitable[_T]]


class Copies:
    """All nodes, and what is known of them lately."""

    def __init__(
        self,
        nodes: Mapping[str, NodeReads],
        report: Callable[[BadCopy], None],
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = ReaderCounts()
        self.paces = Paces(nodes, patience.slow, clock)
        self._nodes = {
            name: _Patient(node, patience.request_s, partial(self.paces.note, name), clock)
            for name, node in nodes.items()
        }
        self._report = report
        self._patience = patience
        self._clock = clock
        self._rests: dict[str, _Rest] = {}
        self._distrusted_until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._told_until: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def first_good(self, held: HeldVersion, path: str, attempt: Attempt[_T]) -> _T:
        """What `attempt` returns on the first node where it does not fail.

        `attempt` raises CopyWrong if the node's answer is not what was signed. Raises
        VerificationFailed if every copy that answered was wrong, CopiesUnreachable if there may be
        a good one that could not be asked.
        """
        wrong: list[str] = []
        silent: list[str] = []
        for name in self._in_order(held):
            try:
                found = await attempt(self._nodes[name])
            except (LantaiError, OSError, TimeoutError) as error:
                damage = damage_of(error, path)
                if damage is None:
                    self._rest(name, error)
                    silent.append(name)
                else:
                    self._distrust(BadCopy(name, held, damage))
                    wrong.append(name)
            else:
                self._rests.pop(name, None)
                self.counts.failovers += bool(wrong or silent)
                return found
        self.counts.refusals += 1
        silent += [name for name in held.holders if name not in self._nodes]
        what = f"{path} of {held.object_id}"
        if silent or not wrong:
            raise CopiesUnreachable(
                f"{what}: no answer from {', '.join(silent) or 'any node'}"
                + (f"; damaged on {', '.join(wrong)}" if wrong else "")
            )
        raise VerificationFailed(f"{what} is damaged on every node that holds it: {wrong}")

    def _in_order(self, held: HeldVersion) -> list[str]:
        """The holders that are connected: first those of whom nothing bad is known."""
        now = self._clock()

        def reluctance(name: str) -> int:
            distrusted = self._distrusted_until.get((name, held.inventory_sha256), now) > now
            rests = name in self._rests and self._rests[name].until > now
            return 4 * distrusted + 2 * rests + self.paces.is_slow(name)

        return sorted((name for name in held.holders if name in self._nodes), key=reluctance)

    def _rest(self, name: str, error: Exception) -> None:
        now = self._clock()
        rest = self._rests.get(name)
        if rest is not None and rest.until > now:
            return  # asked before that began, or as a last resort
        if rest is None:
            log.warning("reader.node.silent", node=name, message=str(error) or repr(error))
            length_s = self._patience.rest_s
        else:
            length_s = min(2 * rest.length_s, self._patience.rest_s_max)
        self._rests[name] = _Rest(now + length_s, length_s)

    def _distrust(self, bad: BadCopy) -> None:
        now = self._clock()
        until = now + self._patience.distrust_s
        _remember(self._distrusted_until, (bad.node, bad.held.inventory_sha256), until)
        key = (bad.node, bad.held.inventory_sha256, bad.damage.path)
        if self._told_until.get(key, now) > now:
            return
        _remember(self._told_until, key, until)
        log.error(
            "reader.copy.damaged",
            node=bad.node,
            object_id=bad.held.object_id,
            kind=bad.damage.kind.value,
            detail=bad.damage.detail,
        )
        self._report(bad)


class _Patient:
    """A node whose every answer has a time limit, and whose pace is noted."""

    def __init__(
        self,
        node: NodeReads,
        request_s: float,
        note: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._node = node
        self._request_s = request_s
        self._note = note
        self._clock = clock

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return await self._timed(self._node.read(object_id, path, offset, length))

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        return await self._timed(self._node.blocks(object_id, path, first, count))

    async def _timed(self, answer: Awaitable[bytes]) -> bytes:
        """Noted when it came, or when nobody waits for it any more; a refusal says nothing."""
        began_s = self._clock()
        try:
            async with asyncio.timeout(self._request_s):
                found = await answer
        except TimeoutError:
            self._note(self._clock() - began_s)
            raise
        self._note(self._clock() - began_s)
        return found


_K = TypeVar("_K")


def _remember(memory: OrderedDict[_K, float], key: _K, until: float) -> None:
    memory[key] = until
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)


def damage_of(error: Exception, path: str) -> Damage | None:
    """What the failure says about the copy; None if it says nothing, as when nobody answered."""
    if isinstance(error, CopyWrong):
        return Damage(error.kind, path, str(error))
    if isinstance(error, VerificationFailed):
        return Damage(DamageKind.ALTERED, path, str(error))
    code = error.refusal_code if isinstance(error, WireRefusal) else getattr(error, "code", "")
    kind = _LACKING.get(code)
    return None if kind is None else Damage(kind, path, str(error))
