"""One attack of the catalogue, and the place it is made at: a drop folder, a staging, a reader.

The reader is the product's own: a confined process that stages, judges and builds.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ingest_watch.findings import PackageRejected
from ingest_watch.format_identification import FormatService, identifier_kind
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import (
    Acceptable,
    Changed,
    Job,
    NoRoom,
    Preparation,
    Profile,
    Unacceptable,
    Undecided,
)
from ingest_watch.reader_kind import reader_kind
from ingest_watch.workers import Workers
from tests.bags import bag_files, manifest, write_files
from tests.conftest import WaitUntil

MEBIBYTE = 1024**2
SECRET = b"what only the archive may read"
_PEAK_KIB = "__import__('resource').getrusage(0).ru_maxrss"


@dataclass
class Place:
    """Where one attack is made, and what it cost."""

    root: Path
    wait_until: WaitUntil
    workers: Workers
    identifier: Workers
    seconds: float = 0.0
    peak_bytes: int = 0
    bytes_outside: int = 0
    _jobs: int = 0
    prepared: list[Preparation] = field(default_factory=list)

    @staticmethod
    def at(root: Path, wait_until: WaitUntil) -> "Place":
        for name in ("drop", "staging", "outside"):
            (root / name).mkdir(parents=True)
        (root / "outside" / "secret.txt").write_bytes(SECRET)
        identifier = Workers(1, identifier_kind())
        readers = Workers(1, reader_kind(4), FormatService(identifier).answer)
        return Place(root, wait_until, readers, identifier)

    @property
    def drop(self) -> Path:
        return self.root / "drop"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    def close(self) -> None:
        self.workers.close()
        self.identifier.close()

    def job(self, name: str, format_name: str = "bagit") -> Job:
        """A job on the entry `name`, with a working folder of its own."""
        self._jobs += 1
        return Job(
            archive="馆",
            source="portal",
            name_raw=os.fsencode(name),
            name=name,
            drop=self.drop,
            work=self.staging / str(self._jobs),
            received_at="2026-11-22T08:00:00Z",
            profile=Profile((format_name,), "name"),
        )

    async def judge(self, name: str = "case", *, drop_is_still: bool = True) -> str:
        """Have the entry read, and say what came of it."""
        return await self.read(self.job(name), drop_is_still=drop_is_still)

    async def read(self, job: Job, *, drop_is_still: bool = True) -> str:
        watched = [self.outside, *([self.drop] if drop_is_still else [])]
        before = [_snapshot(folder) for folder in watched]
        began_s = time.monotonic()
        prepared = await PackageReaders(self.workers).prepare(job)
        self.seconds += time.monotonic() - began_s
        self.prepared.append(prepared)
        await self.weigh()
        for folder, seen in zip(watched, before, strict=True):
            self.bytes_outside += _written(seen, _snapshot(folder))
        assert {path.name for path in self.root.iterdir()} == {"drop", "staging", "outside"}
        if isinstance(prepared, Acceptable):
            _expect_ordinary_files(prepared.work)
        return outcome_of(prepared)

    async def carry_out(self, source: str) -> str:
        """Have the reader run this text; say what it refused."""
        began_s = time.monotonic()
        try:
            await self.workers.run(exec, source)
        except PackageRejected as refusal:
            return f"rejected: {', '.join(sorted(found.code for found in refusal.findings))}"
        finally:
            self.seconds += time.monotonic() - began_s
            await self.weigh()
        return "read: nothing is fetched"

    async def weigh(self) -> None:
        """Note the most memory that the reader ever had."""
        peak_kib: int = await self.workers.run(eval, _PEAK_KIB)
        self.peak_bytes = max(self.peak_bytes, peak_kib * 1024)


@dataclass(frozen=True)
class Attack:
    """One way of the catalogue's row `row`, and what must come of it.

    `expected` is "rejected: CODE, …" (these and no others), "accepted", "accepted: CODE, …" (with
    at least these remarks), "waits: WHY", or what else `strike` says.
    """

    row: int
    title: str
    strike: Callable[[Place], Awaitable[str]]
    expected: str
    needs_root: bool = False

    @property
    def name(self) -> str:
        return f"A{self.row} {self.title}"

    def came_true(self, outcome: str) -> bool:
        """Whether `outcome` is what was expected."""
        kind, _, codes = self.expected.partition(": ")
        found_kind, _, found = outcome.partition(": ")
        if kind != "accepted":
            return outcome == self.expected
        wanted = set(codes.split(", ")) if codes else set()
        return kind == found_kind and wanted <= set(found.split(", "))


def file_attack(
    row: int,
    title: str,
    content: bytes | Callable[[], bytes],
    expected: str,
    name: str = "case.zip",
) -> Attack:
    """An attack that is one file in the drop folder."""

    async def strike(place: Place) -> str:
        made = content() if callable(content) else content
        await asyncio.to_thread((place.drop / name).write_bytes, made)
        return await place.judge(name)

    return Attack(row, title, strike, expected)


def bag_attack(
    row: int,
    title: str,
    files: Mapping[str, bytes],
    expected: str,
    change: Callable[[Path], object] = bool,
) -> Attack:
    """An attack that is a folder of these files, changed as `change` does."""

    async def strike(place: Place) -> str:
        change(write_files(place.drop / "case", files))
        return await place.judge()

    return Attack(row, title, strike, expected)


def folder_attack(row: int, title: str, change: Callable[[Path], object], expected: str) -> Attack:
    """An attack that is a good bag's folder, changed as `change` does."""
    return bag_attack(row, title, bag_files(), expected, change)


def bag_of_names(*names: str, info: str = "External-Identifier: case-0001\n") -> dict[str, bytes]:
    """A bag with payload of these names, listed as RFC 8493 asks."""
    payload = {f"data/{name}": b"x" for name in names}
    listed = {path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D"): content
              for path, content in payload.items()}  # fmt: skip
    return bag_files(
        payload, info=info, changed={"manifest-sha256.txt": manifest("sha256", listed)}
    )


def outcome_of(prepared: Preparation) -> str:
    """One line on what came of a package."""
    match prepared:
        case Acceptable(checks=checks):
            remarks = _codes(checks)
            return f"accepted: {', '.join(sorted(remarks))}" if remarks else "accepted"
        case Unacceptable(reasons=reasons):
            return f"rejected: {', '.join(sorted({reason.code for reason in reasons}))}"
        case Undecided(reasons=reasons):
            return f"held: {', '.join(sorted({reason.code for reason in reasons}))}"
        case Changed():
            return "waits: it changed"
        case NoRoom():
            return "waits: no room"


def _codes(checks: tuple[bytes, ...]) -> set[str]:
    return {
        finding["code"]
        for check in checks
        for finding in msgspec.json.decode(check).get("findings", ())
    }


def _snapshot(folder: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = f"{parent}/{name}"
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def _written(before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]) -> int:
    """How many bytes lie where other or no bytes lay; a name alone counts as one."""
    assert before.keys() <= after.keys(), "something was removed"
    return sum(
        max(1, size) for path, (*_, size, _) in after.items() if before.get(path) != after[path]
    )


def _expect_ordinary_files(work: Path) -> None:
    for parent, _, files in os.walk(work / "content" / "received"):
        for name in files:
            status = os.lstat(f"{parent}/{name}")
            assert (status.st_mode, status.st_nlink) == (0o100440, 1), name
