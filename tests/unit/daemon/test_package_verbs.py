"""`lantai package …` against a real control socket that serves a package from memory.

The verbs here answer as docs/operations/control.md says an api does; what is tested is the asking
side: pages, offsets, digests, and that no name climbs out of the folder.
"""

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
from daemon.cli.package_content import READ_BYTES
from daemon.control import ControlRefused, ControlServer, Request

ID = "lantai:gov-portal/case-1"


class PackageInMemory:
    """Serves `files`, at most two a page."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {
            "lantai/package.json": b"{}",
            "received/bagit.txt": b"BagIt-Version: 1.0\n",
            "received/data/empty": b"",
            "received/data/large.bin": os.urandom(2 * READ_BYTES + 5),
            "received/data/申请表.pdf": b"pdf",
        }
        self.lies: dict[str, bytes] = {}

    async def files(self, request: Request) -> dict[str, Any]:
        if request.text("object_id") != ID:
            raise ControlRefused("there is no such package 无此信息包")
        paths = [path for path in sorted(self.content) if path > request.text("after")]
        return {
            "version": 1,
            "files": [
                {
                    "path": path,
                    "size_bytes": len(self.content[path]),
                    "sha256": hashlib.sha256(self.content[path]).hexdigest(),
                }
                for path in paths[:2]
            ],
            "more": len(paths) > 2,
        }

    async def read(self, request: Request) -> dict[str, Any]:
        assert request.number("version") == 1, "one version is read throughout"
        path, offset = request.text("path"), request.number("offset")
        content = self.lies.get(path, self.content[path])
        data = content[offset : offset + request.number("length")]
        return {"data_base64": base64.b64encode(data).decode()}


@pytest.fixture
def kept() -> PackageInMemory:
    return PackageInMemory()


@pytest.fixture
async def lantai(tmp_path: Path, kept: PackageInMemory) -> AsyncIterator[Callable[..., Any]]:
    """`await lantai("package", …)` gives the exit code."""
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')

    async def command(*arguments: str) -> int:
        return await asyncio.to_thread(run, [*arguments, "--config", str(file)])

    verbs: dict[str, Any] = {"files": kept.files, "read": kept.read}
    async with ControlServer(tmp_path / "api.sock", verbs):
        yield command


async def test_an_export_is_the_sender_s_files_to_the_last_byte(
    lantai: Callable[..., Any], kept: PackageInMemory, tmp_path: Path
) -> None:
    assert await lantai("package", "export", "gov-portal/case-1", "--to", str(tmp_path)) == 0
    target = tmp_path / "case-1"
    written = {
        f"received/{path.relative_to(target)}": path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    expected = {path: data for path, data in kept.content.items() if path.startswith("received/")}
    assert written == expected


async def test_a_name_that_is_not_utf8_comes_back_in_its_own_bytes(
    lantai: Callable[..., Any], kept: PackageInMemory, tmp_path: Path
) -> None:
    raw = b"received/data/\xc9\xea.pdf"
    kept.content["received/data/%C9%EA.pdf"] = b"gbk"
    line = {"path": "received/data/%C9%EA.pdf", "raw_base64": base64.b64encode(raw).decode()}
    kept.content["lantai/names.jsonl"] = json.dumps(line).encode() + b"\n"
    assert await lantai("package", "export", ID, "--to", str(tmp_path)) == 0
    assert Path(os.fsdecode(os.fsencode(tmp_path) + b"/case-1/data/\xc9\xea.pdf")).read_bytes() == (
        b"gbk"
    )


@pytest.mark.parametrize("lie", [b"pdg", b"pd", b""])
async def test_bytes_that_are_not_as_listed_leave_no_package_behind(
    lantai: Callable[..., Any],
    kept: PackageInMemory,
    tmp_path: Path,
    lie: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept.lies["received/data/申请表.pdf"] = lie
    assert await lantai("package", "export", ID, "--to", str(tmp_path)) == 1
    assert "received/data/申请表.pdf" in capsys.readouterr().err
    assert not list(tmp_path.glob("*case-1*"))
    assert await lantai("package", "verify", ID) == 1


@pytest.mark.parametrize("name", ["received/../../out", "received//etc/x", "received/./x"])
async def test_no_name_climbs_out_of_the_folder(
    lantai: Callable[..., Any], kept: PackageInMemory, tmp_path: Path, name: str
) -> None:
    kept.content[name] = b"x"
    assert await lantai("package", "export", ID, "--to", str(tmp_path / "a" / "b")) == 1
    assert not list(tmp_path.rglob("out"))
    assert not (tmp_path / "a" / "b" / "case-1").exists()


async def test_an_existing_folder_is_not_written_into(
    lantai: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "case-1").mkdir()
    assert await lantai("package", "export", ID, "--to", str(tmp_path)) == 1
    assert list((tmp_path / "case-1").iterdir()) == []


async def test_verify_reads_every_byte(
    lantai: Callable[..., Any], kept: PackageInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lantai("package", "verify", ID, "--json") == 0
    total = sum(len(data) for data in kept.content.values())
    assert json.loads(capsys.readouterr().out) == {
        "verified": True,
        "files": len(kept.content),
        "content_bytes": total,
    }


async def test_files_are_listed_over_all_pages(
    lantai: Callable[..., Any], kept: PackageInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lantai("package", "files", ID, "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["path"] for line in lines] == sorted(kept.content)


async def test_a_package_that_is_not_there_is_1_with_the_role_s_words(
    lantai: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lantai("package", "files", "lantai:x/y") == 1
    assert capsys.readouterr().err == "lantai: there is no such package 无此信息包\n"
