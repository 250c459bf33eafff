"""`lantai findings` and `lantai events` over a real socket, from a real catalogue."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.cli.main import run
from daemon.control import ControlServer
from daemon.roles.records import Records
from storage.catalogue import findings
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import NodeFinding
from storage.catalogue.writer import CatalogueWriter

AT = "2026-11-22T10:00:00.000000Z"
FOUND = NodeFinding(
    "node-1", 1, AT, "lantai:s/件-1", "altered", "v1/content/a\u202eb", "…", '{"errno": 5}'
)
Lantai = Callable[..., Awaitable[int]]


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    async with CatalogueWriter(catalogue) as opened:
        yield opened
    catalogue.close()


@pytest.fixture(params=["keeper", "api"])
async def lantai(
    request: pytest.FixtureRequest, tmp_path: Path, writer: CatalogueWriter
) -> AsyncIterator[Lantai]:
    """`await lantai("findings")` gives the exit code; only one of the two roles runs."""
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')

    async def command(*arguments: str) -> int:
        return await asyncio.to_thread(run, [*arguments, "--config", str(file)])

    verbs = Records(writer.look).verbs()
    async with ControlServer(tmp_path / f"{request.param}.sock", verbs):
        yield command


async def test_findings_end_with_1_while_one_of_them_is_open(
    lantai: Lantai, writer: CatalogueWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lantai("findings") == 0
    await writer.do(findings.record, FOUND, AT)
    assert await lantai("findings", "--open") == 1
    shown = capsys.readouterr().out
    assert "OPEN 未修复" in shown
    assert '{"errno": 5}' in shown
    assert "\u202e" not in shown
    assert await lantai("findings", "--node", "node-2") == 0
    await writer.do(findings.close, "node-1", 1, "mended from node-2", AT)
    assert await lantai("findings") == 0
    assert "mended from node-2" in capsys.readouterr().out


async def test_more_findings_and_acts_than_fit_a_page_are_all_listed(
    lantai: Lantai, writer: CatalogueWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [replace(FOUND, sequence=sequence) for sequence in range(1, 1202)]
    await asyncio.gather(*(writer.do(findings.record, each, AT) for each in many))
    assert await lantai("findings", "--json", "--limit", "5000") == 1
    listed = json.loads(capsys.readouterr().out)
    assert [each["sequence"] for each in listed] == list(range(1201, 0, -1))
    assert await lantai("events", "--premis", "--json", "--limit", "5000") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1201
    assert json.loads(lines[0])["eventType"] == "fixity check"
    assert await lantai("events", "--limit", "3") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


async def test_without_keeper_and_api_there_is_nobody_to_ask(tmp_path: Path) -> None:
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')
    for verb in ("findings", "events"):
        assert await asyncio.to_thread(run, [verb, "--config", str(file)]) == 69
