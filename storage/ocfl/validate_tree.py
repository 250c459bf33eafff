"""What lies in an object's folder: names, kinds and links, before any content is read.

OCFL 1.1 sections 3.1 (E001), 3.3 (E015, E046, W002), 3.3.1 (E024, W003) and 4.6 (E089, E090).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.ocfl.digest_algorithms import ALGORITHMS
from storage.ocfl.validate_declaration import OBJECT_RULES, declaration_names
from storage.ocfl.validate_extensions import FOLDER_NAME as EXTENSIONS
from storage.ocfl.validate_extensions import check_extensions
from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_inventory import InventoryFacts
from storage.ocfl.validate_reading import Entry, Kind, entries_of, reason
from storage.ocfl.validate_versions import looks_like_version

INVENTORY = "inventory.json"
_FREE_FOLDERS = ("logs", EXTENSIONS)


@dataclass(slots=True)
class HardLinks:
    """Which files with several names have been met, so that the second name is a finding (E090).

    A second name outside what is validated cannot be seen, and is not held against it.
    """

    _met: dict[tuple[int, int], str] = field(default_factory=dict)

    def other_name(self, entry: Entry, path: str) -> str | None:
        if entry.inode is None:
            return None
        first = self._met.setdefault(entry.inode, path)
        return first if first != path else None


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """One version's folder on the disk."""

    name: str
    files: frozenset[str]  # names of the regular files directly in it
    content: frozenset[str]  # content paths, relative to the object
    has_content_folder: bool


def sidecar_names(algorithm_name: str | None) -> frozenset[str]:
    """The sidecar's name; any sidecar's if the inventory does not say its algorithm."""
    names = ALGORITHMS if algorithm_name is None else (algorithm_name,)
    return frozenset(f"{INVENTORY}.{name}" for name in names)


def check_object_root(
    folder: Path, entries: list[Entry], facts: InventoryFacts | None, findings: Findings
) -> None:
    """Nothing but what OCFL describes may lie in an object's folder."""
    files = {INVENTORY, *declaration_names(entries, OBJECT_RULES)}
    files |= sidecar_names(facts.algorithm_name if facts else None)
    for entry in entries:
        if entry.kind is Kind.FOLDER:
            _check_root_folder(entry.name, facts, findings)
        else:
            check_kind(entry, entry.name, findings)
            if entry.name not in files or entry.kind is Kind.SPECIAL:
                message = f"a {entry.kind.value} that OCFL does not describe"
                findings.add("E001", entry.name, message)
    if any(entry.name == EXTENSIONS and entry.kind is Kind.FOLDER for entry in entries):
        check_extensions(folder, "E067", "W013", findings)


def check_kind(entry: Entry, path: str, findings: Findings) -> None:
    if entry.kind is Kind.LINK:
        findings.add("E090", path, "symbolic links must not be used")
    elif entry.kind is Kind.SPECIAL:
        findings.add("E089", path, "only files and folders can be kept, not a pipe or a device")


def check_hard_links(
    entries: list[Entry], below: str, links: HardLinks, findings: Findings
) -> None:
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        other = links.other_name(entry, f"{findings.prefix}/{path}")
        if other is not None:
            message = f"hard link to {shown(other.lstrip('/'))}: hard links must not be used"
            findings.add("E090", path, message)


def check_links(entries: list[Entry], below: str, links: HardLinks, findings: Findings) -> None:
    """Everything in a folder below the object's own: no links, nothing but files and folders."""
    for entry in entries:
        check_kind(entry, f"{below}/{entry.name}", findings)
    check_hard_links(entries, below, links, findings)


def check_free_folders(
    folder: Path, entries: list[Entry], links: HardLinks, findings: Findings
) -> None:
    """`logs` and `extensions` may hold anything but links (and what is no file)."""
    for entry in entries:
        if entry.name in _FREE_FOLDERS and entry.kind is Kind.FOLDER:
            for below, found in walk(folder, entry.name, "E001", findings):
                check_links(found, below, links, findings)


def read_version_folder(
    folder: Path, name: str, content_directory: str, links: HardLinks, findings: Findings
) -> VersionFolder:
    try:
        entries = entries_of(folder / name)
    except OSError as error:
        findings.add("E046", name, f"the version's folder cannot be read: {reason(error)}")
        return VersionFolder(name, frozenset(), frozenset(), has_content_folder=False)
    has_content_folder = False
    for entry in entries:
        path = f"{name}/{entry.name}"
        if entry.kind is not Kind.FOLDER:
            check_kind(entry, path, findings)
        elif entry.name == content_directory:
            has_content_folder = True
        else:
            findings.add("W002", path, "a folder in a version that is not its content directory")
    content: frozenset[str] = frozenset()
    if has_content_folder:
        content = _read_content(folder, f"{name}/{content_directory}", links, findings)
    files = frozenset(entry.name for entry in entries if entry.kind is not Kind.FOLDER)
    return VersionFolder(name, files, content, has_content_folder)


def check_version_files(
    version: VersionFolder, algorithm_name: str | None, findings: Findings
) -> None:
    """Beside the content, a version holds its inventory and that inventory's sidecar."""
    allowed = {INVENTORY} | sidecar_names(algorithm_name) if INVENTORY in version.files else set()
    for name in sorted(version.files - allowed):
        findings.add("E015", f"{version.name}/{name}", "a file beside the content directory")


def walk(
    folder: Path, start: str, unreadable: str, findings: Findings
) -> Iterator[tuple[str, list[Entry]]]:
    """(path below `folder`, entries) of `start` and every folder below it."""
    waiting = [start]
    while waiting:
        below = waiting.pop()
        try:
            entries = entries_of(folder / below)
        except OSError as error:
            findings.add(unreadable, below, f"the folder cannot be read: {reason(error)}")
            continue
        yield below, entries
        waiting.extend(
            f"{below}/{entry.name}" for entry in reversed(entries) if entry.kind is Kind.FOLDER
        )


def _check_root_folder(name: str, facts: InventoryFacts | None, findings: Findings) -> None:
    if name in _FREE_FOLDERS or (facts and name in facts.versions):
        return
    if not looks_like_version(name):
        findings.add("E001", name, "a folder that OCFL does not describe")
    elif facts:
        message = "a version's folder, but the newest inventory does not know that version"
        findings.add("E046", name, message)


def _read_content(
    folder: Path, content_folder: str, links: HardLinks, findings: Findings
) -> frozenset[str]:
    files: list[str] = []
    for below, entries in walk(folder, content_folder, "E092", findings):
        if not entries and below != content_folder:
            findings.add("E024", below, "an empty folder in a version's content")
        check_links(entries, below, links, findings)
        files.extend(f"{below}/{entry.name}" for entry in entries if entry.kind is Kind.FILE)
    if not files:
        findings.add("W003", content_folder, "a content directory without a file")
    return frozenset(files)
