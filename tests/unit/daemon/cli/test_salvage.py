"""`lantai salvage …` against a real control socket: what it shows, writes, and will not write."""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.main import run
from daemon.cli.salvage import BLOCK_BYTES
from daemon.control import ControlRefused, ControlServer, Request

ID = "lantai:gov-portal/case-1"
PATH = "received/data/scan.tif"
NODES = ("node-1", "node-2", "node-3")


class DamagedPackage:
    """One file of three blocks; block i is bad on node i, and block `lost` everywhere."""

    def __init__(self) -> None:
        self.content = os.urandom(2 * BLOCK_BYTES + 9)
        self.lost: int | None = None
        self.lie = False

    def verdicts(self, index: int) -> dict[str, str]:
        bad = set(NODES) if index == self.lost else {NODES[index]}
        return {node: "altered" if node in bad else "intact" for node in NODES}

    async def files(self, _request: Request) -> dict[str, Any]:
        one = {"path": PATH, "size_bytes": len(self.content), "sha256": self._sha256()}
        return {"version": 1, "files": [one], "more": False}

    async def blocks(self, request: Request) -> dict[str, Any]:
        if request.text("path") != PATH:
            raise ControlRefused("there is no such file")
        first = request.number("first", 0)
        page = range(first, min(first + 2, 3))
        listed = [{"index": index, "verdicts": self.verdicts(index)} for index in page]
        return {
            "version": 1,
            "size_bytes": len(self.content),
            "sha256": self._sha256(),
            "blocks_total": 3,
            "blocks": listed,
            "more": first + len(listed) < 3,
        }

    async def block(self, request: Request) -> dict[str, Any]:
        index = request.number("index")
        data = self.content[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        if self.lie:
            data = bytes(len(data))
        node = next(node for node, each in self.verdicts(index).items() if each == "intact")
        return {"node": node, "data_base64": base64.b64encode(data).decode()}

    def _sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def damaged() -> DamagedPackage:
    return DamagedPackage()


@pytest.fixture
async def lantai(tmp_path: Path, damaged: DamagedPackage) -> AsyncIterator[Callable[..., Any]]:
    """`await lantai("show", …)` gives the exit code."""
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')

    async def command(*arguments: str) -> int:
        return await asyncio.to_thread(run, ["salvage", *arguments, "--config", str(file)])

    verbs: dict[str, Any] = {
        "files": damaged.files,
        "salvage-blocks": damaged.blocks,
        "salvage-block": damaged.block,
    }
    async with ControlServer(tmp_path / "api.sock", verbs):
        yield command


async def test_show_says_which_block_is_good_in_which_copy(
    lantai: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lantai("show", ID) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == [PATH, "3", "altered", "0", "altered", "1", "altered", "2", "–"]


async def test_show_as_json_has_every_verdict(
    lantai: Callable[..., Any], damaged: DamagedPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged.lost = 1
    assert await lantai("show", ID, "--json") == 1
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["lost"] == [1]
    assert file["blocks"] == [damaged.verdicts(index) for index in range(3)]


async def test_a_file_is_put_together_from_good_blocks_of_bad_copies(
    lantai: Callable[..., Any], damaged: DamagedPackage, tmp_path: Path
) -> None:
    target = tmp_path / "scan.tif"
    assert await lantai("assemble", ID, "--path", PATH, "--to", str(target), "--yes") == 0
    assert target.read_bytes() == damaged.content


async def test_with_a_block_lost_nothing_is_written(
    lantai: Callable[..., Any], damaged: DamagedPackage, tmp_path: Path
) -> None:
    damaged.lost = 2
    target = tmp_path / "scan.tif"
    assert await lantai("assemble", ID, "--path", PATH, "--to", str(target), "--yes") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.sock", "lantai.toml"]


async def test_what_is_not_the_signed_file_gets_no_name(
    lantai: Callable[..., Any], damaged: DamagedPackage, tmp_path: Path
) -> None:
    damaged.lie = True
    target = tmp_path / "scan.tif"
    assert await lantai("assemble", ID, "--path", PATH, "--to", str(target), "--yes") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.sock", "lantai.toml"]


async def test_nothing_is_written_over(lantai: Callable[..., Any], tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("mine")
    assert await lantai("assemble", ID, "--path", PATH, "--to", str(target), "--yes") == 1
    assert target.read_text() == "mine"
