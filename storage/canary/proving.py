"""Run the sweep's own check over the canaries, in a process as the sweep starts them.

docs/formats/volume.md, "Canaries". The same processes, pace and code as for every object; what to
do when they do not see what was planted is the sweeper's affair.
"""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from storage.canary.proof import canaries_to_check, what_is_broken
from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.sweep.check_object import check_object
from storage.sweep.worker import SweepControls, check_objects, start_worker


async def prove_processes(
    root: Path, mode: VerifyMode, context: BaseContext, controls: SweepControls
) -> str | None:
    """Why sweeping processes are not to be believed, or ""; None when they were stopped before."""
    pool = ProcessPoolExecutor(1, context, initializer=start_worker, initargs=(controls,))
    try:
        checks = await asyncio.get_running_loop().run_in_executor(
            pool, check_objects, canaries_to_check(root), mode, 0.0, 0
        )
    except BrokenProcessPool:
        return "the process that checked the canaries was killed"
    finally:
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)
    return None if controls.stopped else what_is_broken(checks)


def prove_check(root: Path, mode: VerifyMode) -> str:
    """As `prove_processes`, in this thread: before an object is checked outside a cycle."""
    reader = MediumReader(mode)
    return what_is_broken(
        [
            check_object(target, reader, lambda _read_bytes: None)
            for target in canaries_to_check(root)
        ]
    )
