"""The command: many seeds over all processors, or one with its whole story.

    make simulate SEEDS=20000 [FIRST=1]     that many seeds from FIRST on
    make simulate SEED=4711                 one, told from its beginning
    make simulate BUG=no-epochs SEEDS=200   with a seeded bug, until it is found

Exit 1 when a seed broke a promise (with BUG: when none did).
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context

from tests.simulation.bugs import BUGS, SOUND
from tests.simulation.page import write_page
from tests.simulation.run import Outcome, run_seed

_STORIES_SHOWN = 3
_PROGRESS_S = 30.0


@dataclass(slots=True)
class Tally:
    """What came of the seeds so far."""

    seeds: int = 0
    broken: int = 0
    steps: int = 0
    messages: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.broken += not outcome.is_clean
        self.steps += outcome.steps
        self.messages += outcome.messages
        self.virtual_s += outcome.virtual_s
        self.cpu_s += outcome.cpu_s

    def text(self) -> str:
        return (
            f"{self.seeds} seeds, {self.broken} broken; {self.virtual_s / 3600:.1f} virtual hours, "
            f"{self.steps:,} steps, {self.messages:,} messages, {self.cpu_s:.0f} s of processor"
        )


def main(arguments: list[str]) -> int:
    """The exit code."""
    _fix_the_order_of_sets()
    # A world is one heap of circles, let go of at its end: looking for them meanwhile finds none.
    gc.set_threshold(100_000, 50, 100)
    options = _parse(arguments)
    if options.page:
        write_page(lambda bug: seeds_until_found(bug, 1, options.seeds))
        return 0
    if options.seed is not None:
        return _tell_one(options.seed, options.bug)
    if options.bug:
        return _find(options.bug, options.first, options.seeds)
    return _run_many(options.first, options.seeds, options.workers)


def seeds_until_found(bug: str, first: int, seeds: int) -> Outcome | None:
    """The first seed that finds a bug; its number less `first`, plus 1, is what it took."""
    for seed in range(first, first + seeds):
        outcome = run_seed(seed, BUGS[bug].build)
        if not outcome.is_clean:
            return outcome
    return None


def _run_many(first: int, seeds: int, workers: int) -> int:
    tally, shown, told_at = Tally(), 0, time.monotonic()
    for outcome in _outcomes(range(first, first + seeds), workers):
        tally.add(outcome)
        if not outcome.is_clean and shown < _STORIES_SHOWN:
            shown += 1
            print(_told(outcome), flush=True)
        elif not outcome.is_clean:
            print(f"seed {outcome.seed}: {'; '.join(outcome.broken)}", flush=True)
        if time.monotonic() - told_at > _PROGRESS_S:
            told_at = time.monotonic()
            print(tally.text(), flush=True)
    print(f"seeds {first} to {first + seeds - 1}: {tally.text()}")
    return 1 if tally.broken else 0


def _outcomes(seeds: range, workers: int) -> Iterator[Outcome]:
    if workers == 1:
        yield from map(run_seed, seeds)
        return
    with get_context("fork").Pool(workers, maxtasksperchild=None) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=8)


def _find(bug: str, first: int, seeds: int) -> int:
    found = seeds_until_found(bug, first, seeds)
    if found is None:
        print(f"{bug}: not found in {seeds} seeds")
        return 1
    print(_told(found))
    print(f"{bug}: found after {found.seed - first + 1} seeds: {found.broken[0]}")
    return 0


def _tell_one(seed: int, bug: str | None) -> int:
    outcome = run_seed(seed, SOUND if bug is None else BUGS[bug].build)
    print(_told(outcome))
    return 0 if outcome.is_clean else 1


def _told(outcome: Outcome) -> str:
    verdict = "; ".join(outcome.broken) or "everything held"
    lines = [f"seed {outcome.seed}: {verdict}", f"options: {outcome.options}", *outcome.story]
    return "\n".join([*lines, f"again: make simulate SEED={outcome.seed}"])


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--bug", choices=sorted(BUGS))
    parser.add_argument("--page", action="store_true", help="find every bug, write the page")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args(arguments)


def _fix_the_order_of_sets() -> None:
    """Python draws another order of sets of texts for each process, unless it is told not to."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
