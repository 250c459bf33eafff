"""Read a range of a file whole.

read(2): a call may bring less than is there, as up to a page that the disk cannot read; the next
one then fails. Who takes what came for the end of the file calls a well one cut short.
"""

import os


def read_range(descriptor: int, length: int, offset: int) -> bytes:
    """`length` bytes from `offset` on; fewer only where the file ends. Raises OSError."""
    pieces: list[bytes] = []
    while length > 0 and (piece := os.pread(descriptor, length, offset)):
        pieces.append(piece)
        length -= len(piece)
        offset += len(piece)
    return b"".join(pieces)
