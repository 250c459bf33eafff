"""`lantai sweep`: what it asks for, in the words of the control socket, and what it shows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.main import run
from daemon.control import ControlServer, Request, Verb

NODE: dict[str, Any] = {
    "node": "node-1", "running": True, "paused": False, "cycle": 7, "checked_objects": 3,
    "checked_bytes": 2048, "damaged_objects": 0, "total_objects": 9, "oldest_checked_at": None,
    "last_finished_at": None, "broken": "", "paused_until": None, "kind": "full",
    "scope": "source", "subject": "a", "reason": "asked", "cache": "direct",
    "forecasts": [
        {
            "name": "vital", "deadline_days": 30.0, "left_bytes": 5 * 2**30,
            "rate_bytes_per_second": 2**20, "finish_at": "2026-12-01T00:00:00Z", "slack_s": -7200,
        }
    ],
}  # fmt: skip  # one node's answer
AWAY = {"node": "node-2", "message": "node-2 does not answer"}


class Keeper:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def verbs(self) -> dict[str, Verb]:
        async def answer(request: Request) -> dict[str, Any]:
            self.asked.append((request.verb, dict(request.arguments)))
            return {"nodes": [NODE, AWAY]}

        names = ("sweep-start", "sweep-pause", "sweep-resume", "sweep-status")
        return dict.fromkeys(names, answer)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "lantai.toml"
    file.write_text(
        f'[site]\nname = "馆"\nrun_folder = "{tmp_path}"\nkeys_folder = "{tmp_path}"\n[keeper]\n',
        "utf-8",
    )
    return file


async def said(config_file: Path, *arguments: str) -> tuple[int, Keeper]:
    keeper = Keeper()
    async with ControlServer(config_file.parent / "keeper.sock", keeper.verbs()):
        code = await asyncio.to_thread(run, ["sweep", *arguments, "--config", str(config_file)])
    return code, keeper


@pytest.mark.parametrize(
    ("arguments", "verb", "asked"),
    [
        (["start"], "sweep-start", {"scope": "node", "subject": "", "kind": "full"}),
        (
            ["start", "--quick", "--node", "node-2"],
            "sweep-start",
            {"scope": "node", "subject": "", "kind": "quick", "node": "node-2"},
        ),
        (
            ["start", "--package", "lantai:a/1"],
            "sweep-start",
            {"scope": "package", "subject": "lantai:a/1", "kind": "full"},
        ),
        (
            ["start", "--source", "政务服务"],
            "sweep-start",
            {"scope": "source", "subject": "政务服务", "kind": "full"},
        ),
        (
            ["start", "--sample", "5%"],
            "sweep-start",
            {"scope": "sample", "subject": "0.05", "kind": "full"},
        ),
        (["pause"], "sweep-pause", {"pause_s": 86_400}),
        (["pause", "--for", "4h"], "sweep-pause", {"pause_s": 14_400}),
        (["resume"], "sweep-resume", {}),
        (["status"], "sweep-status", {}),
    ],
)
async def test_each_verb_asks_for_what_it_says(
    config_file: Path, arguments: list[str], verb: str, asked: dict[str, Any]
) -> None:
    code, keeper = await said(config_file, *arguments)
    assert (code, keeper.asked) == (0, [(verb, asked)])


@pytest.mark.parametrize(
    "arguments",
    [
        ["start", "--source", "a", "--sample", "5%"],
        ["start", "--sample", "0"],
        ["start", "--sample", "101%"],
        ["start", "--sample", "some"],
        ["pause", "--for", "soon"],
        ["pause", "--for", "0h"],
    ],
)
async def test_what_cannot_be_meant_is_a_usage_error(
    config_file: Path, arguments: list[str]
) -> None:
    code, keeper = await said(config_file, *arguments)
    assert (code, keeper.asked) == (2, [])


async def test_the_status_shows_progress_and_a_forecast_that_slips(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await said(config_file, "status")
    shown = capsys.readouterr().out
    assert "full source a" in shown
    assert "node-2 does not answer" in shown
    assert "LATE 逾期 2 h 0 min" in shown
    await said(config_file, "status", "--json")
    assert json.loads(capsys.readouterr().out) == {"nodes": [NODE, AWAY]}
