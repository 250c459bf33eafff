"""What must hold of an appliance whenever nothing is under way: no receipt without N whole copies.

Everything is read from the disks and compared with the receipts that were handed out; nothing is
believed of a node or of the catalogue but that they must say the same.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config import load_config
from daemon.demo.layout import NODES, DemoLayout
from ingest_watch.return_folder import REHEARSAL
from storage.catalogue import answers, packages, transfer_lists
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import PackageState
from storage.digests import sha256_of_file
from storage.ocfl.inventory import OBJECT_DECLARATION_NAME
from storage.ocfl.layout import object_folder
from storage.ocfl.validate import validate_root


@dataclass
class Verdict:
    """What is wrong, by what the promise says; nothing, as long as it is kept."""

    receipts: int = 0  # stored receipts that were held against the disks
    copies: int = 0  # of them, on disks
    lost: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)  # receipts without N nodes or without a row
    duplicates: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return not (self.lost or self.false or self.duplicates or self.partial)


def judge_appliance(layout: DemoLayout) -> Verdict:
    """Hold every stored receipt against disks and catalogue, and the disks against OCFL."""
    verdict = Verdict()
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        for path, receipt in _receipts(layout):
            verdict.receipts += 1
            _judge_receipt(layout, catalogue, path, receipt, verdict)
        _judge_rows(catalogue, verdict)
        _judge_objects(layout, catalogue, verdict)
    finally:
        catalogue.close()
    for node in NODES:
        findings = validate_root(layout.root(node)).findings
        errors = (each for each in findings if each.severity == "error")
        verdict.partial += [f"{node}: {each.code} {each.path}" for each in errors]
        left = [path.name for path in (layout.folder / node / "staging").iterdir()]
        verdict.partial += [f"{node}: staging/{name}" for name in left]
    return verdict


def _receipts(layout: DemoLayout) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in (layout.folder / "return").rglob("*.stored.json"):
        if REHEARSAL not in path.parts:
            receipt = json.loads(path.read_bytes())
            if receipt.get("object_id"):
                yield path, receipt


def _judge_receipt(
    layout: DemoLayout, catalogue: Catalogue, path: Path, receipt: dict[str, Any], verdict: Verdict
) -> None:
    object_id, version = receipt["object_id"], receipt["version"]
    nodes = {copy["node"] for copy in receipt["copies"]}
    if nodes != set(NODES) or len({copy["domain"] for copy in receipt["copies"]}) < len(NODES):
        verdict.false.append(f"{path.name}: copies on {sorted(nodes)}")
    rows = catalogue.look(packages.versions_of_object, object_id)
    digests = [row.inventory_sha256 for row in rows if row.state is PackageState.STORED]
    if digests[version - 1 : version] != [receipt["inventory_sha256"]]:
        verdict.false.append(f"{path.name}: no such stored version is in the catalogue")
    for node in nodes:
        verdict.copies += 1
        folder = layout.root(node) / object_folder(object_id)
        wanted = {f"content/{file['path']}": file["sha256"] for file in receipt["files"]}
        wanted["inventory.json"] = receipt["inventory_sha256"]
        for name, sha256 in wanted.items():
            file = folder / f"v{version}" / name
            if not file.is_file() or sha256_of_file(file) != sha256:
                verdict.lost.append(f"{node}: {object_id} v{version} {name}")
        if len(list(folder.glob("v*"))) > len(rows):
            verdict.duplicates.append(f"{node}: {object_id} has a version that nobody sent")


def _judge_rows(catalogue: Catalogue, verdict: Verdict) -> None:
    """At most one answer of a kind for a transfer."""
    for transfer in catalogue.look(transfer_lists.page, limit=100_000):
        told = catalogue.look(answers.of_transfer, transfer.id)
        kinds = Counter(answer.kind.value for answer in told)
        verdict.duplicates += [
            f"transfer {transfer.id}: {count} answers that say {kind}"
            for kind, count in kinds.items()
            if count > 1
        ]


def _judge_objects(layout: DemoLayout, catalogue: Catalogue, verdict: Verdict) -> None:
    """No node has an object that the catalogue knows nothing of."""
    rows = catalogue.look(packages.page, limit=100_000)
    known = {str(object_folder(row.object_id)) for row in rows}
    for node in NODES:
        root = layout.root(node)
        declared = (path.parent for path in root.rglob(OBJECT_DECLARATION_NAME))
        objects = {str(folder.relative_to(root)) for folder in declared}
        verdict.duplicates += [f"{node}: {name} is no package" for name in objects - known]
