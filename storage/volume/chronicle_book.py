"""What a node has been told of the ledger, and how more of it is taken in.

docs/formats/chronicle.md. A page counts when its journal record is durable; one that does not
follow what is there is refused, one that is there already changes nothing. Believes nothing of
what it is told: it keeps it for whoever must rebuild a catalogue.
"""

import base64
import threading
from collections.abc import Sequence
from typing import ClassVar

from storage.chronicle.page import (
    PAGE_BYTES_MAX,
    SLICES,
    Page,
    PageMalformed,
    Position,
    Row,
    chain_after,
    unpack,
)
from storage.durable import SyncDescriptor
from storage.volume.events import Event
from storage.volume.gate import Gate
from storage.volume.identity import MountGuard
from storage.volume.publish import Publisher
from storage.volume.receipt_copies import ReceiptCopies
from storage.volume.records import Records
from storage.volume.refusals import VolumeRefusal, WriteLost
from storage.volume.settings import VolumeSettings


class ToldGap(VolumeRefusal):
    """Something between what this node was told and this page is missing."""

    code: ClassVar[str] = "told-gap"


class ToldForked(VolumeRefusal):
    """The catalogue tells of another past than this node was told: it is not the one of before."""

    code: ClassVar[str] = "told-forked"


class ChronicleBook:
    """Thread-safe. One for each open volume."""

    def __init__(
        self,
        settings: VolumeSettings,
        guard: MountGuard,
        gate: Gate,
        records: Records,
        publisher: Publisher,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._gate = gate
        self._records = records
        self._receipts = ReceiptCopies(publisher, records.index, settings.receipts)
        self._lock = threading.Lock()

    def position(self) -> Position:
        """How far this node has been told."""
        return self._records.index.told_position()

    def tell(self, page: Page) -> Position:
        """Take in one page; durable when this returns. Returns where the node is then.

        Raises ToldGap, ToldForked, PageMalformed, or what a write raises.
        """
        with self._lock:
            reached = self.position()
            if _is_known(page, reached):
                return reached
            rows = _judged(page, reached)
            self._gate.check()
            self._guard.check()
            self._copy_receipts(rows)
            self._records.note(_event(page))
            return self.position()

    def journal_part(self, segment: int, offset: int, length: int) -> tuple[bytes, bool]:
        """Raw bytes of one segment, as far as they are durable; True with the last of them.

        Raises SegmentUnknown.
        """
        return self._records.journal.part(segment, offset, length)

    def _copy_receipts(self, rows: Sequence[Row]) -> None:
        if not any(row.table in ("answers", SLICES) for row in rows):
            return
        try:
            with SyncDescriptor(self._settings.staging) as sync:
                self._receipts.take(rows)
                sync.ask()
        except OSError as error:
            lost = WriteLost(f"the disk failed while receipts were copied: {error}")
            self._records.condemn(lost)
            raise lost from error


def _is_known(page: Page, reached: Position) -> bool:
    """Whether this node was told all of it before; a page of slices is known once it is passed."""
    upto, here = page.upto, reached
    if upto.event_sequence > here.event_sequence or upto.answer_id > here.answer_id:
        return False
    stands_here = (upto.event_sequence, upto.answer_id) == (here.event_sequence, here.answer_id)
    return not (page.after == upto and stands_here)


def _judged(page: Page, reached: Position) -> list[Row]:
    """The rows of a page that follows. Raises ToldGap, ToldForked or PageMalformed."""
    if len(page.body) > PAGE_BYTES_MAX:
        raise PageMalformed(f"a page has {len(page.body)} bytes, over {PAGE_BYTES_MAX}")
    after = page.after
    if (after.event_sequence, after.answer_id) != (reached.event_sequence, reached.answer_id):
        raise ToldGap(
            f"told up to event {reached.event_sequence} and answer {reached.answer_id}; the page "
            f"follows event {after.event_sequence} and answer {after.answer_id}"
        )
    if after.chain != reached.chain:
        raise ToldForked(
            f"up to event {after.event_sequence} this node was told otherwise: the catalogue is "
            "another than before; lantai catalogue check compares them"
        )
    rows = list(unpack(page.body))
    events = [row.values for row in rows if row.table == "events"]
    try:
        chain = chain_after(after.chain, events)
    except KeyError as error:
        raise PageMalformed(f"an event lacks {error}") from error
    if chain != page.upto.chain:
        raise PageMalformed("the events of the page do not have the chain hash that it says")
    return rows


def _event(page: Page) -> Event:
    return Event(
        "told",
        {
            "event_after": page.after.event_sequence,
            "answer_after": page.after.answer_id,
            "event_sequence": page.upto.event_sequence,
            "answer_id": page.upto.answer_id,
            "chain": page.upto.chain,
            "as_of": page.as_of,
            "page_base64": base64.b64encode(page.body).decode("ascii"),
        },
    )
