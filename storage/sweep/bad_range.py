"""Where in a damaged file the damage lies: by signed blocks, or by asking the disk page by page.

docs/formats/package.md, "Block roots". A block list is believed only if its root is the one that
the object's own file list names. Reads files that are condemned already; judges none.
"""

import os
import stat
from pathlib import Path

from storage.blocks import LEAF_BYTES, merkle_root
from storage.model import BLOCK_BYTES, FileEntry
from storage.sweep.evidence import BadRange

# What a disk gives or refuses as one piece.
_PAGE_BYTES = 4096
# How far behind the first refused page a disk is asked on: it may take seconds for each.
_PROBED_BYTES = 1024 * 1024


def bad_blocks(entry: FileEntry, leaves_file: Path, observed: bytes, size: int) -> BadRange | None:
    """The first to the last bad block of a file that was read as `observed` leaves, `size` bytes.

    None when nothing signed says more than that the whole file is bad.
    """
    leaves = signed_leaves(entry, leaves_file)
    bad = [] if leaves is None else differing(leaves, observed)
    return range_of(bad, max(size, entry.size_bytes)) if bad else None


def signed_leaves(entry: FileEntry, leaves_file: Path) -> bytes | None:
    """The block list, if its root is the signed one."""
    if entry.block_root is None:
        return None
    try:
        leaves = leaves_file.read_bytes()
    except OSError:
        return None
    if len(leaves) % LEAF_BYTES or merkle_root(leaves) != entry.block_root:
        return None
    return leaves


def differing(leaves: bytes, observed: bytes) -> list[int]:
    """The blocks whose leaves are not the same."""
    count = max(len(leaves), len(observed)) // LEAF_BYTES
    return [index for index in range(count) if leaf_of(leaves, index) != leaf_of(observed, index)]


def range_of(bad: list[int], size_bytes: int) -> BadRange:
    """From the first of these blocks to the last, of a file of this size."""
    end_offset = min((bad[-1] + 1) * BLOCK_BYTES, size_bytes)
    return BadRange(bad[0] * BLOCK_BYTES, end_offset, BLOCK_BYTES, len(bad))


def unreadable_range(path: Path, from_offset: int) -> BadRange | None:
    """The pages that the disk refuses from `from_offset` on; None if it now gives them all.

    Asked anew, 4 KiB at a time, at most 1 MiB far.
    """
    start = from_offset - from_offset % _PAGE_BYTES
    refused: list[int] = []
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        os.posix_fadvise(descriptor, start, _PROBED_BYTES, os.POSIX_FADV_DONTNEED)
        end = min(start + _PROBED_BYTES, os.fstat(descriptor).st_size)
        for offset in range(start, end, _PAGE_BYTES):
            try:
                os.pread(descriptor, _PAGE_BYTES, offset)
            except OSError:
                refused.append(offset)
    finally:
        os.close(descriptor)
    if not refused:
        return None
    return BadRange(refused[0], refused[-1] + _PAGE_BYTES, _PAGE_BYTES, len(refused))


def leaf_of(leaves: bytes, index: int) -> bytes:
    """One leaf of a list; empty behind its end."""
    return leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]
