"""Thousands of senders, and none of their packages is ever taken early (ingest_watch/settle.py).

A failure prints its story; `story(seed)` tells it again.
"""

import random
from pathlib import Path

import pytest

from ingest_watch.settle import (
    CompleteWhen,
    Outcome,
    Quiet,
    Settled,
    Settler,
    Unavailable,
    Waiting,
)
from tests.sender_stories import PATIENCE_S, QUIET_S, DiskDrop, Drop, MemoryDrop, Story, story

_STORIES = 10_000
_STORIES_ON_DISK = 300


class Watcher:
    """Looks at a drop folder while its sender is at work, and knows what may not happen."""

    def __init__(self, told: Story, drop: Drop) -> None:
        self._story = told
        self._drop = drop
        self._draw = random.Random(told.seed + 1)
        self._settler = Settler(told.rule)
        self._due = list(told.steps)
        self._now_s = 0.0
        self._seen_since_s: float | None = None  # when the present state was first looked at
        self._marked_before_change = False
        self._was_marked = False
        self.looks: list[str] = []
        self.taken = False

    def watch(self) -> None:
        """Look at odd moments until the package is taken, or long after the sender is done."""
        patient = self._draw.random() < 0.3  # hands on, and is too busy to claim
        while self._due and not (self.taken and not patient):
            self._look_after(self._draw.choice([0.2, 3.0, 10.0, 10.0, 29.9, 45.0, 700.0]))
        for _ in range(0 if self.taken and not patient else 4):
            self._look_after(QUIET_S + 1, calm=True)
        assert self.taken, "it was never taken"

    def _look_after(self, pause_s: float, *, calm: bool = False) -> None:
        self._now_s += pause_s
        while self._due and self._due[0].at_s <= self._now_s:
            step = self._due.pop(0)
            step.act(self._drop)
            if self._story.name in step.entries:
                self._seen_since_s = None
                self._marked_before_change |= self._was_marked
        chance = 1.0 if calm else self._draw.random()
        if chance < 0.02:
            self._restart()
        elif chance < 0.05:
            assert self._settler.look(Unavailable("not mounted"), self._now_s).outcomes == ()
            self._seen_since_s = None
        else:
            self._look()

    def _restart(self) -> None:
        """A new intake knows nothing of what the one before saw."""
        self._settler = Settler(self._story.rule)
        self._marked_before_change = self._was_marked = False
        self._seen_since_s = None

    def _look(self) -> None:
        scan = self._drop.scan()
        outcomes = self._settler.look(scan, self._now_s).outcomes
        assert not isinstance(scan, Unavailable)
        if self._seen_since_s is None:
            self._seen_since_s = self._now_s
        for outcome in outcomes:
            self.looks.append(f"{self._now_s:10.1f} s  {type(outcome).__name__}")
            seen = outcome.observation
            assert seen.name.decode() == self._story.name, (
                "a temporary name was taken for a package"
            )
            self._was_marked = seen.has_marker
            if not seen.has_marker:
                self._marked_before_change = False
            if not isinstance(outcome, Waiting):
                self._taken(outcome)

    def _taken(self, outcome: Outcome) -> None:
        assert self._seen_since_s is not None
        unchanged_s = self._now_s - self._seen_since_s
        is_whole = self._drop.content(self._story.name) == self._story.whole
        by_marker = self._story.rule.complete_when is CompleteWhen.MARKER
        if by_marker:
            assert outcome.observation.has_marker, "taken before its marker"
        if not by_marker or self._marked_before_change:
            assert unchanged_s >= QUIET_S, "taken while it was changing"
        if outcome.observation.has_unfinished_files:
            assert unchanged_s >= PATIENCE_S, "taken with unfinished files"
        if isinstance(outcome, Settled):
            assert is_whole or not self._story.is_honest, "taken before it was whole"
            self.taken = True
        elif isinstance(outcome, Quiet):
            self._try_to_prove(outcome, unchanged_s, is_whole=is_whole)

    def _try_to_prove(self, quiet: Quiet, unchanged_s: float, *, is_whole: bool) -> None:
        assert quiet.patience_over == (unchanged_s >= PATIENCE_S), "patience is not what it was"
        self.taken = self.taken or is_whole
        if not is_whole:
            assert not quiet.patience_over, "given up on a sender that was coming back"
            fingerprint = quiet.observation.fingerprint
            assert fingerprint is not None
            self._settler.unproven(quiet.observation.name, fingerprint)


def _play(told: Story, drop: Drop) -> None:
    watcher = Watcher(told, drop)
    try:
        watcher.watch()
    except AssertionError as wrong:
        pytest.fail(f"{wrong}\n{told.told()}\n" + "\n".join(watcher.looks[-40:]))


def test_of_ten_thousand_senders_none_is_taken_early_and_each_in_the_end() -> None:
    for seed in range(_STORIES):
        told = story(seed)
        _play(told, MemoryDrop(told.rule))


def test_on_real_folders_none_is_taken_early_either(tmp_path: Path) -> None:
    for seed in range(_STORIES, _STORIES + _STORIES_ON_DISK):
        told = story(seed)
        _play(told, DiskDrop(tmp_path / str(seed), told.rule))
