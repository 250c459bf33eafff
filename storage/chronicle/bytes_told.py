"""Bytes as members of a told row: text where they are UTF-8, base64 where not.

docs/formats/chronicle.md, "Rows". Pure.
"""

import base64

from storage.chronicle.page import PageMalformed, Value


def told_bytes(data: bytes) -> dict[str, str]:
    """Bytes as a member."""
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def read_bytes(value: Value) -> bytes:
    """A member as bytes. Raises PageMalformed."""
    match value:
        case {"text": str(text)}:
            return text.encode("utf-8")
        case {"base64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError as error:
                raise PageMalformed("bytes that are no base64") from error
    raise PageMalformed(f"bytes were expected, not {type(value).__name__}")
