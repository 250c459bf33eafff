"""Blocks that tell where they belong: a disk that loses or misplaces one cannot hide it.

Every 4 KiB block begins with this run's nonce, its own position and its generation. An old
generation is a lost write, another position a misdirected one. Pure: bytes in, bytes out.
"""

import secrets
import struct
from dataclasses import dataclass, field

BLOCK_BYTES = 4096
PIECE_BYTES = 1024 * 1024

_HEADER = struct.Struct("<16sQI4x")
_NOISE_BYTES = 1024 * 1024
# Odd, so that neighbours, and blocks a power of two apart, differ in every byte.
_STEP = 4099


@dataclass(frozen=True, slots=True)
class Pattern:
    """One run's blocks. No two of them are alike, so that no controller can store one for two."""

    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    noise: bytes = field(default_factory=lambda: secrets.token_bytes(_NOISE_BYTES))

    def piece(self, position: int, generation: int, length: int = PIECE_BYTES) -> bytes:
        """The bytes from block `position` on; `length` is whole blocks."""
        return b"".join(
            self._block(position + number, generation) for number in range(length // BLOCK_BYTES)
        )

    def difference(self, found: bytes, position: int, generation: int) -> str | None:
        """What is wrong with what was read from block `position` on; None if nothing is."""
        expected = self.piece(position, generation, len(found) // BLOCK_BYTES * BLOCK_BYTES)
        if found == expected:
            return None
        for number in range(-(-len(found) // BLOCK_BYTES)):
            place = slice(number * BLOCK_BYTES, (number + 1) * BLOCK_BYTES)
            if found[place] != expected[place]:
                return self._judge(found[place], position + number, generation)
        return "bytes are missing"

    def _block(self, position: int, generation: int) -> bytes:
        header = _HEADER.pack(self.nonce, position, generation)
        length = BLOCK_BYTES - len(header)
        start = (position * _STEP + generation * 7) % (_NOISE_BYTES - length)
        return header + self.noise[start : start + length]

    def _judge(self, block: bytes, position: int, generation: int) -> str:
        if len(block) < BLOCK_BYTES:
            return f"block {position} ends after {len(block)} bytes"
        nonce, other, older = _HEADER.unpack_from(block)
        if nonce == self.nonce and (other, older) != (position, generation):
            if other != position:
                return f"misdirected write: block {position} holds what was written to {other}"
            return f"lost write: block {position} holds generation {older}, not {generation}"
        return f"block {position} holds other bytes than were written"
