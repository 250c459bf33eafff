"""What the view needs of whoever reads the copies: file lists and bytes, verified.

docs/formats/package.md (`lantai/files.jsonl`, `lantai/names.jsonl`). The view knows no network:
`daemon` hands it the reader of `replication`, or any other that keeps the promises written here.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from storage.errors import LantaiError
from storage.model import FileEntry
from storage.view.holdings import HeldVersion
from storage.view.listing import FileListing, NameListing


class CopiesUnreachable(LantaiError):
    """No node that holds the object answered in time. It may be there later: never "not found"."""

    code: ClassVar[str] = "copies-unreachable"


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """The sender's files of one version, and the names among them that are not UTF-8."""

    files: FileListing
    names: NameListing


@dataclass(frozen=True, slots=True)
class ViewFile:
    """One file of one version: what an open file handle stands for."""

    held: HeldVersion
    entry: FileEntry


class Reader(Protocol):
    """Verified reads. What it returns has the digest that was signed at ingest, always.

    Every method raises VerificationFailed if all copies that answered are damaged, and
    CopiesUnreachable if none could be asked; it fails over between nodes by itself, and returns
    within a bounded time.
    """

    async def files(self, held: HeldVersion) -> VersionFiles:
        """What the sender sent: all files below `received/` and `content/`."""
        ...

    async def records(self, held: HeldVersion) -> FileListing:
        """What Lantai recorded: all files below `lantai/`."""
        ...

    async def read(self, file: ViewFile, offset: int, length: int) -> bytes:
        """Bytes from `offset` on: `length` of them, fewer only at the end of the file."""
        ...
