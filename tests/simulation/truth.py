"""What must hold, judged by what nobody inside the simulated archive can see: the whole of it.

knowledge §2.4, INV; DESIGN.md §2. Looks at the media themselves, past every cache, and at what left
every process. Says what is violated, and changes nothing.
"""

import base64
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec

from storage.catalogue.model import Transfer
from storage.model import StoredObject
from storage.node_answer import read_node_answer
from storage.signing import SIGNATURE_BYTES
from storage.volume.order import StoreOrder
from tests.simulation.disk import Disk, File
from tests.simulation.package import SimulatedPackage
from tests.simulation.volume_records import JOURNAL
from tests.simulation.volume_steps import INVENTORY, ROOT, V1_INVENTORY, folder_of


class Violation(Exception):
    """A promise was broken; it is on record already, whoever catches this."""


@dataclass(slots=True)
class NodeTruth:
    """One node's disk, and what has been done to it on purpose."""

    disk: Disk
    domain: str
    uuid: str
    injured: set[str] = field(default_factory=set)  # objects damaged by a fault, not mended since
    kept: set[int] = field(default_factory=set)  # files that were committed once
    epochs: dict[str, int] = field(default_factory=dict)  # the highest that was acted under


class Truth:
    """All that happened, and the checks against it."""

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.nodes: dict[str, NodeTruth] = {}
        self.packages: dict[str, SimulatedPackage] = {}  # by object id
        self.streams: dict[str, bytes] = {}  # by op id
        self.receipts: dict[str, set[bytes]] = defaultdict(set)  # by object id
        self._outcomes: dict[tuple[str, str], bytes] = {}  # by node uuid and op id
        self._leases: dict[tuple[str, int], str] = {}
        self.violations: list[str] = []

    # Copies.

    def is_good(self, node: str, object_id: str) -> bool:
        """Whether a power cut at this moment would leave a whole copy with its record."""
        truth = self.nodes[node]
        return self._has_whole(truth.disk, object_id) and self._has_record(truth.disk, object_id)

    def good_nodes(self, object_id: str) -> list[str]:
        return [node for node in self.nodes if self.is_good(node, object_id)]

    def may_injure(self, node: str, object_id: str) -> bool:
        """The atlas of faults: one good copy of each object is left alone."""
        return any(each != node for each in self.good_nodes(object_id))

    def object_of(self, disk: Disk, file: File) -> str | None:
        """Which object's folder below the root a file is in."""
        for object_id in self.packages:
            folder = folder_of(disk, object_id).text
            if any(disk.durable.get(name) is file for name in disk.below(folder)):
                return object_id
        return None

    def committed(self, node: str, object_id: str) -> None:
        """A record of a copy is durable: is the copy?"""
        truth = self.nodes[node]
        folder = folder_of(truth.disk, object_id).text
        if not self._has_whole(truth.disk, object_id):
            self._broken(f"{node} has a record of {object_id}, and no whole copy on its medium")
        truth.injured.discard(object_id)
        truth.kept |= {truth.disk.names[name].number for name in truth.disk.below(folder)}

    def removed(self, node: str, file: File) -> None:
        """Nothing that was committed once is ever destroyed, bad bytes least of all."""
        if file.number in self.nodes[node].kept:
            self._broken(f"{node} destroyed bytes that it had committed (file {file.number})")

    def opened(self, node: str, stored: dict[str, StoredObject]) -> None:
        """After recovery: below the root there is what is on record, whole, and nothing else."""
        truth = self.nodes[node]
        for object_id in self.packages:
            there = folder_of(truth.disk, object_id).exists()
            if there and object_id not in stored:
                self._broken(f"{node} shows {object_id}, which is not on its record")
            if object_id in stored and object_id not in truth.injured:
                if not there:
                    self._broken(f"{node} has lost {object_id}, which is on its record")
                if not self._has_whole(truth.disk, object_id):
                    self._broken(f"{node} has {object_id} on its record, and not whole")

    def stopped(self, node: str) -> None:
        """What a crash left: an object that was committed is never absent."""
        truth = self.nodes[node]
        for object_id in self.packages:
            there = folder_of(truth.disk, object_id).exists()
            if self._has_record(truth.disk, object_id) and not there:
                self._broken(f"{node} stopped while {object_id} was nowhere")

    # What leaves a process.

    def answered(self, node: str, signed: bytes) -> None:
        """A node's answer is on its way."""
        truth = self.nodes[node]
        said = read_node_answer(signed[SIGNATURE_BYTES:])
        first = self._outcomes.setdefault((truth.uuid, said.op_id), signed)
        if first != signed:
            self._broken(f"{node} gave two answers for operation {said.op_id}")
        journal = truth.disk.durable.get(JOURNAL)
        if journal is None or base64.b64encode(signed) not in journal.medium:
            self._broken(f"{node} answered for {said.object_id} before its record was durable")
        if said.object_id not in truth.injured and not self.is_good(node, said.object_id):
            self._broken(f"{node} answered for {said.object_id}, whose copy is not durable")

    def acknowledged(self, node: str, op_id: str, staged: bytes, offset: int) -> None:
        """A node says that it has written the stream up to `offset`."""
        stream = self.streams.get(op_id)
        if stream is not None and staged[:offset] != stream[:offset]:
            self._broken(f"{node} acknowledged {offset} bytes of {op_id} that it does not have")

    def acted(self, node: str, order: StoreOrder) -> None:
        """A node acts on an order under this epoch."""
        epochs = self.nodes[node].epochs
        highest = epochs.get(order.epoch_scope, 1)
        if order.epoch < highest:
            text = f"{node} acted under epoch {order.epoch} after {highest} ({order.epoch_scope})"
            self._broken(text)
        epochs[order.epoch_scope] = order.epoch

    def leased(self, scope: str, epoch: int, holder: str) -> None:
        """A lease was given."""
        first = self._leases.setdefault((scope, epoch), holder)
        if first != holder:
            self._broken(f"{first} and {holder} lead {scope} under the same epoch {epoch}")

    def delivered(self, transfer: Transfer, body: bytes) -> None:
        """A stored receipt is in the sender's hands."""
        said = msgspec.json.decode(body)
        object_id = str(said["object_id"])
        self.receipts[object_id].add(body)
        if len(self.receipts[object_id]) > 1:
            self._broken(f"{object_id} has two receipts (transfer {transfer.id})")
        good = self.good_nodes(object_id)
        hurt = [name for name, node in self.nodes.items() if object_id in node.injured]
        domains = {self.nodes[name].domain for name in {*good, *hurt}}
        if not good or len(domains) < self.copies:
            self._broken(
                f"a receipt for {object_id} left with good copies on {good or 'no node'}, damaged "
                f"ones on {hurt}: {len(domains)} domains of {self.copies}"
            )

    def unstaged(self, transfer: Transfer, object_id: str) -> None:
        """The intake's own copy was removed."""
        if not self.receipts[object_id]:
            self._broken(f"the staged copy of transfer {transfer.id} went before its receipt")

    def duplicates(self) -> None:
        """One object for each package, on each node at most one folder and one good record."""
        for name, truth in self.nodes.items():
            folders = {path.split("/")[1] for path in truth.disk.names if path.startswith(ROOT)}
            known = {folder_of(truth.disk, each).name for each in self.packages}
            if not folders <= known:
                self._broken(f"{name} keeps {sorted(folders - known)}, which nobody sent")

    def _broken(self, text: str) -> NoReturn:
        self.violations.append(text)
        raise Violation(text)

    def _has_whole(self, disk: Disk, object_id: str) -> bool:
        package = self.packages[object_id]
        folder = folder_of(disk, object_id).text
        expected = {f"{folder}/{INVENTORY}": package.inventory}
        expected[f"{folder}/{V1_INVENTORY}"] = package.inventory
        for listed in package.files:
            expected[f"{folder}/v1/{listed.path}"] = package.content_of(listed.path)
        durable = disk.durable
        return all(
            (file := durable.get(path)) is not None and file.medium == content
            for path, content in expected.items()
        )

    def _has_record(self, disk: Disk, object_id: str) -> bool:
        journal = disk.durable.get(JOURNAL)
        record = f'"object_id":"{object_id}","version"'.encode()
        return journal is not None and record in journal.medium
