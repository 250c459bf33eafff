"""A volume's journal and index over a simulated disk.

docs/formats/journal.md: lines, chain, one write and one fsync for a group, a torn tail is cut. The
index is what storage/volume/index_records.py makes of the records, as far as anybody here asks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from storage.model import StoredObject
from storage.volume.events import Member, timestamp
from storage.volume.findings import Finding
from storage.volume.index import Operation, Place
from storage.volume.journal import Compose
from storage.volume.journal_records import FIRST_CHAIN, Record, chain_after, encode_line
from storage.volume.refusals import WriteLost
from tests.simulation.disk import Disk
from tests.simulation.scheduler import Process

JOURNAL = "journal/00000001.log"
_payloads = msgspec.json.Decoder(dict[str, Member])


class SimulatedJournal:
    """Stands where storage.volume.journal.Journal does."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._process = process
        self._chain = FIRST_CHAIN
        self._failed: str | None = None
        self.records: list[Record] = []
        self._by_offset: dict[int, Record] = {}
        self._open()

    def append(self, compose: Compose) -> list[Record]:
        """Durable when this returns. Raises WriteLost; then nothing more is taken."""
        if self._failed is not None:
            raise WriteLost(self._failed)
        at = timestamp(self._process.now())
        events = compose(len(self.records) + 1, at)
        chain, lines, written = self._chain, [], []
        end = len(self._disk.read(JOURNAL))
        for number, event in enumerate(events, start=len(self.records) + 1):
            members: dict[str, Member] = {"sequence": number, "at": at, "kind": event.kind}
            payload = msgspec.json.encode(members | event.members)
            chain = chain_after(chain, payload)
            line = encode_line(chain, payload)
            record = Record(number, at, event.kind, event.members, 1, end, chain, end + len(line))
            end += len(line)
            lines.append(line)
            written.append(record)
        try:
            self._disk.append(JOURNAL, b"".join(lines))
            self._make_durable()
        except OSError as error:
            self._failed = f"the journal could not be written: {error}"
            raise WriteLost(self._failed) from error
        self._chain = chain
        self._keep(written)
        return written

    def record(self, _segment: int, offset: int) -> Record:
        return self._by_offset[offset]

    def _make_durable(self) -> None:
        self._disk.fsync(JOURNAL)

    def _keep(self, records: Iterable[Record]) -> None:
        for record in records:
            self.records.append(record)
            self._by_offset[record.offset] = record

    def _open(self) -> None:
        """Read it from its first line on, from the medium; cut a torn tail off."""
        if not self._disk.exists(JOURNAL):
            self._disk.create(JOURNAL, b"")
            self._disk.sync()
        self._disk.forget_clean(JOURNAL)
        content = self._disk.read(JOURNAL)
        good = parse_journal(content)
        self._keep(good)
        end = good[-1].end if good else 0
        self._chain = good[-1].chain if good else FIRST_CHAIN
        if end < len(content):
            self._disk.cut(JOURNAL, end)
            self._disk.fsync(JOURNAL)


def parse_journal(content: bytes) -> list[Record]:
    """Good records up to the first line that does not fit."""
    records: list[Record] = []
    chain, offset = FIRST_CHAIN, 0
    for line in content.splitlines(keepends=True):
        payload = line[65:-1]
        if not line.endswith(b"\n") or line[:64] != chain_after(chain, payload).hex().encode():
            break
        chain = chain_after(chain, payload)
        members = _payloads.decode(payload)
        sequence, at, kind = (members.pop(name) for name in ("sequence", "at", "kind"))
        assert isinstance(sequence, int)
        end = offset + len(line)
        records.append(Record(sequence, str(at), str(kind), members, 1, offset, chain, end))
        offset = end
    return records


@dataclass(slots=True)
class SimulatedIndex:
    """Stands where storage.volume.index.Index does; made anew from the journal at each opening."""

    stored: dict[str, StoredObject] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def apply(self, records: Iterable[Record]) -> None:
        for record in records:
            match record.kind:
                case "committed" | "mended":
                    self._take_copy(record)
                case "epoch":
                    scope, epoch = record.members["scope"], record.members["epoch"]
                    self.epochs[str(scope)] = max(int(str(epoch)), self.epoch(str(scope)))
                case "finding":
                    self._take_finding(record)

    def operation(self, op_id: str) -> Operation | None:
        return self.operations.get(op_id)

    def stored_object(self, object_id: str) -> StoredObject | None:
        return self.stored.get(object_id)

    def object_place(self, object_id: str) -> Place | None:
        return self.places.get(object_id)

    def epoch(self, scope: str) -> int:
        return self.epochs.get(scope, 1)

    def has_open_finding(self, object_id: str) -> bool:
        return any(each.object_id == object_id and each.mended_at is None for each in self.findings)

    def _take_copy(self, record: Record) -> None:
        said = record.members
        object_id, version = str(said["object_id"]), int(str(said["version"]))
        sha256, place = str(said["inventory_sha256"]), Place(1, record.offset)
        self.operations[str(said["op_id"])] = Operation(
            object_id, version, sha256, str(said["file_list_sha256"]), place
        )
        self.stored[object_id] = StoredObject(
            object_id, version, sha256, int(str(said["file_count"])),
            int(str(said["content_bytes"])), record.at,
        )  # fmt: skip
        self.places[object_id] = place
        if record.kind == "mended":
            self.findings = [_closed(each, object_id, record.at) for each in self.findings]

    def _take_finding(self, record: Record) -> None:
        said = {name: str(value) for name, value in record.members.items()}
        self.findings.append(
            Finding(
                record.sequence, said["found_at"], said["object_id"], said["finding"],
                said["path"], said["detail"], "", None,
            )
        )  # fmt: skip


def _closed(finding: Finding, object_id: str, at: str) -> Finding:
    if finding.object_id != object_id or finding.mended_at is not None:
        return finding
    return replace(finding, mended_at=at)
