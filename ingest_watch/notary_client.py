"""Ask the notary, over its Unix socket, to sign one answer.

Frames of a 4-byte big-endian length and that many bytes: the body goes; back comes one byte, 0
or 1, and then 64 bytes of signature or a JSON refusal. Asks and waits; it never holds a key.
"""

import asyncio
import struct
from io import BytesIO
from pathlib import Path

import msgspec

from storage.errors import LantaiError, Refusal

SIGNED = b"\0"
REFUSED = b"\1"

_LENGTH = struct.Struct(">I")
_CHUNK_BYTES = 1 << 20
_REPLY_BYTES_MAX = 64 * 1024
_ANSWER_WITHIN_S = 60.0


class NotaryRefused(Refusal):
    """The notary examined the statement and will not sign it."""

    code = "notary-refused"


class NotaryUnreachable(LantaiError):
    """The notary did not answer; nothing was signed, asking again is safe."""

    code = "notary-unreachable"


class NotaryReply(msgspec.Struct, frozen=True):
    """A refusal, as the notary words it."""

    code: str
    message: str


async def read_frame(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """Read one frame. Raises IncompleteReadError at the end, ValueError when it is too long."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > bytes_max:
        raise ValueError(f"a frame of {length} bytes exceeds {bytes_max}")
    frame = BytesIO()  # its bytes are held once, however many they are
    while missing := length - frame.tell():
        piece = await reader.read(min(missing, _CHUNK_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", missing)
        frame.write(piece)
    return frame.getvalue()


async def write_frame(writer: asyncio.StreamWriter, payload: bytes) -> None:
    """Write one frame and wait until the socket took it, so that no copy of it piles up."""
    writer.write(_LENGTH.pack(len(payload)))
    for begun in range(0, len(payload), _CHUNK_BYTES):
        writer.write(payload[begun : begun + _CHUNK_BYTES])
        await writer.drain()
    await writer.drain()


async def sign(socket: Path, body: bytes) -> bytes:
    """Return the notary's 64-byte signature over `body`.

    Idempotent: Ed25519 gives the same signature for the same body. Raises NotaryRefused with the
    notary's reason, or NotaryUnreachable when it does not answer within a minute.
    """
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reply = await _ask(socket, body)
    except (OSError, EOFError, ValueError) as error:
        raise NotaryUnreachable(f"no answer from the notary at {socket}: {error}") from error
    verdict, rest = reply[:1], reply[1:]
    if verdict == SIGNED:
        return rest
    refusal = msgspec.json.decode(rest, type=NotaryReply)
    raise NotaryRefused(f"{refusal.message} ({refusal.code})")


async def _ask(socket: Path, body: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        await write_frame(writer, body)
        return await read_frame(reader, _REPLY_BYTES_MAX)
    finally:
        writer.close()
