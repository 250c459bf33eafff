"""Nodes, keeper and notary, killed at each named step: no answer is lost, every order has one end.

As test_intake_crash_points.py, in an appliance of its own; a node's recovery is killed as well.
Each run takes every tenth case from a random first one; LANTAI_CRASH_STRIDE=1 takes them all.
"""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash_cases import KEEPER_CASES, NODE_CASES, NOTARY_CASES, STORM_CASE
from tests.fault_page import record_fault
from tests.faults.appliance_campaign import SETTINGS, live_through
from tests.repair_stories import Large

pytestmark = pytest.mark.timeout(1200)

# A file of 257 MiB is for `make faults`.
CASES = [case for case in (*NODE_CASES, *KEEPER_CASES, *NOTARY_CASES) if case.story is not Large]


def test_wherever_a_node_the_keeper_or_the_notary_is_killed_no_answer_is_lost(
    tmp_path: Path,
) -> None:
    stride = int(os.environ.get("LANTAI_CRASH_STRIDE", "10"))
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    figure = live_through(tmp_path, CASES[seed % stride :: stride], seed)
    record_fault("F1", observed="mends, audits and orders came to their one end", figure=figure)
    record_fault("F2", observed="every answer held, the operation went on", figure=figure)


def test_a_keeper_that_is_killed_when_it_stops_mending_has_stopped_all_the_same(
    tmp_path: Path,
) -> None:
    settings = replace(SETTINGS, mends_per_node_hour_max=1)
    live_through(tmp_path, [STORM_CASE], seed=1, settings=settings)
