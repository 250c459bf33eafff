"""Parts of a batch are taken where it is staged, and elsewhere only when that host is gone."""

from ingest_watch.batch_turns import BatchTurns
from storage.catalogue.model import Transfer, TransferState

GONE_AFTER_S = 300
HERE, ELSEWHERE = 1, 2


class Turns:
    """What an intake is to take, with batch 1 staged here and a clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._turns = BatchTurns(lambda batch: batch == HERE, lambda: self.now_s, GONE_AFTER_S)

    def ours(self, *waiting: tuple[int, int]) -> list[int]:
        """Of parts, each as its batch and its number."""
        return [each.id for each in self._turns.ours([part(*one) for one in waiting])]


def part(batch: int, number: int) -> Transfer:
    return Transfer(
        id=number, source="portal", name=f"batch/{number}", name_raw=b"", fingerprint="",
        state=TransferState.WAITING, message="", outcome_code=None, bytes_done=0, bytes_total=None,
        bytes_per_second=None, claim_holder=None, claim_epoch=0, claim_expires_at=None, attempts=0,
        identifier=None, identity=None, object_id=None, file_count=None, content_bytes=None,
        package_id=None, batch_id=batch, created_at="", updated_at="", closed_at=None, matter=None,
        record_class=None, retention=None,
    )  # fmt: skip


def test_parts_of_a_batch_that_is_staged_here_are_ours_at_once() -> None:
    assert Turns().ours((HERE, 10), (ELSEWHERE, 20), (HERE, 11)) == [10, 11]


def test_parts_staged_elsewhere_are_left_alone_while_that_host_takes_some() -> None:
    turns = Turns()
    for first in range(20, 40):
        assert turns.ours((ELSEWHERE, first), (ELSEWHERE, 99)) == []
        turns.now_s += GONE_AFTER_S - 1


def test_parts_that_nobody_took_for_long_are_ours() -> None:
    turns = Turns()
    assert turns.ours((ELSEWHERE, 20)) == []
    turns.now_s += GONE_AFTER_S
    assert turns.ours((ELSEWHERE, 20), (ELSEWHERE, 21)) == [20, 21]


def test_a_batch_that_had_no_part_waiting_begins_anew() -> None:
    turns = Turns()
    assert turns.ours((ELSEWHERE, 20)) == []
    assert turns.ours() == []
    turns.now_s += GONE_AFTER_S
    assert turns.ours((ELSEWHERE, 20)) == []
