"""Killed at each named step of a package's life: it ends once, as it would have, told the same.

storage/crash_point_names.py names the steps, tests/crash_cases.py the stories and where who dies;
how a case is told and what must hold at its end is tests/crash_telling.py's. Then every receipt is
held against the disks.

Each run takes every tenth case from a random first one; LANTAI_CRASH_STRIDE=1 takes them all.
`make faults` goes on until each point of every role was hit ten times, and cuts power, too.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from daemon.demo.layout import DemoSettings, lay_out
from daemon.demo.processes import lantai
from storage.crash_point import POINTS, VARIABLE
from tests.crash_cases import ALL_CASES, IN_A_STORM, IN_PROCESS_ONLY, INGEST_CASES
from tests.fault_page import record_fault
from tests.faults.appliance_campaign import live_through

pytestmark = pytest.mark.timeout(1200)


def test_some_case_kills_at_each_point() -> None:
    reached = {death.point for case in ALL_CASES for death in case.deaths}
    assert reached | IN_PROCESS_ONLY | IN_A_STORM == set(POINTS)
    assert not reached & IN_PROCESS_ONLY


@pytest.mark.parametrize("debug", ["0", "1"])
def test_only_a_role_in_debug_looks_at_the_order_to_die(tmp_path: Path, debug: str) -> None:
    layout = lay_out(tmp_path / "a", DemoSettings())
    ended = subprocess.run(
        [*lantai(), "run", "ingest", "--config", str(layout.node_config("node-1"))],
        env={**os.environ, "LANTAI_DEBUG": debug, VARIABLE: "no-such-point"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "lantai:" in ended.stderr, "either refuses: this file has no [ingest]"
    assert ("is no crash point" in ended.stderr) is (debug == "1")


def test_wherever_the_intake_is_killed_every_package_ends_once_and_is_told_the_same(
    tmp_path: Path,
) -> None:
    stride = int(os.environ.get("LANTAI_CRASH_STRIDE", "10"))
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    figure = live_through(tmp_path, INGEST_CASES[seed % stride :: stride], seed)
    record_fault("F1", observed="went on by itself, told the same, nothing twice", figure=figure)
    record_fault("F3", observed="judged anew from its staged copy, nothing half accepted")
