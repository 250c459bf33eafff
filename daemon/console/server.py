"""Read-only HTTP: the console page, and JSON and bytes for the sharing and use system.

RFC 9110. Behind the archive's own proxy, which decides who may come here. No script, no font and
no address outside: the page is one HTML document. Every byte of a file is verified before it goes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Protocol, Self
from urllib.parse import quote

import msgspec
from aiohttp import web
from jinja2 import Environment, select_autoescape

from daemon.cli.output import shown
from daemon.console.node_ages import NodeAges, objects_by_domain
from daemon.console.transfer_members import transfer_members
from daemon.control import ControlRefused
from daemon.lifecycle import Part
from monitoring.log import get_log
from monitoring.metrics import ApiMetrics
from storage.catalogue import (
    absences,
    dispatch_notes,
    figures,
    findings,
    held,
    tallies,
    transfer_lists,
)
from storage.catalogue.engine import Catalogue
from storage.catalogue.timestamps import to_text
from storage.errors import LantaiError
from storage.model import BLOCK_BYTES
from storage.view.reader import ViewFile

log = get_log(__name__)

_SHOWN = 50
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Files(Protocol):
    """Where verified files come from (daemon/roles/api.py)."""

    async def file(self, object_id: str, version: int, path: str) -> ViewFile: ...
    async def read_file(self, file: ViewFile, offset: int, length: int) -> bytes: ...


class Nodes(Protocol):
    """Who tells how long ago each node read its objects (node_ages.py)."""

    async def all(self) -> list[NodeAges]: ...


class Console:
    """What each route answers."""

    def __init__(
        self,
        archive: str,
        catalogue: Catalogue,
        verified: Files,
        nodes: Nodes,
        metrics: ApiMetrics,
    ) -> None:
        self._archive = archive
        self._catalogue = catalogue
        self._verified = verified
        self._nodes = nodes
        self._metrics = metrics
        environment = Environment(autoescape=select_autoescape(default=True), finalize=shown)
        environment.filters["moment"] = _in_words
        self._page = environment.from_string(
            (files("daemon.console") / "page.html").read_text(encoding="utf-8")
        )

    def application(self) -> web.Application:
        """The routes of docs/operations/http.md."""
        application = web.Application(middlewares=[self._measured])
        application.router.add_get("/", self._show_page)
        application.router.add_get("/packages", self._list_packages)
        application.router.add_get("/transfers", self._list_transfers)
        application.router.add_get("/file", self._send_file)
        return application

    @web.middleware
    async def _measured(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        route = request.match_info.route.resource
        name = route.canonical if route is not None else "unknown"
        began = time.monotonic()
        response = await self._answered(request, handler)
        self._metrics.requests.labels(request.method, name, str(response.status)).inc()
        self._metrics.request_seconds.labels(name).observe(time.monotonic() - began)
        return response

    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            body = {"code": "http", "message": error.reason}
            return web.json_response(body, status=error.status, headers=_HEADERS)
        except ControlRefused as refusal:
            body = {"code": "not-found", "message": str(refusal)}
            return web.json_response(body, status=404, headers=_HEADERS)
        except LantaiError as error:
            body = {"code": error.code, "message": str(error)}
            return web.json_response(body, status=503, headers=_HEADERS)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _show_page(self, _request: web.Request) -> web.Response:
        look = self._catalogue.look
        nodes = await self._nodes.all()
        at = to_text(datetime.now(UTC))
        absent = await asyncio.to_thread(look, absences.present, at)
        facts = {
            "nodes": nodes,
            "domains": objects_by_domain(nodes),
            "archive": self._archive,
            "safety": await asyncio.to_thread(look, figures.safety, absences.nodes_of(absent)),
            "sources": await asyncio.to_thread(look, tallies.holdings),
            "notes": await asyncio.to_thread(look, dispatch_notes.open_notes),
            "transfers": await asyncio.to_thread(look, transfer_lists.page, limit=_SHOWN),
            "findings": await asyncio.to_thread(look, findings.page, limit=_SHOWN),
            "packages": await asyncio.to_thread(look, held.stored_after, "", None, _SHOWN),
        }
        return web.Response(text=self._page.render(facts), content_type="text/html")

    async def _list_packages(self, request: web.Request) -> web.Response:
        after, source = request.query.get("after", ""), request.query.get("source")
        page = await asyncio.to_thread(
            self._catalogue.look, held.stored_after, after, source, _SHOWN
        )
        return _json(page)

    async def _list_transfers(self, _request: web.Request) -> web.Response:
        page = await asyncio.to_thread(self._catalogue.look, transfer_lists.page, limit=_SHOWN)
        return _json([transfer_members(each) for each in page])

    async def _send_file(self, request: web.Request) -> web.StreamResponse:
        object_id, path = request.query.get("object_id", ""), request.query.get("path", "")
        file = await self._verified.file(object_id, 0, path)
        # The first block decides between an answer and an error; later ones can only break it off.
        first = await self._verified.read_file(file, 0, min(BLOCK_BYTES, file.entry.size_bytes))
        response = web.StreamResponse(headers=_HEADERS)
        response.content_type = "application/octet-stream"
        response.content_length = file.entry.size_bytes
        name = quote(path.rpartition("/")[2])
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        response.headers["Digest"] = f"sha-256={file.entry.sha256}"
        await response.prepare(request)
        if request.method != "HEAD":
            await self._send_content(request, response, file, first)
        return response

    async def _send_content(
        self, request: web.Request, response: web.StreamResponse, file: ViewFile, first: bytes
    ) -> None:
        """Send every byte, or break off: after the head, words of ours would pass for content."""
        try:
            await response.write(first)
            for offset in range(len(first), file.entry.size_bytes, BLOCK_BYTES):
                await response.write(await self._verified.read_file(file, offset, BLOCK_BYTES))
        except LantaiError as error:
            log.warning("console.file.broken-off", code=error.code, path=file.entry.path)
            if request.transport is not None:
                request.transport.abort()


class ConsoleServer:
    """Serves a console at one address; used as an async context."""

    def __init__(self, bind: str, console: Console) -> None:
        self._host, _, port = bind.rpartition(":")
        self._port = int(port)
        self._runner = web.AppRunner(console.application(), access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host.strip("[]"), self._port).start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._runner.cleanup()

    async def wait(self, part: Part) -> None:
        """Beat; requests are answered as they come."""
        while True:
            part.beat(f"Answering at http://{self._host}:{self._port}/")
            await part.pause(5)


def _in_words(moment: str | None) -> str:
    """A moment as people read it, in UTC: "2026-11-22 11:21:27 UTC"."""
    return "—" if moment is None else f"{moment[:10]} {moment[11:19]} UTC"


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
