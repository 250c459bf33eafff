"""Read a value that a worker process sent, without trusting the worker.

A package may have taken its reader over, and a pickle can call anything. So only plain values are
made: data classes, enumerations, paths and errors, of modules that are loaded here already.
"""

import io
import pickle
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, ClassVar

from storage.errors import LantaiError

_PLAIN = (Enum, PurePath, LantaiError, OSError)


class NotPlain(LantaiError):
    """A worker sent something that is no plain value."""

    code: ClassVar[str] = "worker-untrustworthy"


class _Values(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type | Callable[[type, str], Enum]:
        if (module, name) == ("builtins", "getattr"):
            return _member
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, _PLAIN)):
            return found
        raise NotPlain(f"a worker sent a {module}.{name}")


def _member(enumeration: type, name: str) -> Enum:
    """What an enumeration's member is pickled as: an attribute of its class."""
    if not issubclass(enumeration, Enum):
        raise NotPlain("a worker sent an attribute")
    return enumeration[name]


def plain_value(sent: bytes) -> object:
    """Return the value in `sent`. Raises NotPlain."""
    try:
        return _Values(io.BytesIO(sent)).load()
    except NotPlain:
        raise
    except Exception as error:  # what malformed pickles raise is not documented
        raise NotPlain(f"a worker sent what cannot be read: {type(error).__name__}") from error
