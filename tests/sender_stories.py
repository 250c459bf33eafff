"""Senders as they are: they stall, die, come back hours later, edit in place, roll times back.

A story is drawn from a seed: timed steps on a drop folder, and the content that is there when the
sender is done. The same story is played in memory (MemoryDrop) or on a disk (DiskDrop).
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingest_watch.drop_folder import DropFolder
from ingest_watch.settle import CompleteWhen, Observation, Scan, SettleRule, Unavailable
from ingest_watch.temporary_names import is_being_written, is_never_a_package

QUIET_S = 30.0
PATIENCE_S = 6 * 3600.0
_PAUSES_S = (0.5, 2.0, 7.0, 20.0, 29.0, 31.0, 61.0)
_STALL_S = 600.0
_DEATH_S = 3 * 3600.0


class Drop(Protocol):
    """A drop folder, as a sender writes into it and the intake looks at it."""

    def write(self, path: str, content: bytes) -> None:
        """Write in place: the same inode, another content."""
        ...

    def rename(self, path: str, new: str) -> None: ...
    def roll_time_back(self, path: str) -> None: ...
    def link(self, path: str) -> None: ...
    def content(self, name: str) -> dict[str, bytes]:
        """The files of the entry `name` by their paths, what marks it left out."""
        ...

    def scan(self) -> Scan | Unavailable: ...


@dataclass(frozen=True)
class Step:
    """Something the sender does at its time."""

    at_s: float
    words: str
    entries: frozenset[str]  # of the drop folder that it changes
    act: Callable[[Drop], None]


@dataclass
class Story:
    """One sender, from its first byte to its last."""

    seed: int
    rule: SettleRule
    name: str
    steps: list[Step] = field(default_factory=list)
    whole: dict[str, bytes] = field(default_factory=dict)
    marker: str | None = None
    is_honest: bool = True  # False: it edits after it has said that it is done

    def told(self) -> str:
        lines = [f"seed {self.seed}, {self.rule.complete_when}, {self.name}"]
        lines += [f"{step.at_s:10.1f} s  {step.words}" for step in self.steps]
        return "\n".join(lines)


def story(seed: int) -> Story:
    """The story of this seed."""
    return _Teller(seed).tell()


class _Teller:
    """Draws one story."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._now_s = 0.0
        kind = self._draw.choice(list(CompleteWhen))
        name = self._draw.choice(["case-0001", "case-0001", "档案-02", "case-0001.zip"])
        marker = b".done"
        if not name.endswith(".zip") and self._draw.random() < 0.4:
            marker = b"_COMPLETE"
        rule = SettleRule(kind, marker, QUIET_S, PATIENCE_S)
        self._story = Story(seed, rule, name)
        self._is_archive = name.endswith(".zip")

    def tell(self) -> Story:
        story, draw = self._story, self._draw
        files = self._files()
        story.whole = files
        top = story.name
        if story.rule.complete_when is CompleteWhen.RENAMED:
            top = draw.choice(["{}.part", "{}.tmp", ".{}.upload", "~{}", "{}.filepart"]).format(top)
        paths = {path: top + path.removeprefix(story.name) for path in files}
        for life in range(draw.choice([1, 1, 1, 2, 3])):
            if life:
                self._pause(_DEATH_S)
            self._deliver({paths[path]: content for path, content in files.items()})
        if story.rule.complete_when is CompleteWhen.PROVEN and draw.random() < 0.3:
            self._edit_and_mend(files)
        self._finish(top)
        return story

    def _files(self) -> dict[str, bytes]:
        draw = self._draw
        if self._is_archive:
            return {self._story.name: draw.randbytes(draw.randint(4, 60))}
        names = ["bagit.txt", "manifest-sha256.txt", "data/申请表.pdf", "data/scan/1.tif"]
        chosen = draw.sample(names, draw.randint(1, len(names)))
        return {
            f"{self._story.name}/{name}": draw.randbytes(draw.randint(4, 60)) for name in chosen
        }

    def _deliver(self, files: dict[str, bytes]) -> None:
        """One life of the sender's tool; all but the last one may end anywhere."""
        way = self._draw.choice([self._copy, self._copy_in_pieces, self._rsync])
        for path, content in files.items():
            way(path, content)

    def _copy(self, path: str, content: bytes) -> None:
        self._step(f"writes {path}", _writing(path, content), path)

    def _copy_in_pieces(self, path: str, content: bytes) -> None:
        cuts = sorted(self._draw.sample(range(1, len(content)), 2))
        for cut in (*cuts, len(content)):
            part = content[:cut]
            self._step(f"has {cut} of {len(content)} bytes of {path}", _writing(path, part), path)

    def _rsync(self, path: str, content: bytes) -> None:
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.AbC123".lstrip("/")
        self._copy_in_pieces(temporary, content)
        self._step(f"renames {temporary}", lambda drop: drop.rename(temporary, path), path)
        self._step(f"rolls {path} back", lambda drop: drop.roll_time_back(path), path)

    def _edit_and_mend(self, files: dict[str, bytes]) -> None:
        path, content = self._draw.choice(list(files.items()))
        wrong = bytes(byte ^ 1 for byte in content)
        self._step(f"edits {path} in place", _writing(path, wrong), path)
        self._step(f"rolls {path} back", lambda drop: drop.roll_time_back(path), path)
        if self._draw.random() < 0.5:
            self._step(f"links {path} elsewhere", lambda drop: drop.link(path), path)
        self._step(f"mends {path}", _writing(path, content), path)

    def _finish(self, top: str) -> None:
        story, draw = self._story, self._draw
        if top != story.name:
            self._step(f"renames {top}", lambda drop: drop.rename(top, story.name), story.name)
        if story.rule.complete_when is CompleteWhen.MARKER:
            if draw.random() < 0.3:
                self._pause(_DEATH_S)
            beside = story.rule.marker_beside(os.fsencode(story.name))
            marker = f"{story.name}/{os.fsdecode(story.rule.marker)}"
            story.marker = os.fsdecode(beside) if beside else marker
            self._step(f"marks it: {story.marker}", _writing(story.marker, b""), story.marker)
        if story.rule.complete_when is not CompleteWhen.PROVEN and draw.random() < 0.2:
            story.is_honest = False
            self._edit_and_mend(story.whole)

    def _pause(self, about_s: float) -> None:
        self._now_s += about_s * self._draw.uniform(0.5, 1.5)

    def _step(self, words: str, act: Callable[[Drop], None], *paths: str) -> None:
        stalls = self._draw.random() < 0.05
        self._pause(_STALL_S if stalls else self._draw.choice(_PAUSES_S))
        entries = frozenset(path.partition("/")[0] for path in paths)
        self._story.steps.append(Step(self._now_s, words, entries, act))


