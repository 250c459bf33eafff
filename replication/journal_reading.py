"""The journal of a node, from its first record on, over the wire or from its disk.

docs/formats/journal.md ("Line"), docs/wire/README.md (`journal`). Every link of the chain is
checked here, wherever the bytes come from; the first that does not fit ends the reading.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import ClassVar

from replication import chronicle_client
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue.replay import JournalRecord
from storage.errors import Refusal
from storage.volume.journal_records import (
    FIRST_CHAIN,
    Bad,
    Record,
    chain_after,
    parse,
    read_records,
)

# More than one record may have.
_LINE_BYTES_MAX = 70_000

# node, bytes read so far
Progress = Callable[[str, int], None]


class JournalUnreadable(Refusal):
    """What follows in this journal cannot be believed; what came before is good."""

    code: ClassVar[str] = "journal-unreadable"


async def of_node(client: NodeClient, progress: Progress) -> AsyncIterator[list[JournalRecord]]:
    """Records in pieces of about a MiB. Raises JournalUnreadable, WireRefusal."""
    lines = _Lines()
    segment, offset, total = 1, 0, 0
    while True:
        part = await chronicle_client.journal_part(client, segment, offset)
        offset += len(part.data)
        total += len(part.data)
        progress(client.peer.name, total)
        yield lines.take(part.data)
        if not part.end:
            continue
        if not await _has_segment(client, segment + 1):
            return
        # It may have grown before the next one was begun, and never will again.
        rest = await chronicle_client.journal_part(client, segment, offset)
        offset += len(rest.data)
        yield lines.take(rest.data)
        if rest.end:
            lines.expect_whole()
            segment, offset = segment + 1, 0


def of_folder(folder: Path) -> Iterator[list[JournalRecord]]:
    """The same from the folder `journal/` of a volume that no process has open.

    A torn tail of the last segment was never acknowledged, and ends it.
    """
    previous, paths = FIRST_CHAIN, sorted(folder.glob("[0-9]*.log"))
    if [int(path.stem) for path in paths] != list(range(1, len(paths) + 1)) or not paths:
        raise JournalUnreadable(f"segments are missing from {folder}")
    for path in paths:
        batch: list[JournalRecord] = []
        for item in read_records(path, int(path.stem), 0, previous):
            if isinstance(item, Bad):
                yield batch
                if item.is_rot or path != paths[-1]:
                    raise JournalUnreadable(f"{path} is damaged at byte {item.offset}")
                return
            previous = item.chain
            batch.append(_as_told(item))
            if len(batch) == 1000:
                yield batch
                batch = []
        yield batch


async def _has_segment(client: NodeClient, segment: int) -> bool:
    try:
        await chronicle_client.journal_part(client, segment, 0)
    except WireRefusal as refusal:
        if refusal.refusal_code == "segment-unknown":
            return False
        raise
    return True


class _Lines:
    """Cuts bytes into lines and checks how they are chained."""

    def __init__(self) -> None:
        self._rest = b""
        self._chain = FIRST_CHAIN
        self._sequence = 0

    def take(self, data: bytes) -> list[JournalRecord]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_BYTES_MAX:
            raise JournalUnreadable("a line of the journal does not end")
        return [self._record(line + b"\n") for line in whole]

    def expect_whole(self) -> None:
        if self._rest:
            raise JournalUnreadable(f"a segment ends within record {self._sequence + 1}")

    def _record(self, line: bytes) -> JournalRecord:
        record = parse(line, 0, 0)
        payload = line[len(self._chain) * 2 + 1 : -1]
        if record is None or chain_after(self._chain, payload) != record.chain:
            raise JournalUnreadable(f"the chain does not hold behind record {self._sequence}")
        self._chain, self._sequence = record.chain, record.sequence
        return _as_told(record)


def _as_told(record: Record) -> JournalRecord:
    return JournalRecord(record.sequence, record.at, record.kind, record.members)
