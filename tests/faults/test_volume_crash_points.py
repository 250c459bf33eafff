"""Every step of a commit and of a repair: killed there, nothing is lost or lied.

docs/formats/volume.md, "Crash table". Each run takes every eleventh step from a random first one;
LANTAI_CRASH_STRIDE=1 takes them all.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fault_page import record_fault

pytestmark = pytest.mark.timeout(600)

PROJECT = Path(__file__).parents[2]
# A package that ocfl-py brings along is called `tests` as well.
LOOP = f"""
import tests
tests.__path__.insert(0, {str(PROJECT / "tests")!r})
from tests.faults.volume_crash_loop import begin
begin()
"""


def test_whatever_step_is_the_last_what_was_answered_is_kept_and_the_rest_can_be_sent_again(
    tmp_path: Path,
) -> None:
    stride = int(os.environ.get("LANTAI_CRASH_STRIDE", "11"))
    first = random.randint(1, stride)
    print(f"first step {first}, stride {stride}")
    # A killed process loses nothing of the cache, so memory is as good as a disk, and faster.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with TemporaryDirectory(dir=memory, prefix="lantai-test-") as folder:
        finished = subprocess.run(
            [sys.executable, "-c", LOOP, folder, str(first), str(stride)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "LANTAI_LOG": "json"},
        )
    runs = [json.loads(line) for line in finished.stdout.splitlines() if '"wrong"' in line]
    assert [run for run in runs if run["wrong"]] == []
    assert len(runs) * stride > 100, "the story has fewer steps than it had: is it still whole?"
    assert runs[-1]["answers"] == 5
    assert {run["answers"] for run in runs} > {0, 2, 3, 4}
    record_fault(
        "F2",
        observed="whatever call was the last, every answer still held",
        figure=f"{len(runs)} of {len(runs) * stride} steps, 0 wrong",
    )
