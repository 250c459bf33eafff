"""A power cut under the catalogue: what was acknowledged is there, and the file is sound.

The cut is a copy of the disk's image while it is mounted: what has not left
the page cache is not in the copy (knowledge, M5 and M6).
"""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.catalogue import events
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.writer import CatalogueWriter
from tests.fault_page import record_fault

pytestmark = pytest.mark.needs_root

ACTS = 300
AT = "2026-11-22T10:00:00.000000Z"
# The journal is written out late, so that nothing survives by luck.
FILE_SYSTEMS = {"ext4": (["mkfs.ext4", "-q"], "commit=300"), "xfs": (["mkfs.xfs", "-q"], "nouuid")}


@contextmanager
def mounted(image: Path, folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-o", f"loop,{options}", str(image), str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def new_disk(kind: str, image: Path) -> str:
    """Make a file system in `image`; the options to mount it with."""
    make, options = FILE_SYSTEMS[kind]
    with image.open("wb") as stream:
        stream.truncate(320 << 20)
    subprocess.run([*make, str(image)], check=True)
    return options


async def commit_some(catalogue: Catalogue, image: Path, copy: Path) -> None:
    """Commit acts one by one and together, and cut the power once all are acknowledged."""

    async def note(number: int) -> None:
        event = NewEvent("test.noted", str(number))
        await writer.do(events.append, event, Actor("ingest", "one"), AT)

    async with CatalogueWriter(catalogue) as writer:
        for number in range(20):
            await note(number)
        await asyncio.gather(*(note(number) for number in range(20, ACTS)))
        await asyncio.to_thread(shutil.copyfile, image, copy)


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, kind: str) -> None:
    image, copy = tmp_path / "disk.img", tmp_path / "after.img"
    options = new_disk(kind, image)
    with mounted(image, tmp_path / "before", options):
        url = f"sqlite:///{tmp_path}/before/catalogue.sqlite"
        upgrade(url)
        catalogue = Catalogue.open(url)
        await commit_some(catalogue, image, copy)
        catalogue.close()
    with mounted(copy, tmp_path / "after", options):
        survivor = Catalogue.open(f"sqlite:///{tmp_path}/after/catalogue.sqlite")
        survivor.require_schema()
        kept = survivor.look(events.page, limit=1_000_000)
        check = text("PRAGMA integrity_check")
        assert survivor.look(lambda connection: connection.scalar(check)) == "ok"
        survivor.close()
    assert [int(event.outcome) for event in kept] == list(range(ACTS))
    record_fault(
        "F6",
        observed="every acknowledged act is there; the file is sound",
        figure=f"{kind}: {ACTS} acts, 0 missing",
    )