def _writing(path: str, content: bytes) -> Callable[[Drop], None]:
    return lambda drop: drop.write(path, content)


@dataclass
class _File:
    content: bytes
    inode: int
    modified: int
    changed: int


class MemoryDrop:
    """A drop folder in memory. Every change has a time of its own, as ctime promises."""

    def __init__(self, rule: SettleRule) -> None:
        self._rule = rule
        self._files: dict[str, _File] = {}
        self._ticks = 0

    def write(self, path: str, content: bytes) -> None:
        self._ticks += 1
        file = self._files.setdefault(path, _File(b"", self._ticks, 0, 0))
        file.content, file.modified, file.changed = content, self._ticks, self._ticks

    def rename(self, path: str, new: str) -> None:
        self._ticks += 1
        for old in [each for each in self._files if each == path or each.startswith(path + "/")]:
            self._files[new + old.removeprefix(path)] = self._files.pop(old)

    def roll_time_back(self, path: str) -> None:
        self._ticks += 1
        self._files[path].modified, self._files[path].changed = 0, self._ticks

    def link(self, path: str) -> None:
        self._ticks += 1
        self._files[path].changed = self._ticks

    def content(self, name: str) -> dict[str, bytes]:
        return {path: self._files[path].content for path in self._paths(name)}

    def scan(self) -> Scan | Unavailable:
        suffix = os.fsdecode(self._rule.marker_beside(b"") or b"/")
        tops = {path.partition("/")[0] for path in self._files}
        names = [name for name in tops if not name.endswith(suffix)]
        seen = [self._observe(name) for name in names if not is_never_a_package(os.fsencode(name))]
        return Scan({one.name: one for one in seen})

    def _paths(self, name: str) -> list[str]:
        inner = f"{name}/{os.fsdecode(self._rule.marker)}"
        mine = [path for path in self._files if path == name or path.startswith(name + "/")]
        return [path for path in mine if path != inner]

    def _observe(self, name: str) -> Observation:
        marker = self._rule.marker_beside(os.fsencode(name))
        beside = os.fsdecode(marker) if marker else f"{name}/{os.fsdecode(self._rule.marker)}"
        mine = {path: self._files[path] for path in self._files if path.split("/")[0] == name}
        return Observation(
            os.fsencode(name),
            is_folder=name not in mine,
            fingerprint=repr(sorted(mine.items(), key=lambda item: item[0])),
            has_marker=beside in self._files,
            has_unfinished_files=any(
                is_being_written(os.fsencode(part)) for path in mine for part in path.split("/")[1:]
            ),
        )


class DiskDrop:
    """A drop folder on a disk, looked at by the real scan."""

    def __init__(self, folder: Path, rule: SettleRule) -> None:
        self._drop = folder / "drop"
        self._drop.mkdir(parents=True)
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        self._rule = rule
        self._scanned = DropFolder(self._drop, folder / "identity.json", rule)

    def write(self, path: str, content: bytes) -> None:
        file = self._drop / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size == len(content):
            _let_the_clock_of_the_disk_tick(self._elsewhere / "tick", file.stat().st_ctime_ns)
        with file.open("r+b" if file.exists() else "xb") as opened:
            opened.write(content)
            opened.truncate()

    def rename(self, path: str, new: str) -> None:
        source, target = self._drop / path, self._drop / new
        source.rename(target)

    def roll_time_back(self, path: str) -> None:
        os.utime(self._drop / path, (1_000_000_000, 1_000_000_000))

    def link(self, path: str) -> None:
        free = self._elsewhere / str(sum(1 for _ in self._elsewhere.iterdir()))
        free.hardlink_to(self._drop / path)

    def content(self, name: str) -> dict[str, bytes]:
        return dict(self._contents(name))

    def scan(self) -> Scan | Unavailable:
        return self._scanned.scan()

    def _contents(self, name: str) -> Iterator[tuple[str, bytes]]:
        top = self._drop / name
        inner = top / os.fsdecode(self._rule.marker)
        for file in [top, *sorted(top.rglob("*"))]:
            if file.is_file() and file != inner:
                yield str(file.relative_to(self._drop)), file.read_bytes()


def _let_the_clock_of_the_disk_tick(probe: Path, after_ns: int) -> None:
    """Times of files move by the kernel's tick (4 ms): edits of real senders lie further apart."""
    while True:
        probe.touch()
        if probe.stat().st_ctime_ns > after_ns:
            return
