"""What a fault campaign has done so far: kept in its folder, so that it goes on where it stopped.

One file of JSON, replaced whole after every case. Numbers only grow.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.crash_invariant import Verdict


@dataclass
class Kind:
    """One way of dying: SIGKILL in an appliance, a power cut on ext4, …"""

    cases: int = 0
    deaths: int = 0
    hits: dict[str, int] = field(default_factory=dict)  # by crash point
    tried: dict[str, int] = field(default_factory=dict)  # orders given, reached or not
    seconds: float = 0.0
    recovered_s: list[float] = field(default_factory=list)
    receipts: int = 0  # that were held against the disks
    copies: int = 0
    lost: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # cases that did not end as they must
    notes: dict[str, int] = field(default_factory=dict)

    def hit(self, points: list[str]) -> None:
        self.deaths += len(points)
        self.hits = dict(Counter(self.hits) + Counter(points))

    def order(self, points: list[str]) -> None:
        self.tried = dict(Counter(self.tried) + Counter(points))

    def note(self, what: str) -> None:
        self.notes[what] = self.notes.get(what, 0) + 1

    def judged(self, verdict: Verdict) -> None:
        self.receipts += verdict.receipts
        self.copies += verdict.copies
        self.lost += verdict.lost
        self.false += verdict.false
        self.duplicates += verdict.duplicates
        self.partial += verdict.partial

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.false or self.duplicates or self.partial or self.failures)


@dataclass
class State:
    """All of a campaign."""

    path: Path
    seed: int
    began_at: str
    commit: str
    kinds: dict[str, Kind] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        said: dict[str, Any] = json.loads(path.read_text())
        kinds = {name: Kind(**kind) for name, kind in said["kinds"].items()}
        return cls(path, said["seed"], said["began_at"], said["commit"], kinds)

    def kind(self, name: str) -> Kind:
        return self.kinds.setdefault(name, Kind())

    def save(self) -> None:
        said = asdict(self)
        del said["path"]
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(said, ensure_ascii=False, indent=1))
        part.replace(self.path)
