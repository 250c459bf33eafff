"""Validate an OCFL storage root, 1.0 or 1.1: its own files, its hierarchy, and every object in it.

OCFL 1.1 section 4 (E072, E073, E081 to E088, E090, E112, W014 to W016) and 3.5.1 (E037: ids are
unique). Findings come as they are found, so that a root of any number of objects is judged in the
memory of one; only where no layout says where an id belongs, 16 bytes of each id are remembered.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.ocfl.layout import Layout
from storage.ocfl.validate_declaration import ROOT_RULES, check_declaration
from storage.ocfl.validate_extensions import FOLDER_NAME as EXTENSIONS
from storage.ocfl.validate_extensions import check_extensions
from storage.ocfl.validate_findings import Finding, Findings, SpecificationVersion, shown
from storage.ocfl.validate_layout import LAYOUT_FILE, check_place, read_layout
from storage.ocfl.validate_object import Examination, judge_object
from storage.ocfl.validate_reading import Entry, Kind, entries_of, reason
from storage.ocfl.validate_tree import INVENTORY, HardLinks, check_kind, check_links, walk


@dataclass(slots=True)
class RootExamination:
    """One pass over a storage root. `objects` and `current` may be read while it runs."""

    root: Path
    read_content: bool = True
    progress: Callable[[int, str], None] = lambda objects, path: None
    objects: int = 0
    _links: HardLinks = field(default_factory=HardLinks)
    _declared: SpecificationVersion | None = None
    _layout: Layout | None = None
    _depths: set[int] = field(default_factory=set)
    _ids: set[bytes] = field(default_factory=set)

    def findings(self) -> Iterator[Finding]:
        own = Findings()
        try:
            entries = entries_of(self.root)
        except OSError as error:
            own.add("E069", ".", f"the storage root cannot be read: {reason(error)}")
            yield from own
            return
        self._check_own_files(entries, own)
        yield from own
        for entry in entries:
            if entry.kind is Kind.FOLDER and entry.name != EXTENSIONS:
                yield from self._hierarchy(entry.name)
        yield from self._pattern()

    def _check_own_files(self, entries: list[Entry], findings: Findings) -> None:
        """Other files in the root's own folder are nobody's business (E087), unless links."""
        self._declared = check_declaration(self.root, entries, ROOT_RULES, findings)
        for entry in entries:
            check_kind(entry, entry.name, findings)
        if any(entry.name == LAYOUT_FILE for entry in entries):
            self._layout = read_layout(self.root, findings)
        if any(entry.name == EXTENSIONS and entry.kind is Kind.FOLDER for entry in entries):
            old = self._declared == "1.0"
            stray, unregistered = ("E086", "W013") if old else ("E112", "W016")
            check_extensions(self.root, stray, unregistered, findings)
            for below, found in walk(self.root, EXTENSIONS, stray, findings):
                check_links(found, below, self._links, findings)

    def _hierarchy(self, top: str) -> Iterator[Finding]:
        """One folder of the root and all below it, down to its objects."""
        objects_before = self.objects
        own = Findings()
        only_empty = True
        waiting = [top]
        while waiting:
            path = waiting.pop()
            try:
                entries = entries_of(self.root / path)
            except OSError as error:
                own.add("E085", path, f"the folder cannot be read: {reason(error)}")
                only_empty = False
                continue
            if is_object(entries):
                yield from self._object(path)
                continue
            _check_folder(path, entries, own)
            only_empty = only_empty and all(entry.kind is Kind.FOLDER for entry in entries)
            folders = [entry.name for entry in reversed(entries) if entry.kind is Kind.FOLDER]
            waiting.extend(f"{path}/{name}" for name in folders)
        if self.objects == objects_before and not only_empty:
            own.add("E088", top, "a folder in the storage root that leads to no object")
        yield from own

    def _object(self, path: str) -> Iterator[Finding]:
        self.progress(self.objects, path)
        self.objects += 1
        self._depths.add(path.count("/"))
        findings = Findings(prefix=path)
        facts = judge_object(
            Examination(self.root / path, findings, self._links, self.read_content)
        )
        yield from findings
        own = Findings()
        if self._declared and facts.declared and facts.declared > self._declared:
            message = f"an object of OCFL {facts.declared} in a storage root of {self._declared}"
            own.add("E081", path, message)
        if self._layout is not None:
            check_place(self._layout, facts.object_id, path, own)
        elif facts.object_id is not None:
            self._check_unique(facts.object_id, path, own)
        yield from own

    def _check_unique(self, object_id: str, path: str, findings: Findings) -> None:
        short = hashlib.blake2b(object_id.encode("utf-8"), digest_size=16).digest()
        if short in self._ids:
            message = f"another object of this storage root has the id {shown(object_id)}"
            findings.add("E037", path, message)
        self._ids.add(short)

    def _pattern(self) -> Iterator[Finding]:
        own = Findings()
        if 0 in self._depths and len(self._depths) > 1:
            own.add("W015", ".", "some objects lie at the top level, others in a hierarchy")
        elif len(self._depths) > 1 and self._layout is None:
            depths = ", ".join(str(depth + 1) for depth in sorted(self._depths))
            own.add("W014", ".", f"objects lie at several depths: {depths} folders down")
        yield from own


def is_object(entries: list[Entry]) -> bool:
    """Whether a folder is meant as an object: it has a declaration (right or not) or an inventory.

    What is wrong with it is then told in the codes for objects.
    """
    return any(
        entry.name == INVENTORY or entry.name.startswith("0=")
        for entry in entries
        if entry.kind is not Kind.FOLDER
    )


def _check_folder(path: str, entries: list[Entry], findings: Findings) -> None:
    """A folder of the hierarchy holds folders, and nothing else."""
    if not entries:
        findings.add("E073", path, "an empty folder")
        return
    for entry in entries:
        below = f"{path}/{entry.name}"
        if entry.kind is not Kind.FOLDER:
            check_kind(entry, below, findings)
            findings.add("E072", below, f"a {entry.kind.value} that is part of no object")
            findings.add("E084", below, f"a {entry.kind.value} in an intermediate folder")
    if all(entry.kind is not Kind.FOLDER for entry in entries):
        findings.add("E085", path, "the hierarchy ends here without an object")
