"""The demo's acts: packages are dropped and answered, one copy is damaged, found and mended.

Everything goes the way a site's own packages go: folders, sockets, disks. Prints nothing; what
happened is returned for demo_screen.py.
"""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout
from daemon.demo.processes import DemoFailed
from daemon.demo.samples import Sample
from storage.ocfl.layout import object_folder

ANSWERED_S_MAX = 120.0
MENDED_S_MAX = 120.0
_POLL_S = 0.1
OPEN = "lantai_keeper_findings_open"
BELOW = "lantai_keeper_copies_below_target"
FIGURES = (
    "lantai_keeper_packages",
    BELOW,
    OPEN,
    'lantai_keeper_repairs_total{outcome="mended"}',
)
_FINAL = ("stored", "rejected", "held")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one package was answered."""

    name: str
    kind: str
    reasons: tuple[str, ...]  # those that name a file, where any does
    object_id: str | None
    transfer: str
    retention: str | None = None
    record_class: str | None = None
    parts: tuple["Verdict", ...] = ()  # of a batch


@dataclass(frozen=True, slots=True)
class Damage:
    """The one bit that the demo flipped, and what became of it."""

    node: str
    file: Path
    found_as: str
    mended_at: str
    quarantined: Path


def drop(layout: DemoLayout, samples: Sequence[Sample]) -> None:
    """Put every sample into its drop folder the way a careful sender does: written, then moved."""
    outside = layout.folder / "sender"
    outside.mkdir(exist_ok=True)
    for sample in samples:
        sample.write(outside / sample.name)
        (outside / sample.name).rename(layout.drop_of(sample.sender) / sample.name)
    shutil.rmtree(outside)


def wait_for_answers(layout: DemoLayout, samples: Sequence[Sample]) -> list[Verdict]:
    """Return once every package has its final answer. Raises DemoFailed."""
    found: dict[str, Verdict] = {}

    def all_answered() -> bool:
        for sample in samples:
            if sample.name in found:
                continue
            verdict = _verdict(layout.returned_to(sample.sender), sample.name)
            if verdict is not None:
                found[sample.name] = verdict
        return len(found) == len(samples)

    _wait(all_answered, ANSWERED_S_MAX, "answers in the return folders")
    return [found[sample.name] for sample in samples]


def flip_one_bit(layout: DemoLayout, object_id: str) -> tuple[str, Path]:
    """Flip the lowest bit of one byte of the sender's largest file, on one node's disk."""
    node = NODES[1]
    folder = layout.root(node) / object_folder(object_id) / "v1/content/received/data"
    file = max((path for path in folder.rglob("*") if path.is_file()), key=_size)
    file.chmod(0o640)
    with file.open("r+b") as stream:
        stream.seek(_size(file) // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))
        stream.flush()
        os.fsync(stream.fileno())
    file.chmod(0o440)
    return node, file


def sweep_and_mend(layout: DemoLayout, node: str, file: Path, object_id: str) -> Damage:
    """Order a sweep and return once the damage was found and its copy mended. Raises DemoFailed."""
    expected = _signed_digest(layout, object_id, file)
    ask(layout.socket("keeper"), "sweep-start")
    closed: list[dict[str, Any]] = []

    def mended() -> bool:
        closed[:] = [
            finding
            for finding in ask(layout.socket("keeper"), "findings")
            if finding["node"] == node and finding["mended_at"] is not None
        ]
        return bool(closed)

    _wait(mended, MENDED_S_MAX, f"the repair of {file}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        raise DemoFailed(f"{file} was said to be mended, and is not what was signed")
    quarantined = max((layout.root(node).parent / "quarantine").iterdir())
    finding = closed[-1]
    return Damage(node, file, finding["kind"], finding["mended_at"], quarantined)


def check_receipt(layout: DemoLayout) -> tuple[Path, str]:
    """Check one stored receipt with openssl alone; what it said. Raises DemoFailed."""
    receipt = min(layout.returned.glob("*.stored.json"))
    command = openssl_command(layout, receipt)
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    if checked.returncode != 0:
        raise DemoFailed(f"openssl does not verify {receipt}: {checked.stderr.strip()}")
    return receipt, checked.stdout.strip()


def openssl_command(layout: DemoLayout, receipt: Path) -> list[str]:
    """The command that checks a receipt without Lantai."""
    key = layout.keys / "notary.signing.pub.pem"
    return [
        *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key)),
        *("-rawin", "-in", str(receipt), "-sigfile", f"{receipt}.sig"),
    ]


def read_tree(layout: DemoLayout) -> list[tuple[Path, int]]:
    """Read one package through the mount, whole; its files and their sizes."""
    package = min((layout.mountpoint / SOURCE).iterdir())
    return [
        (path.relative_to(layout.mountpoint), len(path.read_bytes()))
        for path in sorted(package.rglob("*"))
        if path.is_file()
    ]


def safe_figures(layout: DemoLayout) -> dict[str, float]:
    """The figures that say how safe the whole is, once they say that all is well again."""
    figures: dict[str, float] = {}

    def well() -> bool:
        figures.update(_figures(layout))
        return figures[OPEN] == 0 and figures[BELOW] == 0

    _wait(well, MENDED_S_MAX, "metrics that agree")
    return figures


def _figures(layout: DemoLayout) -> dict[str, float]:
    connection = http.client.HTTPConnection(layout.addresses["keeper"], timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    found = (line.rpartition(" ") for line in lines if line.startswith(FIGURES))
    return {name: float(value) for name, _, value in found}


def _verdict(returned: Path, name: str) -> Verdict | None:
    for kind in _FINAL:
        body = returned / f"{name}.{kind}.json"
        if body.exists():
            return _verdict_in(returned, name, json.loads(body.read_bytes()))
    return None


def _verdict_in(returned: Path, name: str, answer: dict[str, Any]) -> Verdict | None:
    """What the answer says; None while one on a package of the batch is not there yet."""
    parts = []
    for part in answer.get("parts") or ():
        verdict = _verdict(returned / name, part["name"])
        if verdict is None:
            return None
        parts.append(verdict)
    return Verdict(
        name,
        answer["kind"],
        _in_words(answer.get("reasons") or []),
        answer["object_id"],
        answer["transfer"],
        answer.get("retention"),
        answer.get("record_class"),
        tuple(parts),
    )


def _in_words(reasons: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    named = tuple(f"{each['code']} ({each['path']})" for each in reasons if each["path"])
    return named or tuple(each["code"] for each in reasons)


def _signed_digest(layout: DemoLayout, object_id: str, file: Path) -> str:
    """The file's digest as the stored receipt names it."""
    name = object_id.removeprefix(f"lantai:{SOURCE}/")
    (receipt,) = layout.returned.glob(f"{name}*.stored.json")
    path = str(file).partition("/v1/content/")[2]
    listed = json.loads(receipt.read_bytes())["files"]
    digest: str = next(entry["sha256"] for entry in listed if entry["path"] == path)
    return digest


def _size(path: Path) -> int:
    return path.stat().st_size


def _wait(condition: Callable[[], bool], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise DemoFailed(f"no {what} within {within_s:.0f} s; the logs say more")
        time.sleep(_POLL_S)
