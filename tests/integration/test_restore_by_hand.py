"""docs/operations/restore-by-hand.md is carried out as it stands, on a real volume."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from storage.signing import SigningKey
from tests.volume_packages import MadePackage, make_package, new_volume, store

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "restore-by-hand.md"
FILES = {
    "received/bagit.txt": b"BagIt-Version: 1.0\n",
    "received/data/申请表 (终).pdf": b"%PDF" + bytes(range(256)) * 40,
    "received/data/empty": b"",
}


def commands() -> str:
    """Every block of the page that is marked as run, in order."""
    blocks: list[str] = re.findall(
        r"^ *```sh\n(.*?)^ *```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) >= 6, "the page has lost its commands"
    # A block may change the folder: each begins where the first did.
    return "\n".join(f"cd /\n{block}" for block in blocks)


def carry_out(tmp_path: Path, name: str) -> "subprocess.CompletedProcess[str]":
    variables = {
        "ROOT": str(tmp_path / "disk/root"),
        "NAME": name,
        "TO": str(tmp_path / "restored"),
        "NODE_KEY": str(tmp_path / "node.pub.pem"),
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands()],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
async def package(tmp_path: Path) -> MadePackage:
    """Two versions of one package, and another one beside it, on a disk that nobody has open."""
    (tmp_path / "disk").mkdir()
    key = SigningKey.generate()
    key.verify_key.save(tmp_path / "node.pub.pem")
    volume = new_volume(tmp_path / "disk", key)
    first = make_package({"received/data/old": b"old"}, "lantai:gov/case-0001")
    newest = make_package(FILES, previous=first)
    for each in (first, newest, make_package(object_id="lantai:gov/case-0002")):
        await store(volume, each)
    volume.close()
    return newest


async def test_the_page_brings_one_package_back_and_proves_it(
    tmp_path: Path, package: MadePackage
) -> None:
    done = carry_out(tmp_path, "case-0001")
    assert done.returncode == 0, done.stdout + done.stderr
    restored = tmp_path / "restored"
    found = {
        f"received/{path.relative_to(restored)}": path.read_bytes()
        for path in restored.rglob("*")
        if path.is_file()
    }
    assert found == FILES
    assert "Signature Verified Successfully" in done.stdout
    assert "inventory.json: OK" in done.stdout


async def test_the_page_stops_at_a_copy_that_is_not_as_signed(
    tmp_path: Path, package: MadePackage
) -> None:
    (bad,) = (tmp_path / "disk/root").glob("*/*/*case-0001/v1/content/received/data/old")
    bad.chmod(0o640)
    bad.write_bytes(b"OLD")
    done = carry_out(tmp_path, "case-0001")
    assert done.returncode != 0
    assert "ALTERED" in done.stdout
    assert not (tmp_path / "restored").exists()
