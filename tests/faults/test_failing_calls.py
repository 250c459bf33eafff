"""Whatever system call of a node, an intake or a keeper fails: nothing is lost or lied.

Each run takes every 83rd call from a random first one; `make faults` takes them all.
"""

import errno
import os
import random
from pathlib import Path
from time import monotonic

import pytest

from tests.failing_calls import How
from tests.fault_page import record_fault
from tests.faults.call_campaign import run_calls
from tests.faults.campaign_state import State
from tests.faults.failing_stories import WAYS, run_way

pytestmark = pytest.mark.timeout(600)
# The other ways are left to `make faults`.
SOME_WAYS = ((How.BEFORE, errno.EIO), (How.FROM, errno.ENOSPC))


@pytest.mark.parametrize(("how", "error"), WAYS)
def test_whatever_call_fails_what_was_answered_is_kept_and_the_story_comes_to_its_end(
    how: How, error: int
) -> None:
    stride = int(os.environ.get("LANTAI_CALL_STRIDE", "83"))
    first = random.randint(1, stride)
    print(f"first step {first}, stride {stride}")
    outcome = run_way("volume", how, error, first, stride)
    assert outcome.wrong == []
    assert outcome.runs * stride > 300, "the story has fewer calls than it had: is it still whole?"
    assert outcome.answers >= 5
    seen, figure = f"{outcome.name}: all recovered", f"{outcome.runs - 1} calls, 0 wrong"
    if how is How.BEFORE and error == errno.EIO:
        record_fault("F9", observed=seen, figure=figure)
        record_fault("F10", observed="no file synced again; read-only at once", figure=figure)
        record_fault("F12", observed="as for a file: no answer, read-only", figure=figure)
    elif error == errno.ENOSPC:
        record_fault("F13", observed=seen, figure=figure)
    else:
        record_fault("F9", observed=seen, figure=figure)


@pytest.mark.parametrize(("how", "error"), SOME_WAYS)
def test_whatever_call_of_an_intake_fails_no_receipt_is_false_and_no_package_is_lost(
    how: How, error: int
) -> None:
    stride = int(os.environ.get("LANTAI_CALL_STRIDE", "83"))
    first = random.randint(1, stride)
    print(f"first step {first}, stride {stride}")
    outcome = run_way("intake", how, error, first, stride)
    assert outcome.wrong == []
    assert outcome.runs * stride > 100, "the story has fewer calls than it had: is it still whole?"
    record_fault(
        "F9",
        observed=f"{outcome.name}: no false receipt; stored in another life",
        figure=f"{outcome.runs - 1} calls, 0 wrong",
    )


@pytest.mark.parametrize(
    ("how", "error"),
    [(How.SHORT, errno.EIO), (How.BEFORE, errno.EIO), (How.AFTER, errno.EIO)],
)
def test_whatever_call_fails_while_an_archive_is_opened_nothing_is_found_wrong_with_it(
    how: How, error: int
) -> None:
    """A read that brings half is how a disk begins to say that it cannot read on."""
    stride = int(os.environ.get("LANTAI_CALL_STRIDE", "23"))
    first = random.randint(1, stride)
    print(f"first step {first}, stride {stride}")
    outcome = run_way("archive", how, error, first, stride)
    assert outcome.wrong == []
    assert outcome.runs * stride > 300, "the story has fewer calls than it had: is it still whole?"
    record_fault(
        "F9",
        observed=f"{outcome.name}: prepared again later, never found wrong",
        figure=f"{outcome.runs - 1} calls, 0 wrong",
    )


@pytest.mark.parametrize(("how", "error"), SOME_WAYS)
def test_whatever_call_of_a_keeper_fails_no_good_copy_is_touched_and_each_bad_one_put_right_once(
    how: How, error: int
) -> None:
    stride = int(os.environ.get("LANTAI_CALL_STRIDE", "83"))
    first = random.randint(1, stride)
    print(f"first step {first}, stride {stride}")
    outcome = run_way("keeper", how, error, first, stride)
    assert outcome.wrong == []
    assert outcome.runs * stride > 200, "the story has fewer calls than it had: is it still whole?"
    record_fault(
        "F9",
        observed=f"{outcome.name}: put right in another life",
        figure=f"{outcome.runs - 1} calls, 0 wrong",
    )


def test_the_campaign_goes_on_with_the_call_after_the_last_one(tmp_path: Path) -> None:
    for calls in (1, 2):
        state = State.begin_or_go_on(tmp_path, seed=1, began_at="", commit="")
        run_calls(state, "calls-intake", "intake", until=monotonic())  # time for one
        kind = State.begin_or_go_on(tmp_path, seed=1, began_at="", commit="").kind("calls-intake")
        assert (kind.cases, kind.tried, kind.failures) == (calls, {"BEFORE EIO": calls}, [])
