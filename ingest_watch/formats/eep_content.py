"""Write the files that an EEP embeds, decoded while they stream past, into a folder of their own.

DA/T 48-2009 编码数据; RFC 2045 section 6.8 (Base64); docs/formats/package.md (`content/`). Names
are judged as those of an archive's entries, nothing is ever written over anything, and no file is
held in memory. Knows nothing of the document's structure.
"""

import binascii
import os
from contextlib import ExitStack
from pathlib import Path

from ingest_watch.archives.entry_names import EntryName, EntryRegister, entry_name
from ingest_watch.digest_pass import DigestPass, Pump, write_piece
from ingest_watch.findings import PackageRejected
from ingest_watch.formats.package_format import Decoded
from ingest_watch.limits import DEFAULT_LIMITS, IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.opening_rules import PATH_UNCLEAR, RATIO
from ingest_watch.target_tree import TargetTree
from storage.model import BLOCK_BYTES

_FOLDER, _LISTING = "opened", "opened.sqlite"
_WHITE_SPACE = dict.fromkeys(map(ord, " \t\r\n"))
# An earlier layer's files lie in a folder called as the element that holds it.
_EARLIER = "原封装包/"


class Base64Stream:
    """Decodes Base64 that comes in pieces; raises binascii.Error for what is none."""

    def __init__(self) -> None:
        self._left = ""
        self._has_ended = False

    def feed(self, piece: str) -> bytes:
        """Take the next characters; return the bytes that are whole."""
        text = self._left + piece.translate(_WHITE_SPACE)
        if not text:
            return b""
        if self._has_ended:
            raise binascii.Error("data after the padding")
        usable = len(text) // 4 * 4
        self._left = text[usable:]
        if "=" in text:
            self._has_ended = not self._left
            if self._left and "=" in text[:usable]:
                raise binascii.Error("data after the padding")
        return self._decoded(text[:usable])

    def finish(self) -> None:
        """Say that nothing more comes."""
        if self._left:
            raise binascii.Error("it is cut short")

    def _decoded(self, text: str) -> bytes:
        try:
            return binascii.a2b_base64(text.encode("ascii"), strict_mode=True) if text else b""
        except UnicodeEncodeError:
            raise binascii.Error("a character that Base64 does not have") from None


def content_name(name: str, layer: int = 0, limits: IntakeLimits = DEFAULT_LIMITS) -> EntryName:
    """Return where a file of this 计算机文件名 belongs; raises PackageRejected as archives do."""
    found = entry_name(name.encode(), name, limits)
    if found is None or found.is_folder:
        raise PackageRejected(PATH_UNCLEAR.found(name))
    if layer == 0:
        return found
    whole = _EARLIER * layer + found.path
    below = entry_name(whole.encode(), whole, limits)
    assert below is not None, "a path below a folder has a name"
    return below


class EmbeddedFile:
    """One file that is being written."""

    def __init__(self, path: str, target: int, listing: Listing) -> None:
        self._path = path
        self._target = target
        self._listing = listing
        self._stream = Base64Stream()
        # Its size is not known yet; a small one gets no block root in the end all the same.
        self._digests = DigestPass((), BLOCK_BYTES + 1)
        self.size_bytes = 0

    def feed(self, piece: str) -> None:
        """Take the next characters of 编码数据."""
        data = self._stream.feed(piece)
        self.size_bytes += len(data)
        self._digests.update(memoryview(data))
        write_piece(self._target, memoryview(data))

    def finish(self) -> None:
        """Close the file; raises binascii.Error if its data is cut short."""
        try:
            self._stream.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file as it is."""
        if self._target >= 0:
            os.close(self._target)
            self._target = -1
            self._listing.set_digests(self._digests.finish(self._path, None))


class Content:
    """The folder of decoded files, made when the first one is."""

    def __init__(self, work: Path, received_bytes: int, limits: IntakeLimits) -> None:
        self._folder = work / _FOLDER
        self._listing_path = work / _LISTING
        self._limits = limits
        self._copied_bytes = 0
        self._copied_bytes_max = max(
            limits.ratio_judged_above_bytes, limits.archive_ratio_max * received_bytes
        )
        self._stack = ExitStack()
        self._tree: TargetTree | None = None

    def create(self, name: EntryName) -> EmbeddedFile:
        """Start a file; raises PackageRejected if the name is taken."""
        return EmbeddedFile(name.path, self._new(name), self._listing)

    def copy(self, source: str, name: EntryName) -> None:
        """Write a file's bytes once more under another name (引用编码数据ID).

        Raises PackageRejected when such copies grow out of all proportion to what was received.
        """
        with ExitStack() as stack:
            reader = os.open(self._folder / source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, reader)
            size_bytes = os.fstat(reader).st_size
            self._copied_bytes += size_bytes
            if self._copied_bytes > self._copied_bytes_max:
                raise PackageRejected(RATIO.found(limit=self._limits.archive_ratio_max))
            writer = self._new(name)
            stack.callback(os.close, writer)
            digests = DigestPass((), size_bytes)
            whole = Pump().copy(reader, writer, size_bytes, digests)
            assert whole, "a file of our own changed while it was copied"
            self._listing.set_digests(digests.finish(name.path, None))

    def finish(self) -> Decoded | None:
        """Return what was written, if anything was."""
        is_empty = self._tree is None
        self._stack.close()
        return None if is_empty else Decoded(self._folder, self._listing_path)

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()

    def _new(self, name: EntryName) -> int:
        if self._tree is None:
            self._folder.mkdir(mode=0o700)
            self._tree = self._stack.enter_context(TargetTree(self._folder))
            self._listing = self._stack.enter_context(Listing.create(self._listing_path))
            self._register = EntryRegister(self._listing, self._limits)
        self._register.add(name, 0, is_folder=False)
        return self._tree.create(name.path)
