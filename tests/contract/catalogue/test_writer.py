"""Group commit (storage/catalogue/writer.py): many acts, one transaction, nothing lost."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from storage.catalogue import events, transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.errors import CatalogueUnavailable, NoSuchTransfer
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.writer import CatalogueWriter
from tests.contract.catalogue.story import arrival, moment, tenure

ROLE = Actor("ingest", "one")


def _note(connection: Connection, number: int) -> None:
    events.append(connection, NewEvent("test.noted", str(number)), ROLE, moment(1))


def _outcomes(catalogue: Catalogue) -> list[int]:
    return [int(one.outcome) for one in catalogue.look(events.page, limit=sys.maxsize)]


async def test_many_acts_share_a_few_commits_and_keep_their_order(catalogue: Catalogue) -> None:
    commits: list[object] = []
    event.listen(catalogue._engine, "commit", commits.append)
    async with CatalogueWriter(catalogue) as writer:
        await asyncio.gather(*(writer.do(_note, number) for number in range(1000)))
    assert _outcomes(catalogue) == list(range(1000))
    assert len(commits) < 100


async def test_what_an_act_returns_comes_back(catalogue: Catalogue) -> None:
    async with CatalogueWriter(catalogue) as writer:
        taken = await writer.do(transfers.claim, arrival(), tenure(), moment(1))
        assert taken is not None
        assert await writer.look(transfers.get, taken.id) == taken


async def test_of_what_an_act_brought_nothing_is_held_once_it_is_done(catalogue: Catalogue) -> None:
    class Receipt:
        """As large as a million files make one."""

    receipt, gone = Receipt(), asyncio.Event()
    weakref.finalize(receipt, asyncio.get_running_loop().call_soon_threadsafe, gone.set)
    async with CatalogueWriter(catalogue) as writer:
        await writer.do(lambda _, __: None, receipt)
        del receipt
        async with asyncio.timeout(10):
            await gone.wait()


async def test_a_refused_act_takes_no_other_of_its_group_with_it(catalogue: Catalogue) -> None:
    def half_done(connection: Connection) -> None:
        _note(connection, 666)
        transfers.get(connection, 77)

    async with CatalogueWriter(catalogue) as writer:
        acts = [writer.do(_note, number) for number in range(20)]
        refused = writer.do(half_done)
        results = await asyncio.gather(*acts, refused, return_exceptions=True)
    assert isinstance(results.pop(), NoSuchTransfer)
    assert results == [None] * 20
    assert _outcomes(catalogue) == list(range(20))


async def test_a_broken_act_takes_no_other_of_its_group_with_it(catalogue: Catalogue) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("INSERT INTO leases (scope) VALUES ('x')"))

    async with CatalogueWriter(catalogue) as writer:
        results = await asyncio.gather(
            writer.do(_note, 1), writer.do(broken), writer.do(_note, 2), return_exceptions=True
        )
    assert isinstance(results[1], IntegrityError)
    assert _outcomes(catalogue) == [1, 2]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_group_that_cannot_be_committed_is_refused_whole_and_the_next_one_goes_on(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """Another process holds the write lock beyond our patience."""
    event.listen(catalogue._engine, "checkout", _impatient)
    blocker = sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    async with CatalogueWriter(catalogue) as writer:
        acts = [writer.do(_note, number) for number in range(3)]
        results = await asyncio.gather(*acts, return_exceptions=True)
        assert [type(result) for result in results] == [CatalogueUnavailable] * 3
        blocker.execute("ROLLBACK")
        blocker.close()
        await writer.do(_note, 9)
    assert _outcomes(catalogue) == [9]


def _impatient(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout = 50")


async def test_closing_finishes_what_was_asked_and_refuses_what_comes_later(
    catalogue: Catalogue,
) -> None:
    writer = CatalogueWriter(catalogue)
    asked = [asyncio.ensure_future(writer.do(_note, number)) for number in range(300)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*asked)
    assert len(_outcomes(catalogue)) == 300
    with pytest.raises(CatalogueUnavailable, match="closed"):
        await writer.do(_note, 1)
    await writer.close()


CHILD = """
import asyncio, sys
from storage.catalogue import events
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.writer import CatalogueWriter

async def note(writer, number):
    event = NewEvent("test.noted", str(number))
    await writer.do(events.append, event, Actor("a", "b"), "2026-11-22T10:00:00.000000Z")
    print(number, flush=True)

async def main():
    async with CatalogueWriter(Catalogue.open(sys.argv[1])) as writer:
        for start in range(0, 10**9, 50):
            await asyncio.gather(*(note(writer, start + number) for number in range(50)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 120, 777])
def test_a_process_killed_while_committing_loses_nothing_it_acknowledged(
    catalogue: Catalogue, url: str, acknowledged: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdout
    said = {int(child.stdout.readline()) for _ in range(acknowledged)}
    child.send_signal(signal.SIGKILL)
    # A line cut off by the kill is no acknowledgement.
    said |= {int(line) for line in child.stdout.read().splitlines(keepends=True) if "\n" in line}
    child.wait(timeout=60)
    child.stdout.close()
    assert said <= set(_outcomes(catalogue))
    if url.startswith("sqlite"):
        check = text("PRAGMA quick_check")
        assert catalogue.look(lambda connection: connection.scalar(check)) == "ok"
