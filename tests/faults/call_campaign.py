"""Part of the fault campaign: every system call of a story made to fail, in every way.

It takes up the way and the call where its record stops (campaign_state.py).
"""

from contextlib import closing
from time import monotonic

from tests.faults.campaign_state import Kind, State
from tests.faults.failing_stories import WAYS, WayOutcome, runs


def run_calls(state: State, name: str, story: str, until: float) -> None:
    """All of one story's calls, or what there is time for `until` by the monotonic clock."""
    kind = state.kind(name)
    for how, error in WAYS:
        outcome = WayOutcome(story, how, error)
        if _whole(outcome) in kind.notes:
            continue
        with closing(runs(story, how, error, kind.tried.get(outcome.way, 0) + 1)) as told:
            began = monotonic()
            for each in told:
                outcome.count(each)
                _note(kind, outcome, each)
                kind.seconds += monotonic() - began
                began = monotonic()
                state.save(name)
                if began >= until:
                    return
        print(f"{outcome}; {kind.seconds:.0f} s", *outcome.wrong, sep="\n  ", flush=True)


def _note(kind: Kind, outcome: WayOutcome, told: dict[str, str | int]) -> None:
    kind.cases += 1
    kind.receipts += int(told["answers"])
    if told["wrong"]:
        kind.failures.append(outcome.wrong[-1])
    if told["hit"]:
        kind.tried[outcome.way] = int(told["step"])
    else:
        kind.notes[_whole(outcome)] = kind.tried.get(outcome.way, 0)


def _whole(outcome: WayOutcome) -> str:
    """The note of a way in which every call was made to fail."""
    return f"{outcome.way}, calls, each made to fail"
