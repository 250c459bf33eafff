"""Names from the drop folder to the mount and to an export: the same bytes, or readable text.

A bag and a zip are prepared as the intake prepares them, what was built lies on three nodes, the
real view shows it, and `lantai package export` takes it out.
"""

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.main import run
from daemon.control import ControlServer, Request
from ingest_watch.preparation import Acceptable, Job, Profile
from ingest_watch.prepare import prepare
from storage.view.holdings import HeldVersion
from tests.bags import ZipPart, bag_files, manifest, write_files, zip_bytes
from tests.integration.view_world import Archive, RunningView, built_archive
from tests.stored_copies import COMMITTED_AT, Written

NAMES = {
    ("档" * 85).encode(): b"255 bytes of Chinese",
    b"100%25 sure": b"per cent signs",
    b"two\nlines\r": b"line breaks",
    "invoice\u202egpj.exe".encode(): b"written from right to left",
    "\u200e申请\ufeff".encode(): b"marks that nobody sees",
    b"\x1b[31mred": b"a terminal's escape",
    "e\u0301".encode(): b"two code points",
    b" .. ": b"spaces and dots",
    "𠀀𪛖".encode(): b"beyond the basic plane",
    b"-rf --": b"an option",
    "申请表".encode("gbk"): b"bytes of another century",
    b"\xff\xfe": b"no text at all",
}
GBK_TEXT = "申请表（二）.pdf"


def listed(raw: bytes) -> str:
    """A payload path as RFC 8493 has it in a manifest, in the form under which it is kept."""
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        path = "".join(f"%{byte:02X}" for byte in raw)
    return "data/" + path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def prepared(folder: Path, name: str) -> Acceptable:
    package = prepare(
        Job(
            archive="馆",
            source="gov-portal",
            name_raw=name.encode(),
            name=name,
            drop=folder,
            work=folder / f"work-{name}",
            received_at=COMMITTED_AT,
            profile=Profile(("bagit",), "name"),
        )
    )
    assert isinstance(package, Acceptable), package
    return package


def send_folder(drop: Path) -> None:
    content = manifest("sha256", {listed(raw): data for raw, data in NAMES.items()})
    files = bag_files({"data/x": b""}, changed={"manifest-sha256.txt": content})
    del files["data/x"]
    bag = write_files(drop / "names", files)
    (bag / "data").mkdir()
    for raw, data in NAMES.items():
        (bag / "data" / os.fsdecode(raw)).write_bytes(data)


def send_zip(drop: Path) -> None:
    """As a Windows tool of the platform's makes it: names in GBK, and nothing that says so."""
    files = bag_files({f"data/{GBK_TEXT}": b"page"})
    parts = (
        ZipPart(path.encode("gbk"), data, flags=0, made_on=0, mode=0)
        for path, data in files.items()
    )
    (drop / "gbk.zip").write_bytes(zip_bytes(parts))


def stored(package: Acceptable, nodes: list[Path]) -> Written:
    """What was built, as it lies on every node."""
    built = package.built
    name = hashlib.sha256(built.object_id.encode()).hexdigest()[:16]
    for node in nodes:
        shutil.copytree(package.work / "content", node / name / "v1" / "content")
        shutil.copy(package.work / "inventory.json", node / name / "v1" / "inventory.json")
    held = HeldVersion(
        built.object_id, 1, built.inventory_sha256, COMMITTED_AT, tuple(n.name for n in nodes)
    )
    return Written(held, name, {})


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, Acceptable]:
    drop = tmp_path / "drop"
    drop.mkdir()
    send_folder(drop)
    send_zip(drop)
    return {"names": prepared(drop, "names"), "gbk": prepared(drop, "gbk.zip")}


@pytest.fixture
def view(tmp_path: Path, packages: dict[str, Acceptable]) -> Iterator[RunningView]:
    with built_archive(tmp_path) as archive:
        written = {each: stored(package, archive.nodes) for each, package in packages.items()}
        running = Archive(archive.folder, archive.nodes, written).start()
        yield running
        running.stop()


@pytest.mark.needs_fuse
def test_staff_see_every_name_as_the_sender_wrote_it(view: RunningView) -> None:
    """A zip's name that was read as GB18030 is shown as the text that it is."""
    source = view.mountpoint / "gov-portal"
    payload = source / "names" / "v1" / "data"
    assert {os.fsencode(path.name) for path in payload.iterdir()} == NAMES.keys()
    for raw, data in NAMES.items():
        assert (payload / os.fsdecode(raw)).read_bytes() == data
    (shown,) = (source / "gbk" / "v1" / "data").iterdir()
    assert shown.name == GBK_TEXT
    assert shown.read_bytes() == b"page"


@dataclass
class BuiltPackage:
    """Answers `lantai package …` from what was built (docs/operations/control.md)."""

    folder: Path

    async def files(self, request: Request) -> dict[str, Any]:
        after = request.text("after")
        content = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }
        listed_files = [
            {"path": path, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in sorted(content.items(), key=lambda item: item[0].encode())
            if path > after
        ]
        return {"version": 1, "files": listed_files, "more": False}

    async def read(self, request: Request) -> dict[str, Any]:
        data = (self.folder / request.text("path")).read_bytes()
        start = request.number("offset")
        piece = data[start : start + request.number("length")]
        return {"data_base64": base64.b64encode(piece).decode()}


@pytest.mark.parametrize(
    ("package", "names"),
    [("names", set(NAMES)), ("gbk", {GBK_TEXT.encode()})],
)
async def test_an_export_has_every_name_as_the_sender_wrote_it(
    tmp_path: Path, packages: dict[str, Acceptable], package: str, names: set[bytes]
) -> None:
    prepared_package = packages[package]
    answers = BuiltPackage(prepared_package.work / "content")
    settings = tmp_path / "lantai.toml"
    settings.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')
    verbs: dict[str, Any] = {"files": answers.files, "read": answers.read}
    object_id = prepared_package.built.object_id
    command = ["package", "export", object_id, "--to", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    async with ControlServer(tmp_path / "api.sock", verbs):
        assert await asyncio.to_thread(run, [*command, "--config", str(settings)]) == 0
    exported = (tmp_path / "out" / package / "data").iterdir()
    assert {os.fsencode(path.name) for path in exported} == names
