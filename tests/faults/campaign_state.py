"""What a fault campaign has done so far: kept in its folder, so that it goes on where it stopped.

A file of JSON for each way of dying, replaced whole after every case. Numbers only grow.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.crash_invariant import Verdict

_SUFFIX = ".kind.json"


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
    """All of a campaign. Several processes may work in its folder, each on kinds of its own."""

    folder: Path
    seed: int
    began_at: str
    commit: str
    remarks: list[str] = field(default_factory=list)  # a person's, for the page
    kinds: dict[str, Kind] = field(default_factory=dict)

    @classmethod
    def begin_or_go_on(cls, folder: Path, seed: int, began_at: str, commit: str) -> Self:
        """What is in the folder; a new campaign with these values where there is none."""
        folder.mkdir(parents=True, exist_ok=True)
        beginning = folder / "campaign.json"
        if not beginning.exists():
            said = {"seed": seed, "began_at": began_at, "commit": commit}
            _write(beginning, said)
        said = json.loads(beginning.read_text())
        kinds = {
            path.name.removesuffix(_SUFFIX): Kind(**json.loads(path.read_text()))
            for path in sorted(folder.glob(f"*{_SUFFIX}"))
        }
        remarks = said.get("remarks", [])
        return cls(folder, said["seed"], said["began_at"], said["commit"], remarks, kinds)

    def kind(self, name: str) -> Kind:
        return self.kinds.setdefault(name, Kind())

    def hits(self, family: str) -> Counter[str]:
        """Of each point, in all kinds of a family: "kill", or one of its own."""
        alike = (kind.hits for name, kind in self.kinds.items() if family in name)
        return sum(map(Counter, alike), Counter())

    def save(self, name: str) -> None:
        """One kind, as it stands."""
        _write(self.folder / f"{name}{_SUFFIX}", asdict(self.kind(name)))


def _write(path: Path, said: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(said, ensure_ascii=False, indent=1))
    part.replace(path)
