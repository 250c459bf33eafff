"""`lantai tally` over real sockets, from a real catalogue."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from daemon.cli.main import run
from daemon.control import ControlServer
from daemon.roles.ingest_tallies import TallyParts
from daemon.roles.tally_verbs import TallyVerbs
from storage.catalogue import dispatch_notes, transfers
from storage.catalogue.dispatch_notes import DispatchLine, NoteFile
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Arrival
from storage.catalogue.writer import CatalogueWriter

AT = "2026-11-22T10:00:00.000000Z"
Lantai = Callable[..., Awaitable[int]]


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    async with CatalogueWriter(catalogue) as opened:
        yield opened
    catalogue.close()


@pytest.fixture
async def lantai(tmp_path: Path, writer: CatalogueWriter) -> AsyncIterator[Lantai]:
    file = tmp_path / "lantai.toml"
    folders = "".join(
        f'{name} = "{tmp_path}/{name}"\n' for name in ("drop_folder", "return_folder")
    )
    file.write_text(
        f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n[api]\n'
        f'[ingest]\nstaging_folder = "{tmp_path}"\n[[ingest.sources]]\nname = "gov"\n{folders}'
    )

    async def command(*arguments: str) -> int:
        return await asyncio.to_thread(run, [*arguments, "--config", str(file)])

    async with AsyncExitStack() as stack:
        verbs = TallyVerbs(writer.look).verbs()
        await stack.enter_async_context(ControlServer(tmp_path / "api.sock", verbs))
        closing = TallyParts((), {}, writer, lambda: AT, _alone).verbs()
        await stack.enter_async_context(ControlServer(tmp_path / "ingest.sock", closing))
        yield command


async def _take_in(writer: CatalogueWriter, name: str = "day.csv") -> None:
    """One line under way, one of which nothing is here."""
    arrival = Arrival("gov", "件-1.zip", "件-1.zip".encode(), "f" * 64)
    await writer.do(transfers.note_waiting, arrival, "changing", AT)
    lines = [DispatchLine(1, "件-1", 5, 10), DispatchLine(2, "件\u202e-2", None, None)]
    file = NoteFile("gov", name, name.encode(), "a" * 64)
    note = await writer.do(dispatch_notes.take_in, file, lines, AT)
    comparison = await writer.look(dispatch_notes.compare, note)
    await writer.do(dispatch_notes.record, note, comparison, AT)


async def test_without_a_gap_the_answer_is_yes(lantai: Lantai) -> None:
    assert await lantai("tally") == 0


async def test_a_gap_is_listed_and_the_answer_is_no(
    lantai: Lantai, writer: CatalogueWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    await _take_in(writer)
    assert await lantai("tally", "gov") == 1
    shown = capsys.readouterr().out
    assert "under way 处理中  件-1\n" in shown
    assert "missing 缺失  件\\u202e-2\n" in shown
    assert await lantai("tally", "court") == 0
    assert await lantai("tally", "--json") == 1
    (note,) = json.loads(capsys.readouterr().out.partition("\n")[2])["notes"]
    assert note["counts"] == {
        "matched": 0, "under-way": 1, "missing": 1, "different": 0, "surplus": 0,
    }  # fmt: skip


async def test_a_note_is_closed_for_a_reason_and_once(
    lantai: Lantai, writer: CatalogueWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    await _take_in(writer)
    assert await lantai("tally", "gov", "--close", "day.csv") == 2
    assert await lantai("tally", "gov", "--close", "day.csv", "--reason", "never sent") == 0
    assert "day.csv: closed" in capsys.readouterr().out
    assert await lantai("tally", "gov", "--close", "day.csv", "--reason", "again") == 1
    assert "no open note" in capsys.readouterr().err
    assert await lantai("tally") == 0


async def _alone(_source: str) -> bool:
    raise AssertionError("nobody looks at folders here")
