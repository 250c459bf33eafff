"""The sidecar of an inventory: `inventory.json.ALGORITHM`, which states its digest.

OCFL 1.1 section 3.6 (E058 to E061). E062, the order of writing, leaves no trace on a disk.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from storage.ocfl.digest_algorithms import ALGORITHMS, digests_of
from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_reading import read_up_to, reason
from storage.ocfl.validate_tree import INVENTORY

_SIDECAR = re.compile(rb"([0-9a-fA-F]+)[ \t]+inventory\.json\s*")
_SIDECAR_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where an inventory lies, and what its sidecar must be called."""

    folder: Path
    present: AbstractSet[str]  # names of the files in that folder
    algorithm_name: str | None  # as the inventory says; None if it does not
    below: str  # the folder's path in the object: "" or "v1/"


def check_sidecar(sidecar: Sidecar, data: bytes, findings: Findings) -> None:
    """`data` are the inventory's bytes."""
    others = [name for name in ALGORITHMS if f"{INVENTORY}.{name}" in sidecar.present]
    if sidecar.algorithm_name is None:
        if not others:
            path = f"{sidecar.below}{INVENTORY}"
            findings.add("E058", path, "no sidecar states this inventory's digest")
        return
    name = f"{INVENTORY}.{sidecar.algorithm_name}"
    path = f"{sidecar.below}{name}"
    if name in sidecar.present:
        _check_digest(sidecar.folder / name, data, sidecar.algorithm_name, findings, path)
        return
    findings.add("E058", path, "the inventory's sidecar is missing")
    for other in others:
        message = f"a sidecar of {other}, but the inventory says {shown(sidecar.algorithm_name)}"
        findings.add("E059", f"{sidecar.below}{INVENTORY}.{other}", message)


def _check_digest(
    sidecar: Path, data: bytes, algorithm_name: str, findings: Findings, path: str
) -> None:
    try:
        text = read_up_to(sidecar, _SIDECAR_BYTES_MAX)
    except OSError as error:
        findings.add("E058", path, f"the sidecar cannot be read: {reason(error)}")
        return
    match = _SIDECAR.fullmatch(text) if text is not None else None
    if match is None:
        findings.add("E061", path, "must be one line: DIGEST, white space, inventory.json")
        return
    if algorithm_name not in ALGORITHMS:
        return
    actual = digests_of([data], [algorithm_name])[algorithm_name]
    if match[1].decode().lower() != actual:
        message = f"states another digest than the inventory has, which is {actual}"
        findings.add("E060", path, message)
