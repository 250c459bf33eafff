"""The console over real HTTP: no wrong byte, no foreign markup, no traceback.

The verified reader is a test's own (console.server.Files): it gives some blocks and then refuses,
as a reader does when no copy is left that verifies.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from daemon.console.node_ages import NodeAges, objects_by_domain
from daemon.console.server import Console, ConsoleServer
from daemon.control import ControlRefused
from monitoring.metrics import ApiMetrics, new_registry
from storage.catalogue import transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Arrival
from storage.errors import VerificationFailed
from storage.model import BLOCK_BYTES, FileEntry
from storage.sweep.account import CheckedAges
from storage.view.holdings import HeldVersion
from storage.view.reader import ViewFile

CONTENT = bytes(range(256)) * (3 * BLOCK_BYTES // 256)
HOSTILE = '<script src="//evil.example/x.js"></script>&amp;\u202e'


@dataclass
class OneFile:
    """One file of three blocks; those from `good_bytes` on do not verify."""

    held: HeldVersion
    good_bytes: int = len(CONTENT)
    read_offsets: list[int] = field(default_factory=list)

    async def file(self, object_id: str, _version: int, path: str) -> ViewFile:
        if object_id != "lantai:s/case":
            raise ControlRefused(f"nothing is kept under {object_id!r}")
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        return ViewFile(self.held, FileEntry(path, len(CONTENT), sha256, "0" * 64))

    async def read_file(self, _file: ViewFile, offset: int, length: int) -> bytes:
        self.read_offsets.append(offset)
        if offset >= self.good_bytes:
            raise VerificationFailed("no copy has these bytes")
        return CONTENT[offset : offset + length]


class TwoNodes:
    """One node that answers, and one that does not."""

    async def all(self) -> list[NodeAges]:
        ages = CheckedAges(under_7_days=4711, never=3)
        return [
            NodeAges("node-1", "room-a", ages, "2026-11-20T00:00:00.000000Z"),
            NodeAges("node-2", "room-b", None, None),
        ]


@dataclass
class Served:
    """A console that listens."""

    url: str
    verified: OneFile
    catalogue: Catalogue


@pytest.fixture
async def served(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Served]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    verified = OneFile(HeldVersion("lantai:s/case", 1, "0" * 64, "2026-11-22T00:00:00Z", ("n",)))
    metrics = ApiMetrics(new_registry("api", "api"))
    bind = f"127.0.0.1:{free_port()}"
    async with ConsoleServer(bind, Console("馆", catalogue, verified, TwoNodes(), metrics)):
        yield Served(f"http://{bind}", verified, catalogue)
    catalogue.close()


async def test_the_page_shows_ages_by_node_and_claims_nothing_of_one_that_is_away(
    served: Served,
) -> None:
    async with aiohttp.ClientSession() as http, http.get(served.url) as got:
        page = await got.text()
    assert '<td class="number">4711</td>' in page
    assert "room-a 4714" in page
    assert "room-b 未知 not known" in page
    assert "No answer: not known" in page


def test_a_domain_with_a_silent_node_has_no_known_number_of_copies() -> None:
    known = NodeAges("node-1", "room-a", CheckedAges(never=1), None)
    silent = NodeAges("node-2", "room-a", None, None)
    assert objects_by_domain([known, known]) == {"room-a": 2}
    assert objects_by_domain([silent, known]) == {"room-a": None}


async def test_a_file_is_sent_whole_with_its_digest(served: Served) -> None:
    query = {"object_id": "lantai:s/case", "path": "received/data/a b.bin"}
    async with aiohttp.ClientSession() as http, http.get(f"{served.url}/file", params=query) as got:
        assert got.status == 200
        assert await got.read() == CONTENT
        assert got.headers["Digest"] == f"sha-256={hashlib.sha256(CONTENT).hexdigest()}"
        assert got.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_that_stops_verifying_is_broken_off_and_never_completed_with_other_bytes(
    served: Served,
) -> None:
    served.verified.good_bytes = BLOCK_BYTES
    received = bytearray()
    query = {"object_id": "lantai:s/case", "path": "received/data/a.bin"}
    async with aiohttp.ClientSession() as http, http.get(f"{served.url}/file", params=query) as got:
        with pytest.raises(aiohttp.ClientPayloadError):
            await _read_into(received, got)
    assert CONTENT.startswith(received)


async def test_a_file_without_a_good_first_block_is_an_error_in_json(served: Served) -> None:
    served.verified.good_bytes = 0
    query = {"object_id": "lantai:s/case", "path": "received/data/a.bin"}
    async with aiohttp.ClientSession() as http, http.get(f"{served.url}/file", params=query) as got:
        assert got.status == 503
        assert (await got.json())["code"] == VerificationFailed.code


async def test_head_tells_length_and_digest_and_sends_nothing(served: Served) -> None:
    query = {"object_id": "lantai:s/case", "path": "received/data/a.bin"}
    async with (
        aiohttp.ClientSession() as http,
        http.head(f"{served.url}/file", params=query) as got,
    ):
        assert got.status == 200
        assert got.content_length == len(CONTENT)
        assert await got.read() == b""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/file", 404),
        ("GET", "/file?object_id=x&path=../../etc/passwd", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/%ff%00", 404),
        ("POST", "/", 405),
        ("DELETE", "/file?object_id=lantai:s/case&path=a", 405),
        ("GET", "/packages?after=%ff&source=%00", 200),
        ("HEAD", "/", 200),
    ],
)
async def test_odd_requests_get_plain_refusals_and_the_same_headers(
    served: Served, method: str, path: str, status: int
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, served.url + path) as got,
    ):
        assert got.status == status
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert "Traceback" not in await got.text()


async def test_a_hostile_name_is_text_on_the_page_and_nothing_else(served: Served) -> None:
    with served.catalogue.writing() as connection:
        arrival = Arrival("s", HOSTILE, HOSTILE.encode(), "0" * 64)
        transfers.note_waiting(connection, arrival, HOSTILE, "2026-11-22T00:00:00.000000Z")
    async with aiohttp.ClientSession() as http, http.get(served.url) as got:
        page = await got.text()
    assert "&lt;script" in page
    assert "<script" not in page
    assert "\u202e" not in page, "what reorders text is shown, not obeyed"


async def _read_into(received: bytearray, answer: aiohttp.ClientResponse) -> None:
    async for chunk in answer.content.iter_any():
        received += chunk
