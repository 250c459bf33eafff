"""Judge one inventory by itself: its keys, and how its blocks fit together.

OCFL 1.1 section 3.5 (E025, E033, E036 to E047, E102, E108, W004, W005) and 3.3.1 (contentDirectory:
E017, E018). Compares it neither with other inventories nor with the disk. Pure.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from storage.ocfl.digest_algorithms import ALGORITHMS, CONTENT_ALGORITHMS
from storage.ocfl.validate_blocks import (
    EMPTY_BLOCK,
    DigestBlock,
    check_all_used,
    check_fixity_paths,
    read_fixity,
    read_manifest,
    read_state,
)
from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_json import Block
from storage.ocfl.validate_versions import (
    check_version_block,
    check_version_names,
    is_uri,
    version_number,
)

_TYPE = re.compile(r"https://ocfl\.io/(1\.[01])/spec/#inventory")
_REQUIRED_KEYS = ("id", "type", "digestAlgorithm", "head")
DESCRIPTION_KEYS = ("created", "message", "user")
_KEYS = {*_REQUIRED_KEYS, "contentDirectory", "manifest", "versions", "fixity"}


@dataclass(frozen=True, slots=True)
class InventoryFacts:
    """What could be understood of an inventory; what could not is already among the findings."""

    where: str  # its path in the object: "inventory.json", "v1/inventory.json"
    specification: str | None  # by its type; None if that names no version known here
    object_id: str | None
    algorithm_name: str | None  # as written
    algorithm: str | None  # … if it can be computed
    content_directory: str
    content_directory_set: str | None  # None if the key is absent
    versions: list[str] = field(default_factory=list)  # usable names, oldest first
    manifest: DigestBlock = EMPTY_BLOCK
    states: dict[str, DigestBlock] = field(default_factory=dict)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)  # version → the rest of it
    fixity: dict[str, DigestBlock] = field(default_factory=dict)


def judge_inventory(
    document: Any, where: str, declared: str | None, findings: Findings
) -> InventoryFacts | None:
    """None if the document is no JSON object at all.

    `declared` is the version of the object's own declaration, for the inventory in its root, and
    None for the others, which may be of an older version.
    """
    if not isinstance(document, Block):
        message = f"the inventory must be a JSON object, not {shown(document)}"
        findings.add("E033", where, message)
        return None
    _check_keys(document, findings, where)
    specification = _check_type(document, declared, findings, where)
    algorithm_name = _check_algorithm(document, findings, where)
    algorithm = algorithm_name if algorithm_name in ALGORITHMS else None
    content_directory = _check_content_directory(document, specification, findings, where)
    facts = InventoryFacts(
        where=where,
        specification=specification,
        object_id=_check_id(document, findings, where),
        algorithm_name=algorithm_name,
        algorithm=algorithm,
        content_directory=content_directory or "content",
        content_directory_set=content_directory,
        versions=_check_versions(document, specification or "1.1", findings, where),
        manifest=_check_manifest(document, specification or "1.1", algorithm, findings, where),
    )
    _read_versions(document, facts, findings)
    _check_content_paths(facts, findings)
    if "fixity" in document:
        fixity = read_fixity(document["fixity"], specification or "1.1", findings, where)
        facts.fixity.update(fixity)
        check_fixity_paths(fixity, facts.manifest, findings, where)
    if specification != "1.0" and len(facts.states) == len(facts.versions) > 0:
        check_all_used(facts.manifest, list(facts.states.values()), findings, where)
    return facts


def _check_keys(document: Block, findings: Findings, where: str) -> None:
    for key in document.keys() - _KEYS:
        findings.add("E102", where, f"the key {shown(key)} is not one that OCFL describes")
    for key in document.repeated:
        findings.add("E033", where, f"the key {shown(key)} stands twice")
    for key in _REQUIRED_KEYS:
        if key not in document:
            findings.add("E036", where, f"the required key {key!r} is missing")
    for key in ("manifest", "versions"):
        if key not in document:
            findings.add("E041", where, f"the required block {key!r} is missing")


def _check_id(document: Block, findings: Findings, where: str) -> str | None:
    if "id" not in document:
        return None
    object_id = document["id"]
    if not isinstance(object_id, str) or not object_id:
        message = f"id must be a string that is not empty, not {shown(object_id)}"
        findings.add("E037", where, message)
        return None
    if not is_uri(object_id):
        findings.add("W005", where, f"id {shown(object_id)} is no URI")
    return object_id


def _check_type(
    document: Block, declared: str | None, findings: Findings, where: str
) -> str | None:
    if "type" not in document:
        return declared
    match = _TYPE.fullmatch(document["type"]) if isinstance(document["type"], str) else None
    if match is None:
        expected = f"https://ocfl.io/{declared or '1.1'}/spec/#inventory"
        findings.add("E038", where, f"type must be {expected!r}, not {shown(document['type'])}")
        return declared
    if declared is not None and match[1] != declared:
        message = f"type is of OCFL {match[1]}, but the object declares {declared}"
        findings.add("E038", where, message)
    return match[1]


def _check_algorithm(document: Block, findings: Findings, where: str) -> str | None:
    if "digestAlgorithm" not in document:
        return None
    algorithm = document["digestAlgorithm"]
    if not isinstance(algorithm, str) or algorithm not in CONTENT_ALGORITHMS:
        message = f"digestAlgorithm must be 'sha512' or 'sha256', not {shown(algorithm)}"
        findings.add("E025", where, message)
        return algorithm if isinstance(algorithm, str) else None
    if algorithm != "sha512":
        findings.add("W004", where, f"digestAlgorithm is {algorithm}; OCFL recommends sha512")
    return algorithm


def _check_content_directory(
    document: Block, specification: str | None, findings: Findings, where: str
) -> str | None:
    """The name, if it is set to one that can be used."""
    if "contentDirectory" not in document:
        return None
    name = document["contentDirectory"]
    if isinstance(name, str) and "/" in name:
        findings.add("E017", where, f"contentDirectory {shown(name)} contains a slash")
    elif name in (".", ".."):
        findings.add("E018", where, f"contentDirectory must not be {shown(name)}")
    elif not isinstance(name, str) or not name or "\0" in name:
        message = f"contentDirectory must name one folder, not {shown(name)}"
        findings.add("E017" if specification == "1.0" else "E108", where, message)
    else:
        return name
    return None


def _check_manifest(
    document: Block, specification: str, algorithm: str | None, findings: Findings, where: str
) -> DigestBlock:
    if "manifest" not in document:
        return EMPTY_BLOCK
    manifest = document["manifest"]
    if isinstance(manifest, Block):
        return read_manifest(manifest, algorithm, findings, where)
    message = f"manifest must be a JSON object, not {shown(manifest)}"
    findings.add("E041", where, message)
    if specification != "1.0":
        findings.add("E106", where, message)
    return EMPTY_BLOCK


def _check_versions(
    document: Block, specification: str, findings: Findings, where: str
) -> list[str]:
    versions = document.get("versions")
    if not isinstance(versions, Block):
        message = f"versions must be a JSON object, not {shown(versions)}"
        if "versions" in document:
            findings.add("E044", where, message)
            findings.add("E045", where, message)
        else:
            findings.add("E043", where, "there is no block 'versions'")
        return []
    for key in versions.repeated:
        findings.add("E033", where, f"version {shown(key)} stands twice")
    names = check_version_names(versions, specification, findings, where)
    _check_head(document, names, findings, where)
    return names


def _check_head(document: Block, names: list[str], findings: Findings, where: str) -> None:
    if "head" not in document or not names:
        return
    if document["head"] != names[-1]:
        message = f"head must be the newest version, {names[-1]}, not {shown(document['head'])}"
        findings.add("E040", where, message)


def _read_versions(document: Block, facts: InventoryFacts, findings: Findings) -> None:
    for name in facts.versions:
        block = document["versions"][name]
        if not isinstance(block, Block):
            message = f"version {name} must be a JSON object, not {shown(block)}"
            findings.add("E047", facts.where, message)
            continue
        facts.described[name] = {key: block[key] for key in DESCRIPTION_KEYS if key in block}
        check_version_block(name, block, findings, facts.where)
        state = block.get("state")
        if isinstance(state, Block):
            facts.states[name] = read_state(state, facts.manifest, findings, facts.where)
        elif "state" in block:
            message = f"version {name}: state must be a JSON object, not {shown(state)}"
            findings.add("E050", facts.where, message)


def _check_content_paths(facts: InventoryFacts, findings: Findings) -> None:
    """Content paths start with the name of a version and of the content directory."""
    numbers = {version_number(name): name for name in facts.versions}
    for path in facts.manifest.paths:
        version, _, rest = path.partition("/")
        if not rest.startswith(f"{facts.content_directory}/"):
            folder = f"{version}/{facts.content_directory}/"
            message = f"content path {shown(path)} does not lie in a folder such as {folder!r}"
            findings.add("E042", facts.where, message)
        elif version not in facts.states and version not in facts.versions:
            message = f"content path {shown(path)} lies in no version of this inventory"
            findings.add("E042", facts.where, message)
            if version_number(version) in numbers and version_number(version) is not None:
                findings.add(
                    "E014",
                    facts.where,
                    f"{message}; the version's folder is named {numbers[version_number(version)]}",
                )
