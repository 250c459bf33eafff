"""A bounded cache whose values are made once, however many ask for one at the same time.

Least recently used goes first; the bound is on weight, in bytes. Failures are not kept. For one
event loop; makes no promise about when a value is dropped.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class SharedCache(Generic[_K, _V]):
    """Values by key, at most `bytes_max` of them by the caller's own weighing."""

    def __init__(self, bytes_max: int, weigh: Callable[[_V], int]) -> None:
        self._bytes_max = bytes_max
        self._weigh = weigh
        self._values: OrderedDict[_K, _V] = OrderedDict()
        self._bytes = 0
        self._making: dict[_K, asyncio.Task[_V]] = {}

    def __contains__(self, key: _K) -> bool:
        """Whether the value is there or being made."""
        return key in self._values or key in self._making

    @property
    def held_bytes(self) -> int:
        return self._bytes

    async def get(self, key: _K, make: Callable[[], Coroutine[Any, Any, _V]]) -> _V:
        """The value of `key`; made by `make` unless it is there, or being made already.

        Whoever is cancelled while waiting leaves the others their value.
        """
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        return await asyncio.shield(self.start(key, make))

    def start(self, key: _K, make: Callable[[], Coroutine[Any, Any, _V]]) -> asyncio.Task[_V]:
        """Have the value made in the background; a failure is for whoever asks by `get`."""
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(make())
            task.add_done_callback(lambda done: self._made(key, done))
        return task

    async def close(self) -> None:
        """Stop whatever is being made, and forget everything."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._values.clear()
        self._bytes = 0

    def _made(self, key: _K, task: asyncio.Task[_V]) -> None:
        del self._making[key]
        # Asking for the exception marks it as seen: with read-ahead, nobody else may.
        if task.cancelled() or task.exception() is not None:
            return
        value = task.result()
        self._values[key] = value
        self._bytes += self._weigh(value)
        while self._bytes > self._bytes_max and len(self._values) > 1:
            _, dropped = self._values.popitem(last=False)
            self._bytes -= self._weigh(dropped)
