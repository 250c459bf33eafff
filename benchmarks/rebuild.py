"""How long does it take to make a deleted catalogue anew from two nodes of three?

docs/operations/catalogue-lost.md. The catalogue is filled by its own acts, one transfer after the
other; each node's journal gets the records of its copies, signed with its key, and is told the
ledger as the keeper tells it. No content is written: a rebuilding reads journals. Then the
catalogue is deleted, made anew by `lantai catalogue rebuild` over the wire from two running nodes,
and compared row by row. Fails when a row of an index table differs.
"""

import argparse
import hashlib
import json
import resource
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.rounds import machine
from daemon.config import load_config, required
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances, lantai
from daemon.keys import KeyFolder
from daemon.roles.node import volume_settings
from storage.catalogue import chronicle, packages, transfers
from storage.catalogue.chronicle import Sliced
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import (
    AnswerKind,
    Arrival,
    Copy,
    CopyState,
    Facts,
    NewAnswer,
    NewPackage,
    Step,
    Tenure,
    TransferState,
)
from storage.catalogue.timestamps import to_text
from storage.model import ObjectVersion, SignedAnswer, VerifyMode
from storage.signing import SigningKey
from storage.volume import creation, events
from storage.volume.chronicle_book import ChronicleBook
from storage.volume.gate import Gate
from storage.volume.identity import MountGuard
from storage.volume.index import Index
from storage.volume.journal import Journal
from storage.volume.order import StoreOrder
from storage.volume.publish import Publisher
from storage.volume.records import Records
from storage.volume.refusals import VolumeRefusal

INDEX = ("packages", "copies", "tallies")
# Bookkeeping that the keeper makes anew.
_DERIVED = frozenset({"counted", "partition"})
_GROUP = 50
_FILES = 8
# No sweep: there are no objects to read.
_UNSWEPT = '\n[node.sweep]\nhours = ["03:00-03:01"]\nquick_period_hours = 0\n'
_WAY = (TransferState.STAGING, TransferState.JUDGING, TransferState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class _Node:
    """A volume without objects."""

    speaker: events.Speaker
    records: Records
    book: ChronicleBook


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=None, help="where everything is made")
    options = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory(prefix="lantai-rebuild-", dir=options.folder) as folder:
        layout = lay_out(Path(folder) / "site", DemoSettings(mount=False))
        _fill(layout, options.packages)
        sys.exit(_rebuild(layout, options.packages))


def _fill(layout: DemoLayout, count: int) -> None:
    url = load_config(layout.config).catalogue.url
    upgrade(url)
    catalogue = Catalogue.open(url)
    nodes = [_open(layout, name) for name in NODES]
    notary = KeyFolder(layout.keys).signing_key("notary")
    began_s = time.monotonic()
    for first in range(0, count, _GROUP):
        new = [_new(number) for number in range(first, min(first + _GROUP, count))]
        signed = [_commit(node, new) for node in nodes]
        with catalogue.writing() as connection:
            for place, package in enumerate(new):
                said = [answers[place] for answers in signed]
                _store(connection, notary, package, said, first + place)
    print(f"{count:,} packages on record after {time.monotonic() - began_s:.0f} s")
    began_s = time.monotonic()
    pages = sum(_tell(catalogue, node) for node in nodes)
    took_s = time.monotonic() - began_s
    journal_bytes = sum(file.stat().st_size for file in _journal(layout, NODES[0]))
    print(
        f"three nodes told in {pages} pages, {took_s:.1f} s; a journal of {journal_bytes:,} bytes"
    )
    for node in nodes:
        node.records.journal.close()
        node.records.index.close()
    catalogue.close()


def _rebuild(layout: DemoLayout, count: int) -> int:
    file = layout.folder / "catalogue.sqlite"
    with Processes(layout) as processes:
        for instance in instances(layout):
            if instance.name in NODES[:2]:
                instance.config.write_text(instance.config.read_text() + _UNSWEPT)
                processes.start(instance)
                processes.wait_until_well(instance.name)
        aside = file.rename(file.with_name("lost.sqlite"))
        for rest in layout.folder.glob("catalogue.sqlite-*"):
            rest.rename(rest.with_name(rest.name.replace("catalogue", "lost")))
        began_s, began_cpu_s = time.monotonic(), _children_cpu_s()
        command = [*lantai(), "catalogue", "rebuild", "--json", "--config", str(layout.config)]
        words = [word for node in NODES[:2] for word in ("--from", node)]
        made = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        took_s, cpu_s = time.monotonic() - began_s, _children_cpu_s() - began_cpu_s
    if made.returncode != 0:
        print(made.stdout[-2000:], made.stderr)
        return 1
    differing = [table for table in INDEX if not _is_same(aside, file, table)]
    rows = json.loads(made.stdout)["poured"]["new"]
    print(f"rebuilt from 2 of 3 nodes in {took_s:.1f} s: {count:,} packages, {rows:,} rows")
    print(f"  {cpu_s:.1f} s of processor time, the nodes' apart")
    print(f"rows that differ: {', '.join(differing) or 'none'} of {', '.join(INDEX)}")
    return 1 if differing else 0


