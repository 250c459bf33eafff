"""Parse JSON that a stranger wrote: everything that can go wrong becomes one sentence.

RFC 8259 as OCFL 1.1 section 3.5 asks for it: UTF-8, no NaN, no halves of surrogate pairs. Keys
that stand twice are kept for the rules that forbid them (E096, E097). Reads no file.
"""

import json
import re
from collections import Counter
from typing import Any, NoReturn

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class Block(dict[str, Any]):
    """A JSON object that remembers which of its keys stood more than once; the last one counts."""

    repeated: tuple[str, ...] = ()


class JsonRefused(ValueError):
    """The bytes are not the JSON that OCFL asks for; the message says what is wrong."""


def parse_json(data: bytes) -> Any:
    """Raises JsonRefused, and nothing else, whatever the bytes are."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_block, parse_constant=_refuse_constant)
        if _SURROGATE_ESCAPE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonRefused(f"not UTF-8: byte {error.start} is {data[error.start]:#04x}") from error
    except UnicodeEncodeError as error:
        raise JsonRefused("a string has half of a surrogate pair, which UTF-8 cannot hold") from (
            error
        )
    except RecursionError as error:
        raise JsonRefused("nested deeper than any inventory can be") from error
    except ValueError as error:
        raise JsonRefused(f"not JSON: {error}") from error
    return value


def _block(pairs: list[tuple[str, Any]]) -> Block:
    block = Block(pairs)
    if len(block) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        block.repeated = tuple(key for key, times in counted.items() if times > 1)
    return block


def _refuse_constant(name: str) -> NoReturn:
    raise JsonRefused(f"{name} is not JSON")
