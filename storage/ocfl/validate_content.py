"""Compare what the inventories promise with the content files on the disk, digests included.

OCFL 1.1 sections 3.3.1 (E016, E023), 3.5.2 (E092) and 3.5.4 (E093). Each file is read once, as a
stream, for all the digests that any inventory of the object gives for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.ocfl.digest_algorithms import digests_of
from storage.ocfl.validate_findings import Findings
from storage.ocfl.validate_inventory import InventoryFacts
from storage.ocfl.validate_reading import chunks_of, reason
from storage.ocfl.validate_tree import VersionFolder


@dataclass(frozen=True, slots=True)
class Claim:
    """One digest that an inventory gives for a file, and the rule that is broken if it is wrong."""

    algorithm: str
    digest: str
    code: str


Claims = dict[str, dict[Claim, str]]  # content path → claim → the inventory that makes it


@dataclass(frozen=True, slots=True)
class Inventories:
    """All that could be read, newest (the root's) apart."""

    root: InventoryFacts
    prior: list[tuple[str, InventoryFacts]]  # (version, its inventory), oldest first

    def __iter__(self) -> Iterator[InventoryFacts]:
        yield self.root
        yield from (inventory for _, inventory in self.prior)


def check_files(
    inventories: Inventories, folders: dict[str, VersionFolder], findings: Findings
) -> None:
    """Names only: every file is in the manifests, and every path of the manifests is a file."""
    root = inventories.root
    on_disk = frozenset[str]().union(*(folder.content for folder in folders.values()))
    for path in sorted(on_disk - root.manifest.paths.keys()):
        findings.add("E023", path, "a content file that the manifest does not name")
    for path in sorted(root.manifest.paths.keys() - on_disk):
        findings.add("E092", path, "the manifest names this file, but it is not there")
    for inventory in inventories:
        for algorithm, block in inventory.fixity.items():
            for path in sorted(block.paths.keys() - on_disk):
                message = f"{inventory.where} gives its {algorithm}, but the file is not there"
                findings.add("E093", path, message)
    _check_prior_manifests(inventories, folders, on_disk, findings)
    _check_content_folders(root, folders, findings)


def check_digests(
    folder: Path, inventories: Inventories, folders: dict[str, VersionFolder], findings: Findings
) -> None:
    """Read every content file that an inventory gives a digest for."""
    claims = _claims(inventories)
    for name in folders:
        for path in sorted(folders[name].content & claims.keys()):
            _check_file(folder, path, claims[path], findings)


def check_claims_agree(inventories: Inventories, findings: Findings) -> None:
    """Without reading: inventories that give one file two digests cannot both be right."""
    for path, claims in _claims(inventories).items():
        stated: dict[str, str] = {}
        for claim, where in claims.items():
            if stated.setdefault(claim.algorithm, claim.digest) != claim.digest:
                message = f"{where} gives another {claim.algorithm} than other inventories do"
                findings.add(claim.code, path, message)


def _check_prior_manifests(
    inventories: Inventories,
    folders: dict[str, VersionFolder],
    on_disk: frozenset[str],
    findings: Findings,
) -> None:
    known = inventories.root.manifest.paths.keys()
    versions = inventories.root.versions
    for version, inventory in inventories.prior:
        earlier = versions[: versions.index(version) + 1]
        there = {path for name in earlier if name in folders for path in folders[name].content}
        for path in sorted((known & there) - inventory.manifest.paths.keys()):
            message = f"a content file that {inventory.where} does not name in its manifest"
            findings.add("E023", path, message)
        for path in sorted(inventory.manifest.paths.keys() - on_disk - known):
            findings.add("E092", path, f"{inventory.where} names this file, but it is not there")


def _check_content_folders(
    root: InventoryFacts, folders: dict[str, VersionFolder], findings: Findings
) -> None:
    with_content = {path.partition("/")[0] for path in root.manifest.paths}
    for name, folder in folders.items():
        if name in with_content and not folder.has_content_folder:
            message = f"the version has files, but no folder {root.content_directory!r}"
            findings.add("E016", name, message)


def _claims(inventories: Inventories) -> Claims:
    claims: Claims = {}
    for inventory in inventories:
        if inventory.algorithm is not None:
            for path, digest in inventory.manifest.paths.items():
                claim = Claim(inventory.algorithm, digest, "E092")
                claims.setdefault(path, {}).setdefault(claim, inventory.where)
        for algorithm, block in inventory.fixity.items():
            for path, digest in block.paths.items():
                claim = Claim(algorithm, digest, "E093")
                claims.setdefault(path, {}).setdefault(claim, inventory.where)
    return claims


def _check_file(folder: Path, path: str, claims: dict[Claim, str], findings: Findings) -> None:
    try:
        actual = digests_of(chunks_of(folder / path), {claim.algorithm for claim in claims})
    except OSError as error:
        findings.add("E092", path, f"the file cannot be read: {reason(error)}")
        return
    for claim, where in claims.items():
        if actual[claim.algorithm] != claim.digest:
            message = f"its {claim.algorithm} is {actual[claim.algorithm]}"
            findings.add(claim.code, path, f"{message}, not what {where} says")
