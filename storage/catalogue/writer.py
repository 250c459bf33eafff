"""One thread per process that writes the catalogue, many acts to a commit.

A commit waits for the disk: one row each gives about 2,000 a second here, a hundred rows each
71,000 (knowledge/performance.md). So while one group is being committed, the next one gathers; no
act waits for a clock. An act that is refused takes nobody with it: its group is undone and done
again, each act under a savepoint; so an act may be called twice, and must do nothing but use its
connection. No future is answered before its group is on the disk.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from storage.catalogue.engine import Catalogue, is_the_databases
from storage.catalogue.errors import CatalogueUnavailable
from storage.errors import LantaiError

P = ParamSpec("P")
T = TypeVar("T")

# More would make the first act of a group wait longer than it gains the last one.
GROUP_ACTS_MAX = 256
# Acts under way in this process; whoever comes later waits for a place.
PENDING_ACTS_MAX = 4096


class _Act:
    """One call that waits for its transaction."""

    __slots__ = ("call", "error", "future", "value")

    def __init__(self, call: Callable[[Connection], Any], future: asyncio.Future[Any]) -> None:
        self.call = call
        self.future = future  # belongs to the loop; the writer's thread only looks at it
        self.value: Any = None
        self.error: BaseException | None = None


class CatalogueWriter:
    """Takes acts from asyncio, commits them in groups, answers when they are durable."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._acts: SimpleQueue[_Act | None] = SimpleQueue()
        self._places = asyncio.Semaphore(PENDING_ACTS_MAX)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="catalogue-writer", daemon=True)
        self._thread.start()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def do(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `act(connection, …)` in the writer's thread; return once it is durable.

        Acts run in the order of asking. Raises what the act raised (its changes are undone), or
        CatalogueUnavailable (its whole group is undone). Cancelling does not undo an act.
        """
        if self._closed:
            raise CatalogueUnavailable("the catalogue's writer has been closed")
        async with self._places:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._acts.put(_Act(lambda connection: act(connection, *args, **kwargs), future))
            return await future

    async def look(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `act(connection, …)` in a reading transaction, in another thread."""

        def looked() -> T:
            return self._catalogue.look(act, *args, **kwargs)

        return await asyncio.to_thread(looked)

    async def close(self) -> None:
        """Finish what was asked, then end the thread. Idempotent."""
        if not self._closed:
            self._closed = True
            self._acts.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while self._commit_next():
            pass  # and nothing is held meanwhile of what the last group brought

    def _commit_next(self) -> bool:
        """Wait for acts and commit them; False after the last."""
        group, going = self._gather()
        if group:
            self._commit(group)
        return going

    def _gather(self) -> tuple[list[_Act], bool]:
        """Whatever is waiting, at least one act; False with the last group."""
        group: list[_Act] = []
        act = self._acts.get()
        with contextlib.suppress(Empty):
            while act is not None:
                if not act.future.cancelled():
                    group.append(act)
                if len(group) == GROUP_ACTS_MAX:
                    break
                act = self._acts.get_nowait()
        return group, act is not None

    def _commit(self, group: list[_Act]) -> None:
        """Commit all of them together; if one is refused, once more with each by itself."""
        try:
            try:
                self._transact(group, _perform)
            except CatalogueUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - some act's, and it is asked again below
                if len(group) == 1:
                    group[0].error = error
                else:
                    self._transact(group, _perform_apart)
        except Exception as error:  # noqa: BLE001 - the top of this thread: every waiter is told
            for act in group:
                act.error = _undone(error)
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            group[0].future.get_loop().call_soon_threadsafe(_answer, group)

    def _transact(self, group: list[_Act], perform: Callable[[Connection, _Act], None]) -> None:
        def all_of_them(connection: Connection) -> None:
            for act in group:
                perform(connection, act)

        self._catalogue.act(all_of_them)


def _answer(group: list[_Act]) -> None:
    """On the loop, once for the whole group: waking it for each act costs more than the act."""
    for act in group:
        if act.future.done():
            continue  # whoever asked has gone
        if act.error is None:
            act.future.set_result(act.value)
        else:
            act.future.set_exception(act.error)


def _perform(connection: Connection, act: _Act) -> None:
    act.value, act.error = act.call(connection), None


def _perform_apart(connection: Connection, act: _Act) -> None:
    """Under a savepoint: it costs as much as a small act, but one that is refused goes alone."""
    try:
        with connection.begin_nested():
            _perform(connection, act)
    except DBAPIError as error:
        if is_the_databases(error):
            raise  # it is in doubt: the whole group is given up
        act.error = error
    except Exception as error:  # noqa: BLE001 - handed to whoever asked, who must deal with it
        act.error = error


def _undone(error: Exception) -> Exception:
    if isinstance(error, LantaiError):
        return error
    return CatalogueUnavailable(f"the group of acts was undone: {error}")
