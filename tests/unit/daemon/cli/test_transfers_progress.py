"""`lantai transfers` tells how far each is, over a real socket, from a real catalogue."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from daemon.cli.main import run
from daemon.control import ControlServer
from daemon.roles.api import Answers
from replication.reader import VerifiedReader
from storage.catalogue import transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Arrival, Step, Tenure, TransferState

AT = "2026-11-22T10:00:00.000000Z"
MEBIBYTE = 1 << 20


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    upgrade(url)
    return Catalogue.open(url)


async def test_a_transfer_under_way_shows_its_share_its_pace_and_the_time_left(
    tmp_path: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    with catalogue.writing() as connection:
        waiting = Arrival("gov", "case-0", b"case-0", "f" * 64)
        transfers.note_waiting(connection, waiting, "no-marker", AT)
        arrival, tenure = Arrival("gov", "case-1", b"case-1", "f" * 64), Tenure("ingest@a", AT)
        claimed = transfers.claim(connection, arrival, tenure, AT)
        assert claimed is not None
        transfers.move(connection, claimed.claim, Step(TransferState.STAGING), AT)
        done = transfers.Progress(45 * MEBIBYTE, 100 * MEBIBYTE, MEBIBYTE)
        transfers.progress(connection, claimed.claim, done, AT)
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n[api]\n')
    verbs = Answers(catalogue, cast("VerifiedReader", None)).verbs()
    async with ControlServer(tmp_path / "api.sock", verbs):
        assert await asyncio.to_thread(run, ["transfers", "--config", str(file)]) == 0
    newest, oldest = capsys.readouterr().out.splitlines()[1:]
    assert "45 %, 1.0 MiB/s, 55 s" in newest
    assert "waiting" in oldest
    assert "%" not in oldest
    catalogue.close()
