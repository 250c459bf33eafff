"""The one place where bytes from a peer become messages, and messages become bytes.

docs/wire/README.md: a header (MessagePack, at most 4 096 bytes) and at most one data frame (1 MiB).
Knows no meaning; what each message says stands in messages.py.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from replication.messages import (
    DATA_BYTES_MAX,
    FRAMES_MAX,
    HEADER_BYTES_MAX,
    Answer,
    FromNode,
    MalformedMessage,
    Message,
    ToNode,
    WireRefusal,
)

_encoder = msgspec.msgpack.Encoder()
_to_node = msgspec.msgpack.Decoder(ToNode)
_from_node = msgspec.msgpack.Decoder(FromNode)


def encode(message: Message) -> bytes:
    """The header's bytes. Raises WireRefusal where an object id and a path do not fit a header."""
    header = _encoder.encode(message)
    if len(header) > HEADER_BYTES_MAX:
        raise WireRefusal(f"the header has {len(header)} bytes, over {HEADER_BYTES_MAX}")
    return header


def decode_to_node(frames: Sequence[bytes | memoryview]) -> ToNode:
    """What a peer says to a node. Raises nothing but MalformedMessage."""
    message = _decode(_to_node, frames)
    assert isinstance(message, ToNode)
    return message


def decode_from_node(frames: Sequence[bytes | memoryview]) -> FromNode:
    """What a node answers. Raises nothing but MalformedMessage."""
    message = _decode(_from_node, frames)
    assert isinstance(message, FromNode)
    return message


def members_of(answer: Answer) -> dict[str, Any]:
    """What an answer says, without the number of the request."""
    members = msgspec.structs.asdict(answer)
    del members["request"]
    return members


def shortened(text: str) -> str:
    """An error's text, as long as it may be in a `refused`."""
    return text if len(text) <= 400 else text[:399] + "…"


def _decode(
    decoder: msgspec.msgpack.Decoder[Message], frames: Sequence[bytes | memoryview]
) -> Message:
    if not 1 <= len(frames) <= FRAMES_MAX:
        raise MalformedMessage(f"a message has 1 or {FRAMES_MAX} frames, not {len(frames)}")
    header = frames[0]
    if len(header) > HEADER_BYTES_MAX:
        raise MalformedMessage(f"the header has {len(header)} bytes, over {HEADER_BYTES_MAX}")
    try:
        message = decoder.decode(header)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(shortened(f"the header cannot be read: {error}")) from error
    _check_data(message, frames[1] if len(frames) == FRAMES_MAX else None)
    return message


def _check_data(message: Message, data: bytes | memoryview | None) -> None:
    tag = type(message).__name__.lower()
    if data is None:
        if message.carries_data == "always":
            raise MalformedMessage(f"{tag} needs a data frame")
        return
    if message.carries_data == "never":
        raise MalformedMessage(f"{tag} carries no data frame")
    if len(data) > DATA_BYTES_MAX:
        raise MalformedMessage(f"the data frame has {len(data)} bytes, over {DATA_BYTES_MAX}")
