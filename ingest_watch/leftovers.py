"""Staged copies that nobody will need again: removed when an intake starts, and while it runs.

DESIGN.md promise 1: a staged copy is kept until its stored receipt may go. What a crash left of any
other transfer, or what another intake has finished, would fill the staging disk in the end.
"""

import asyncio
import shutil
from pathlib import Path

from monitoring.log import get_log
from storage.catalogue import transfer_lists, transfers
from storage.catalogue.errors import NoSuchTransfer
from storage.catalogue.model import Transfer, TransferState
from storage.catalogue.transitions import WORKING
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point

log = get_log(__name__)

# Parts are read from what is divided; what awaits its registration has no receipt yet.
_KEPT = frozenset({TransferState.DIVIDED, TransferState.AWAITING_REGISTRATION})


async def clear_leftovers(staging: Path, catalogue: CatalogueWriter) -> int:
    """Remove the working folders of transfers that are over; return how many there were."""
    cleared = 0
    for folder in await asyncio.to_thread(_working_folders, staging):
        if not await _is_needed(int(folder.name), catalogue):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            crash_point("leftovers.cleared")
            cleared += 1
    if cleared:
        log.info("intake.staging.cleared", folders=cleared)
    return cleared


async def clear_closed(staging: Path, catalogue: CatalogueWriter) -> int:
    """Remove what was staged here of transfers that another intake has led to their end."""
    folders = {int(each.name): each for each in await asyncio.to_thread(_working_folders, staging)}
    closed = await catalogue.look(transfer_lists.closed_among, folders)
    for number in closed:
        await asyncio.to_thread(shutil.rmtree, folders[number], ignore_errors=True)
    return len(closed)


async def _is_needed(number: int, catalogue: CatalogueWriter) -> bool:
    try:
        transfer = await catalogue.look(transfers.get, number)
    except NoSuchTransfer:
        return False
    if transfer.state in _KEPT:
        return True
    return transfer.state in WORKING or _is_half_written(transfer)


def _is_half_written(transfer: Transfer) -> bool:
    return transfer.state is TransferState.FAILED and transfer.package_id is not None


def _working_folders(staging: Path) -> list[Path]:
    return [each for each in staging.iterdir() if each.name.isdecimal() and each.name.isascii()]
