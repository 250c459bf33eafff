"""The verbs `findings` and `events`: what is on record in the catalogue, for keeper and api alike.

docs/operations/control.md. Reads only.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from daemon.control import Request
from storage.catalogue import acts, findings

_PAGE_MAX = 1000


class Look(Protocol):
    """Calls `act(connection, …)` in a reading transaction, outside the event loop."""

    def __call__(self, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]: ...


class Records:
    """What the verbs answer, as JSON values."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def verbs(self) -> dict[str, Callable[[Request], Any]]:
        """Verb → what answers it."""
        return {"findings": self.findings, "events": self.events}

    async def findings(self, request: Request) -> list[Any]:
        """A page of findings, newest first."""
        page = await self._look(
            findings.page,
            only_open=bool(request.number("open", 0)),
            node=request.text("node", "") or None,
            object_id=request.text("object_id", "") or None,
            before=request.number("before", 0) or None,
            limit=_limit(request),
        )
        listed: list[Any] = msgspec.to_builtins(page)
        return listed

    async def events(self, request: Request) -> dict[str, Any]:
        """A page of the ledger, in the order of recording."""
        limit = _limit(request)
        page = await self._look(
            acts.page,
            after=request.number("after", 0),
            object_id=request.text("object_id", "") or None,
            limit=limit + 1,
        )
        return {"events": msgspec.to_builtins(page[:limit]), "more": len(page) > limit}


def _limit(request: Request) -> int:
    return max(1, min(request.number("limit", 100), _PAGE_MAX))
