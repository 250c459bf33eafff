"""Validate one OCFL object, 1.0 or 1.1: the order of the checks, and what each needs of the others.

OCFL 1.1 section 3 (E033, E046, E063, E064 and W010 are judged here, the others where they are
named). Whatever is in the folder, the outcome is findings: nothing is raised.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.ocfl.validate_content import (
    Inventories,
    check_claims_agree,
    check_digests,
    check_files,
)
from storage.ocfl.validate_declaration import OBJECT_RULES, check_declaration
from storage.ocfl.validate_findings import Findings, SpecificationVersion
from storage.ocfl.validate_history import check_history
from storage.ocfl.validate_inventory import InventoryFacts, judge_inventory
from storage.ocfl.validate_json import JsonRefused, parse_json
from storage.ocfl.validate_reading import Entry, Kind, entries_of, read_up_to, reason
from storage.ocfl.validate_sidecar import Sidecar, check_sidecar
from storage.ocfl.validate_tree import (
    INVENTORY,
    HardLinks,
    VersionFolder,
    check_free_folders,
    check_hard_links,
    check_object_root,
    check_version_files,
    read_version_folder,
)

# An inventory is held in memory while it is judged: about six times this.
INVENTORY_BYTES_MAX = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Examination:
    """What one object's validation works on."""

    folder: Path
    findings: Findings
    links: HardLinks
    read_content: bool


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a storage root needs to know of an object."""

    declared: SpecificationVersion | None
    object_id: str | None


def judge_object(examination: Examination) -> ObjectFacts:
    folder, findings = examination.folder, examination.findings
    try:
        entries = entries_of(folder)
    except OSError as error:
        findings.add("E003", ".", f"the object's folder cannot be read: {reason(error)}")
        return ObjectFacts(None, None)
    declared = check_declaration(folder, entries, OBJECT_RULES, findings)
    data = _read_inventory(folder, entries, findings)
    facts = _judge(data, INVENTORY, declared, findings) if data is not None else None
    check_object_root(folder, entries, facts, findings)
    check_hard_links(entries, "", examination.links, findings)
    check_free_folders(folder, entries, examination.links, findings)
    if data is not None:
        algorithm_name = facts.algorithm_name if facts else None
        sidecar = Sidecar(folder, _files(entries), algorithm_name, below="")
        check_sidecar(sidecar, data, findings)
    if data is not None and facts is not None:
        _judge_versions(examination, entries, facts, data)
    return ObjectFacts(declared, facts.object_id if facts else None)


def _judge_versions(
    examination: Examination, entries: list[Entry], root: InventoryFacts, root_data: bytes
) -> None:
    folder, findings = examination.folder, examination.findings
    folders = {
        name: read_version_folder(folder, name, root.content_directory, examination.links, findings)
        for name in _present_versions(entries, root, findings)
    }
    prior = list(_prior_inventories(examination, folders, root, root_data))
    inventories = Inventories(root, prior)
    check_history(root, prior, findings)
    check_files(inventories, folders, findings)
    if examination.read_content:
        check_digests(folder, inventories, folders, findings)
    else:
        check_claims_agree(inventories, findings)


def _present_versions(entries: list[Entry], root: InventoryFacts, findings: Findings) -> list[str]:
    there = {entry.name for entry in entries if entry.kind is Kind.FOLDER}
    present = [name for name in root.versions if name in there]
    for index, name in enumerate(root.versions):
        if name in there:
            continue
        message = f"the inventory has version {name}, but there is no such folder"
        findings.add("E046", name, message)
        if any(later in there for later in root.versions[index + 1 :]):
            findings.add("E010", name, f"{message}, though later ones are there")
    return present


def _prior_inventories(
    examination: Examination,
    folders: dict[str, VersionFolder],
    root: InventoryFacts,
    root_data: bytes,
) -> Iterator[tuple[str, InventoryFacts]]:
    """Judge every version's own inventory; yield those of the versions before the newest."""
    findings = examination.findings
    for version in folders.values():
        if INVENTORY not in version.files:
            findings.add("W010", version.name, "the version has no inventory of its own")
            check_version_files(version, None, findings)
            continue
        where = f"{version.name}/{INVENTORY}"
        data = _read(examination.folder / where, where, findings)
        facts: InventoryFacts | None = None
        if version.name == root.versions[-1]:
            facts = root
            _check_same(data, root_data, where, findings)
        elif data is not None:
            facts = _judge(data, where, None, findings)
        algorithm_name = facts.algorithm_name if facts else None
        check_version_files(version, algorithm_name, findings)
        if data is not None:
            beside = examination.folder / version.name
            sidecar = Sidecar(beside, version.files, algorithm_name, below=f"{version.name}/")
            check_sidecar(sidecar, data, findings)
        if facts is not None and facts is not root:
            yield version.name, facts


def _check_same(data: bytes | None, root_data: bytes, where: str, findings: Findings) -> None:
    if data is not None and data != root_data:
        message = "differs from the object's inventory, though this is its newest version"
        findings.add("E064", where, message)


def _read_inventory(folder: Path, entries: list[Entry], findings: Findings) -> bytes | None:
    if INVENTORY not in _files(entries):
        findings.add("E063", ".", "there is no inventory.json")
        return None
    return _read(folder / INVENTORY, INVENTORY, findings)


def _read(path: Path, where: str, findings: Findings) -> bytes | None:
    try:
        data = read_up_to(path, INVENTORY_BYTES_MAX)
    except OSError as error:
        findings.add("E033", where, f"the inventory cannot be read: {reason(error)}")
        return None
    if data is None:
        message = f"larger than {INVENTORY_BYTES_MAX} bytes: too large to be judged here"
        findings.add("E033", where, message)
    return data


def _judge(
    data: bytes, where: str, declared: str | None, findings: Findings
) -> InventoryFacts | None:
    try:
        document = parse_json(data)
    except JsonRefused as error:
        findings.add("E033", where, str(error))
        return None
    return judge_inventory(document, where, declared, findings)


def _files(entries: list[Entry]) -> frozenset[str]:
    return frozenset(entry.name for entry in entries if entry.kind is Kind.FILE)
