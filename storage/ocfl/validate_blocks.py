"""Blocks that map digests to paths: the manifest, each version's state, each part of fixity.

OCFL 1.1 sections 3.5.2 (manifest: E092, E096, E106, E107), 3.5.3.1 (state: E050) and 3.5.4
(fixity: E055 to E057, E093, E097, E111). Compares nothing with the disk. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage.ocfl.digest_algorithms import ALGORITHMS, CONTENT_ALGORITHMS, DigestAlgorithm
from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_json import Block
from storage.ocfl.validate_paths import (
    CONTENT_PATHS,
    LOGICAL_PATHS,
    PathRules,
    check_unique,
    is_clean,
)

# Which rule a digest breaks that is no hexadecimal at all (section 3.4); the others have none.
_ENCODING_RULES = {"sha1": "E029", "sha256": "E030", "sha512": "E031", "blake2b-512": "E032"}


@dataclass(frozen=True, slots=True)
class BlockRules:
    not_array: str
    repeated: str
    paths: PathRules


_MANIFEST = BlockRules(not_array="E092", repeated="E096", paths=CONTENT_PATHS)
_STATE = BlockRules(not_array="E050", repeated="E050", paths=LOGICAL_PATHS)
_FIXITY = BlockRules(not_array="E057", repeated="E097", paths=CONTENT_PATHS)


@dataclass(frozen=True, slots=True)
class DigestBlock:
    """What could be understood of a block."""

    digests: frozenset[str]  # as they are written
    paths: dict[str, str]  # path → digest in lower case


EMPTY_BLOCK = DigestBlock(frozenset(), {})


def read_manifest(
    block: Block, algorithm: str | None, findings: Findings, where: str
) -> DigestBlock:
    for digest in block:
        _check_content_digest(digest, algorithm, findings, where)
    return _read(block, _MANIFEST, findings, where)


def read_state(block: Block, manifest: DigestBlock, findings: Findings, where: str) -> DigestBlock:
    for digest in block:
        if digest not in manifest.digests:
            findings.add("E050", where, f"state digest {shown(digest)} is no key of the manifest")
    return _read(block, _STATE, findings, where)


def read_fixity(value: Any, version: str, findings: Findings, where: str) -> dict[str, DigestBlock]:
    """Algorithm → block, for the algorithms that OCFL or an extension names."""
    if not isinstance(value, Block):
        code = "E111" if version == "1.1" else "E056"
        findings.add(code, where, f"fixity must be a JSON object, not {shown(value)}")
        return {}
    _report_repeated(value, "E097", findings, f"{where}: fixity")
    blocks: dict[str, DigestBlock] = {}
    for algorithm, block in value.items():
        part = f"fixity of {shown(algorithm)}"
        if algorithm not in ALGORITHMS:
            message = f"{part}: neither OCFL nor a registered extension names this algorithm"
            findings.add("E056", where, message)
        elif not isinstance(block, Block):
            findings.add("E057", where, f"{part} must be a JSON object, not {shown(block)}")
        else:
            _check_fixity_digests(block, algorithm, findings, where)
            understood = _read(block, _FIXITY, findings, where)
            blocks[algorithm] = _well_formed(understood, ALGORITHMS[algorithm])
    return blocks


def check_fixity_paths(
    fixity: dict[str, DigestBlock], manifest: DigestBlock, findings: Findings, where: str
) -> None:
    for algorithm, block in fixity.items():
        for path in sorted(block.paths.keys() - manifest.paths.keys()):
            message = f"fixity of {algorithm} names {shown(path)}, which the manifest does not"
            findings.add("E057", where, message)


def check_all_used(
    manifest: DigestBlock, states: list[DigestBlock], findings: Findings, where: str
) -> None:
    used = {digest.lower() for state in states for digest in state.digests}
    for digest in sorted(manifest.digests):
        if digest.lower() not in used:
            findings.add("E107", where, f"no version's state uses manifest digest {shown(digest)}")


def _read(block: Block, rules: BlockRules, findings: Findings, where: str) -> DigestBlock:
    _report_repeated(block, rules.repeated, findings, where)
    lower_case: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for written, paths in block.items():
        # The same string where it is the same: an inventory of a million files has two million.
        digest = written if written.islower() else written.lower()
        if digest in lower_case:
            message = f"digest {shown(written)} stands twice, in upper and lower case"
            findings.add(rules.repeated, where, message)
        lower_case.add(digest)
        pairs.extend((path, digest) for path in _paths(written, paths, rules, findings, where))
    check_unique((path for path, _ in pairs), rules.paths, findings, where)
    return DigestBlock(frozenset(block), dict(pairs))


def _paths(
    digest: str, paths: Any, rules: BlockRules, findings: Findings, where: str
) -> Iterator[str]:
    if not isinstance(paths, list):
        message = f"digest {shown(digest)} must have an array of paths, not {shown(paths)}"
        findings.add(rules.not_array, where, message)
        return
    for path in paths:
        if not isinstance(path, str):
            message = f"a {rules.paths.what} must be a string, not {shown(path)}"
            findings.add(rules.paths.not_text, where, message)
            findings.add(rules.not_array, where, message)
        elif is_clean(path, rules.paths, findings, where):
            yield path


def _report_repeated(block: Block, code: str, findings: Findings, where: str) -> None:
    for key in block.repeated:
        findings.add(code, where, f"the key {shown(key)} stands twice")


def _check_content_digest(
    digest: str, algorithm: str | None, findings: Findings, where: str
) -> None:
    if algorithm is None or ALGORITHMS[algorithm].fits(digest):
        return
    message = f"manifest key {shown(digest)} is no {algorithm} digest"
    findings.add("E039", where, message)
    if not any(ALGORITHMS[name].fits(digest) for name in CONTENT_ALGORITHMS):
        findings.add("E025", where, message)
        findings.add("E092", where, message)
    _check_encoding(digest, algorithm, findings, where)


def _check_fixity_digests(block: Block, algorithm: str, findings: Findings, where: str) -> None:
    for digest in block:
        if not ALGORITHMS[algorithm].fits(digest):
            findings.add("E057", where, f"fixity key {shown(digest)} is no {algorithm} digest")
            _check_encoding(digest, algorithm, findings, where)


def _well_formed(block: DigestBlock, algorithm: DigestAlgorithm) -> DigestBlock:
    """What no digest of the algorithm can be is a finding already, and not compared with files."""
    paths = {path: digest for path, digest in block.paths.items() if algorithm.fits(digest)}
    return DigestBlock(block.digests, paths)


def _check_encoding(digest: str, algorithm: str, findings: Findings, where: str) -> None:
    hexadecimal = digest != "" and all(digit in "0123456789abcdefABCDEF" for digit in digest)
    if not hexadecimal and algorithm in _ENCODING_RULES:
        message = f"{shown(digest)} is not hexadecimal, as {algorithm} digests must be"
        findings.add(_ENCODING_RULES[algorithm], where, message)
