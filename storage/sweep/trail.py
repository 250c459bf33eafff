"""How far the check of one large object has come, so that a killed sweep goes on from there.

docs/formats/volume.md, "sweep/". Written beside the root at most every 30 s or 1 GiB of reading,
by the process that checks. A trail that is damaged, or of another pass, copy or inventory, is no
trail: then the object is read from its beginning. What was found bad is always read again.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.blocks import LEAF_BYTES
from storage.durable import write_whole_file
from storage.sweep.model import ObjectToCheck

GIBIBYTE = 1024**3
_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class TrailRule:
    """How much reading a kill may cost, and from which size on a file has a trail of its own.

    The two times together, and with them what is read twice, stay under a minute.
    """

    batch_s: float = 20.0  # a process hands back what it checked after so long
    seconds_max: float = 30.0  # and writes down where it is in an object after so long
    bytes_max: int = GIBIBYTE
    large_file_bytes: int = GIBIBYTE


class Footprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trail as written down."""

    object_id: str
    inventory_sha256: str
    since: str  # when the pass began that it is of
    folder: tuple[int, int]  # device and inode of the copy
    began_at: str  # what was read, was read after this moment
    files_done: int  # of the manifest, in its order
    suspects: tuple[str, ...]  # files found wrong so far
    large_path: str  # the large file that was being read, or empty
    large_blocks: int  # of it; their leaves are in the file beside


class Trail:
    """Of one check of one object; used once."""

    def __init__(
        self,
        folder: Path,
        target: ObjectToCheck,
        since: str,
        began_at: str,
        rule: TrailRule,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        name = hashlib.sha256(target.object_id.encode()).hexdigest()[:32]
        self._path = folder / f"{name}.json"
        self._leaves_path = folder / f"{name}.leaves"
        self.rule = rule
        self._clock = clock
        status = target.folder.lstat()
        fresh = Footprint(
            target.object_id,
            target.inventory_sha256,
            since,
            (status.st_dev, status.st_ino),
            began_at,
            files_done=0,
            suspects=(),
            large_path="",
            large_blocks=0,
        )
        self._at = self._found(fresh) or fresh
        self._saved_s = clock()
        self._unsaved_bytes = 0

    @property
    def at(self) -> Footprint:
        """Where the check stood when it was last written down."""
        return self._at

    def leaves_of(self, path: str) -> bytes:
        """The leaves of a large file that were computed before the stop."""
        wanted = self._at.large_blocks * LEAF_BYTES
        if path != self._at.large_path or wanted == 0:
            return b""
        try:
            leaves = self._leaves_path.read_bytes()
        except OSError:
            return b""
        return leaves[:wanted] if len(leaves) >= wanted else b""

    def read(self, read_bytes: int) -> None:
        """So much more was read."""
        self._unsaved_bytes += read_bytes

    @property
    def is_due(self) -> bool:
        """Whether so much was read that it must not be lost."""
        return (
            self._unsaved_bytes >= self.rule.bytes_max
            or self._clock() - self._saved_s >= self.rule.seconds_max
        )

    def after_file(self, files_done: int, suspects: Sequence[str]) -> None:
        """Everything up to this file was looked at."""
        if self.is_due:
            self._save(files_done=files_done, suspects=tuple(suspects), large_path="")

    def within_file(
        self, files_done: int, suspects: Sequence[str], path: str, leaves: bytes
    ) -> None:
        """These blocks of a large file were read."""
        # The leaves first: a footprint never speaks of leaves that are not there.
        self._leaves_path.parent.mkdir(mode=0o750, exist_ok=True)
        write_whole_file(self._leaves_path, leaves)
        self._save(
            files_done=files_done,
            suspects=tuple(suspects),
            large_path=path,
            large_blocks=len(leaves) // LEAF_BYTES,
        )

    def end(self) -> None:
        """The object was judged: nothing is left to go on with."""
        for path in (self._path, self._leaves_path):
            path.unlink(missing_ok=True)

    def _save(self, **changes: object) -> None:
        # The checker cannot know which member has which type.
        self._at = msgspec.structs.replace(self._at, **changes)
        payload = msgspec.json.encode(self._at)
        self._path.parent.mkdir(mode=0o750, exist_ok=True)
        write_whole_file(self._path, hashlib.sha256(payload).hexdigest().encode() + payload)
        self._saved_s = self._clock()
        self._unsaved_bytes = 0

    def _found(self, fresh: Footprint) -> Footprint | None:
        footprint = read_footprint(self._path)
        if footprint is None:
            return None
        same = ("object_id", "inventory_sha256", "since", "folder")
        if any(getattr(footprint, name) != getattr(fresh, name) for name in same):
            return None
        return footprint


def read_footprint(path: Path) -> Footprint | None:
    """What is written there; None if nothing is, or nothing whole."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        content = path.read_bytes()
        digest, payload = content[:_DIGEST_CHARACTERS], content[_DIGEST_CHARACTERS:]
        if hashlib.sha256(payload).hexdigest().encode() == digest:
            return msgspec.json.decode(payload, type=Footprint)
    return None


def forget_trails(folder: Path, passes: frozenset[str]) -> None:
    """Remove what no unfinished pass, named by its beginning, will ask for."""
    for path in sorted(folder.glob("*.json")):
        footprint = read_footprint(path)
        if footprint is None or footprint.since not in passes:
            path.unlink(missing_ok=True)
            path.with_suffix(".leaves").unlink(missing_ok=True)
