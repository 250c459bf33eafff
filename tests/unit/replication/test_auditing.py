"""A node's auditor: bounded, honest about what it does not hold, and quick to stop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from replication.auditing import RUNNING_MAX, WAITING_MAX, CopyAuditor
from replication.messages import WireRefusal
from storage.audit.answer import AuditAnswer
from storage.audit.framing import Question
from storage.model import StoredObject
from storage.ocfl.layout import object_folder
from storage.volume.refusals import ObjectUnknown
from tests.swept_volume import MemoryVolume

NOW = "2026-11-22T00:00:00.000000Z"


class SlowVolume(MemoryVolume):
    """Says nothing about its objects before the gate is open."""

    gate: threading.Event

    def stored_object(self, object_id: str) -> StoredObject | None:
        assert self.gate.wait(20)
        return super().stored_object(object_id)


def question(version: int = 1) -> Question:
    return Question("lantai:a/1", version, bytes(32), 64)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    """An auditor over a volume that holds one object of no files, and its gate."""
    volume = SlowVolume(tmp_path)
    volume.gate = threading.Event()
    volume.objects["lantai:a/1"] = StoredObject("lantai:a/1", 1, "ab" * 32, 0, 0, NOW)
    (tmp_path / object_folder("lantai:a/1")).mkdir(parents=True)
    auditor = CopyAuditor(volume, tmp_path / "canaries", lambda: NOW)
    yield SimpleNamespace(auditor=auditor, gate=volume.gate)
    volume.gate.set()
    auditor.close()


async def test_more_audits_than_it_can_take_are_refused_until_some_are_answered(
    slow: SimpleNamespace,
) -> None:
    """All are asked before the first is answered: one more than there is room for."""

    async def open_the_gate() -> None:
        slow.gate.set()

    asked = [slow.auditor.audit(question()) for _ in range(RUNNING_MAX + WAITING_MAX + 1)]
    *told, last, _ = await asyncio.gather(*asked, open_the_gate(), return_exceptions=True)
    assert isinstance(last, WireRefusal)
    assert (last.refusal_code, last.retry) == ("busy", True)
    answers = [answer for answer in told if isinstance(answer, AuditAnswer)]
    assert len(answers) == RUNNING_MAX + WAITING_MAX
    assert len({answer.digest for answer in answers}) == 1
    assert (await slow.auditor.audit(question())).unread_files > 0


async def test_what_it_does_not_hold_is_denied(slow: SimpleNamespace) -> None:
    slow.gate.set()
    with pytest.raises(WireRefusal) as refused:
        await slow.auditor.audit(Question("lantai:a/2", 1, bytes(32), 64))
    assert refused.value.refusal_code == "object-unknown"
    with pytest.raises(WireRefusal) as refused:
        await slow.auditor.audit(question(version=2))
    assert refused.value.refusal_code == "version-unknown"
    with pytest.raises(ObjectUnknown):
        await slow.auditor.recheck("lantai:a/2")