def _children_cpu_s() -> float:
    """Of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _open(layout: DemoLayout, name: str) -> _Node:
    settings = volume_settings(required(load_config(layout.node_config(name)).node, "node"))
    key = KeyFolder(layout.keys).signing_key(name)
    creation.lay_out(settings, key)
    journal = Journal(settings.journal, settings.quarantine)
    records = Records(journal, Index(settings.index), _condemned)
    identity = json.loads((settings.root / "node-identity").read_bytes())
    speaker = events.Speaker(name, identity["node_uuid"], settings.domain, VerifyMode.EVICTED, key)
    guard = MountGuard.remember(settings.root)
    book = ChronicleBook(settings, guard, Gate(), records, Publisher(settings))
    return _Node(speaker, records, book)


def _new(number: int) -> NewPackage:
    name = f"case-{number:07}"
    inventory = _digest(name + " inventory")
    version = ObjectVersion(f"lantai:{SOURCE}/{name}", 1, inventory, 13, 1_009_000)
    return NewPackage(
        SOURCE, name, _digest(name), version, _digest(name + " list"), secrets.token_hex(16), 3
    )


def _commit(node: _Node, new: list[NewPackage]) -> list[SignedAnswer]:
    """One group on one node: its answers, journalled as the node does it."""
    answers: list[SignedAnswer] = []

    def compose(sequence: int, at: str) -> list[events.Event]:
        composed = []
        for place, package in enumerate(new):
            order = _order(package)
            answers.append(events.sign_answer(node.speaker, order, sequence + place, at))
            mode = node.speaker.verify_mode
            composed.append(events.committed(order, answers[-1], mode, recovered=False))
        return composed

    node.records.write(compose)
    return answers


def _order(new: NewPackage) -> StoreOrder:
    version = new.version
    return StoreOrder(
        new.op_id, version.object_id, version.version, 1, 2000, 2000, version.content_bytes,
        version.file_count, new.file_list_sha256, version.inventory_sha256,
    )  # fmt: skip


def _store(
    connection: Any, notary: SigningKey, new: NewPackage, said: list[SignedAnswer], number: int
) -> None:
    """One transfer from its claim to its receipt."""
    name, ticks = new.identifier, _moments(number)
    facts = Facts(name, new.identity, new.version.object_id, _FILES, 1_000_000)
    arrival = Arrival(SOURCE, name, name.encode(), _digest("seen " + name))
    taken = transfers.claim(connection, arrival, Tenure("ingest@bench", next(ticks)), next(ticks))
    assert taken is not None
    for state in _WAY:
        known = facts if state is TransferState.ACCEPTED else None
        transfers.move(connection, taken.claim, Step(state, facts=known), next(ticks))
    begun = packages.begin_writing(connection, taken.claim, new, next(ticks))
    proven = [_copy(begun.id, signed) for signed in said]
    receipt = _receipt(notary, name, said)
    packages.finish(connection, taken.claim, begun.id, receipt, next(ticks), proven)
    transfers.close(connection, taken.id, next(ticks))


def _copy(package_id: int, signed: SignedAnswer) -> Copy:
    said = json.loads(signed.payload)
    return Copy(
        package_id, said["node"], said["domain"], CopyState.COMMITTED,
        VerifyMode(said["verify_mode"]), said["committed_at"], None, signed,
    )  # fmt: skip


def _receipt(notary: SigningKey, name: str, said: list[SignedAnswer]) -> NewAnswer:
    """As long as a receipt of eight files is, with what cannot be compressed in it."""
    files = [(f"received/data/{each}.pdf", _digest(f"{name} {each}")) for each in range(_FILES)]
    copies = [(answer.signature + answer.payload).hex() for answer in said]
    body = json.dumps({"kind": "stored", "name": name, "files": files, "copies": copies}).encode()
    digest = hashlib.sha256(body).hexdigest()
    return NewAnswer(AnswerKind.STORED, body, digest, notary.sign(body))


def _tell(catalogue: Catalogue, node: _Node) -> int:
    """Tell one node everything, as replication/telling.py does; how many pages it took."""
    upto = catalogue.act(chronicle.horizon)
    reached, sliced, pages = node.book.position(), Sliced(), 0
    while (made := catalogue.look(chronicle.next_page, reached, upto, sliced)) is not None:
        page, sliced = made
        reached, pages = node.book.tell(page), pages + 1
    return pages


def _is_same(lost: Path, made: Path, table: str) -> bool:
    return _rows(lost, table) == _rows(made, table)


def _rows(file: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as database:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        wanted = ", ".join(name for name in names if name not in _DERIVED)
        query = f"SELECT {wanted} FROM {table} ORDER BY 1, 2"
        return database.execute(query).fetchall()


def _journal(layout: DemoLayout, node: str) -> Iterator[Path]:
    return (layout.root(node).parent / "journal").glob("*.log")


def _moments(number: int) -> Iterator[str]:
    moment = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number)
    while True:
        moment += timedelta(milliseconds=10)
        yield to_text(moment)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _condemned(reason: VolumeRefusal) -> None:
    raise reason


if __name__ == "__main__":
    main()
