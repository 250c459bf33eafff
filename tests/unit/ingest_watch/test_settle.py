"""When an entry of a drop folder counts as whole (ingest_watch/settle.py)."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_watch.settle import (
    CompleteWhen,
    Look,
    Observation,
    Outcome,
    Quiet,
    Scan,
    Settled,
    Settler,
    SettleRule,
    Unavailable,
    Waiting,
    WaitReason,
)
from ingest_watch.temporary_names import is_being_written, is_never_a_package

NAME = b"case-0001"
QUIET_S = 30.0
PATIENCE_S = 3600.0
RULES = {kind: SettleRule(kind, quiet_s=QUIET_S, patience_s=PATIENCE_S) for kind in CompleteWhen}
MARKER, RENAMED, PROVEN = (RULES[kind] for kind in CompleteWhen)


def seen(
    fingerprint: str | None = "one",
    *,
    has_marker: bool = False,
    has_unfinished_files: bool = False,
    trouble: str = "",
) -> Observation:
    return Observation(
        NAME,
        is_folder=True,
        fingerprint=fingerprint,
        has_marker=has_marker,
        has_unfinished_files=has_unfinished_files,
        trouble=trouble,
    )


def scan(*observations: Observation) -> Scan:
    return Scan({one.name: one for one in observations})


def only(look: Look) -> Outcome:
    (outcome,) = look.outcomes
    return outcome


def reason_of(look: Look) -> WaitReason:
    outcome = only(look)
    assert isinstance(outcome, Waiting), outcome
    return outcome.reason


def test_without_its_marker_a_package_waits_however_long_it_is_quiet() -> None:
    settler = Settler(MARKER)
    for now_s in (0, 60, PATIENCE_S * 9):
        look = settler.look(scan(seen()), now_s)
        assert reason_of(look) is WaitReason.NO_MARKER
    outcome = only(look)
    assert isinstance(outcome, Waiting)
    assert outcome.overdue


def test_with_its_marker_a_package_is_taken_at_once() -> None:
    assert only(Settler(MARKER).look(scan(seen(has_marker=True)), 0)) == Settled(
        seen(has_marker=True)
    )


def test_a_marked_package_that_changed_while_it_was_looked_at_waits() -> None:
    look = Settler(MARKER).look(scan(seen(None, has_marker=True)), 0)
    assert reason_of(look) is WaitReason.CHANGING


def test_what_changes_after_its_marker_must_be_quiet_too() -> None:
    """1. marked 2. it grows all the same 3. quiet for a while, or marked anew."""
    settler = Settler(MARKER)
    assert isinstance(only(settler.look(scan(seen("one", has_marker=True)), 0)), Settled)
    grown = scan(seen("two", has_marker=True))
    assert reason_of(settler.look(grown, 10)) is WaitReason.CHANGING
    assert reason_of(settler.look(grown, 9 + QUIET_S)) is WaitReason.CHANGING
    assert isinstance(only(settler.look(grown, 10 + QUIET_S)), Settled)
    assert reason_of(settler.look(scan(seen("three", has_marker=True)), 50)) is WaitReason.CHANGING
    assert reason_of(settler.look(scan(seen("three")), 51)) is WaitReason.NO_MARKER
    assert isinstance(only(settler.look(scan(seen("three", has_marker=True)), 52)), Settled)


@pytest.mark.parametrize("rule", [RENAMED, PROVEN])
def test_one_look_is_never_enough_to_call_it_quiet(rule: SettleRule) -> None:
    settler = Settler(rule)
    assert reason_of(settler.look(scan(seen()), 1e9)) is WaitReason.CHANGING


@pytest.mark.parametrize("rule", [RENAMED, PROVEN])
def test_two_looks_in_quick_succession_are_not_quiet_either(rule: SettleRule) -> None:
    settler = Settler(rule)
    settler.look(scan(seen()), 0)
    assert reason_of(settler.look(scan(seen()), QUIET_S - 1)) is WaitReason.CHANGING
    assert not isinstance(only(settler.look(scan(seen()), QUIET_S)), Waiting)


def test_what_is_quiet_is_settled_or_to_be_proven_as_the_source_promised() -> None:
    for rule, expected in ((RENAMED, Settled(seen())), (PROVEN, Quiet(seen(), False))):
        settler = Settler(rule)
        settler.look(scan(seen()), 0)
        assert only(settler.look(scan(seen()), QUIET_S)) == expected


def test_a_writer_that_stalls_and_resumes_starts_the_quiet_time_anew() -> None:
    """1. quiet for all but a second 2. a byte arrives 3. quiet again, in full."""
    settler = Settler(PROVEN)
    settler.look(scan(seen("one")), 0)
    settler.look(scan(seen("one")), QUIET_S - 1)
    assert reason_of(settler.look(scan(seen("two")), QUIET_S)) is WaitReason.CHANGING
    assert reason_of(settler.look(scan(seen("two")), 2 * QUIET_S - 1)) is WaitReason.CHANGING
    assert only(settler.look(scan(seen("two")), 2 * QUIET_S)) == Quiet(seen("two"), False)


def test_what_did_not_prove_whole_waits_until_it_changes() -> None:
    settler = Settler(PROVEN)
    settler.look(scan(seen("one")), 0)
    settler.look(scan(seen("one")), QUIET_S)
    settler.unproven(NAME, "one")
    assert reason_of(settler.look(scan(seen("one")), 100)) is WaitReason.UNPROVEN
    settler.look(scan(seen("two")), 200)
    assert only(settler.look(scan(seen("two")), 200 + QUIET_S)) == Quiet(seen("two"), False)


def test_what_never_proves_whole_is_judged_for_good_when_patience_runs_out() -> None:
    settler = Settler(PROVEN)
    settler.look(scan(seen()), 0)
    settler.look(scan(seen()), QUIET_S)
    settler.unproven(NAME, "one")
    assert reason_of(settler.look(scan(seen()), PATIENCE_S - 1)) is WaitReason.UNPROVEN
    assert only(settler.look(scan(seen()), PATIENCE_S)) == Quiet(seen(), True)


def test_a_late_verdict_on_what_has_changed_since_is_ignored() -> None:
    settler = Settler(PROVEN)
    settler.look(scan(seen("two")), 0)
    settler.unproven(NAME, "one")
    settler.unproven(b"unheard-of", "one")
    assert isinstance(only(settler.look(scan(seen("two")), QUIET_S)), Quiet)


@pytest.mark.parametrize("rule", RULES.values())
def test_files_with_a_transfer_tools_name_are_waited_for(rule: SettleRule) -> None:
    settler = Settler(rule)
    half = seen(has_marker=True, has_unfinished_files=True)
    settler.look(scan(half), 0)
    assert reason_of(settler.look(scan(half), QUIET_S)) is WaitReason.UNFINISHED_FILES
    assert not isinstance(only(settler.look(scan(half), PATIENCE_S)), Waiting)


def test_what_may_not_be_read_waits_and_says_so() -> None:
    settler = Settler(PROVEN)
    for now_s in (0, QUIET_S, PATIENCE_S * 2):
        look = settler.look(scan(seen(None, trouble="Permission denied")), now_s)
        assert reason_of(look) is WaitReason.UNREADABLE
    outcome = only(look)
    assert isinstance(outcome, Waiting)
    assert outcome.overdue


def test_an_unavailable_folder_is_not_an_empty_one() -> None:
    """1. seen 2. the share goes 3. it is back: nothing has gone, but the quiet is not known."""
    settler = Settler(PROVEN)
    settler.look(scan(seen()), 0)
    assert settler.look(Unavailable("not mounted"), QUIET_S) == Look(())
    back = settler.look(scan(seen()), 100)
    assert back.gone == ()
    assert reason_of(back) is WaitReason.CHANGING
    assert isinstance(only(settler.look(scan(seen()), 100 + QUIET_S)), Quiet)


def test_what_has_gone_is_named_once_and_starts_anew_if_it_returns() -> None:
    settler = Settler(PROVEN)
    settler.look(scan(seen()), 0)
    assert settler.look(scan(), 10).gone == (NAME,)
    assert settler.look(scan(), 20).gone == ()
    assert reason_of(settler.look(scan(seen()), QUIET_S)) is WaitReason.CHANGING


def test_what_we_are_working_on_has_not_gone() -> None:
    settler = Settler(PROVEN)
    settler.look(scan(seen()), 0)
    assert settler.look(Scan({}, frozenset({NAME})), 10) == Look(())


# Randomised histories. A sender writes in bursts; the share comes and goes; scans happen when they
# happen. The truth is known, so the one thing that must never happen can be looked for.


@dataclass
class Sender:
    """A package that is whole from `whole_at_s` on; what is there before changes at `writes`."""

    writes: list[float]
    marker_at_s: float | None = None

    def observed(self, at_s: float) -> Observation:
        done = sum(1 for write_s in self.writes if write_s <= at_s)
        marked = self.marker_at_s is not None and self.marker_at_s <= at_s
        return seen(f"{done} writes", has_marker=marked)


gaps = st.lists(st.floats(0.5, 120), min_size=1, max_size=12)
scans = st.lists(
    st.tuples(st.floats(0.5, 60), st.sampled_from(["look"] * 5 + ["away", "torn"])),
    min_size=1,
    max_size=40,
)


def _times(steps: list[float]) -> list[float]:
    now_s, times = 0.0, []
    for step in steps:
        now_s += step
        times.append(now_s)
    return times


def _play(
    rule: SettleRule, sender: Sender, looks: list[tuple[float, str]]
) -> list[tuple[float, Outcome]]:
    settler, outcomes = Settler(rule), []
    for at_s, (_, kind) in zip(_times([step for step, _ in looks]), looks, strict=True):
        if kind == "away":
            assert settler.look(Unavailable("gone"), at_s) == Look(())
            continue
        observed = sender.observed(at_s) if kind == "look" else seen(None)
        look = settler.look(scan(observed), at_s)
        assert look.gone == ()
        outcomes.append((at_s, only(look)))
    return outcomes


@settings(max_examples=2000)
@given(gaps, scans)
def test_nothing_is_called_quiet_that_changed_within_the_quiet_time(
    writes: list[float], looks: list[tuple[float, str]]
) -> None:
    sender = Sender(_times(writes))
    seen_at: dict[str | None, list[float]] = {}
    for at_s, outcome in _play(PROVEN, sender, looks):
        fingerprint = outcome.observation.fingerprint
        if isinstance(outcome, Quiet):
            earlier = [one for one in seen_at.get(fingerprint, ()) if at_s - one >= QUIET_S]
            assert earlier, "two looks at the same thing, the quiet time apart"
            assert not [one for one in sender.writes if earlier[-1] < one <= at_s]
        else:
            assert isinstance(outcome, Waiting)
        seen_at.setdefault(fingerprint, []).append(at_s)


@settings(max_examples=1000)
@given(gaps, scans, st.floats(0, 600))
def test_a_marked_package_is_never_settled_before_its_marker_is_there(
    writes: list[float], looks: list[tuple[float, str]], marker_at_s: float
) -> None:
    sender = Sender(_times(writes), marker_at_s)
    for at_s, outcome in _play(MARKER, sender, looks):
        readable = outcome.observation.fingerprint is not None
        assert not isinstance(outcome, Settled) or (readable and marker_at_s <= at_s)


@settings(max_examples=500)
@given(gaps, scans, st.sampled_from([RENAMED, PROVEN]))
def test_every_package_is_taken_in_the_end(
    writes: list[float], looks: list[tuple[float, str]], rule: SettleRule
) -> None:
    """Whatever happened before: once the sender is done, a few undisturbed looks suffice."""
    end_s = sum(writes)
    calm = [(end_s + QUIET_S, "look"), (QUIET_S, "look"), (QUIET_S, "look")]
    outcomes = _play(rule, Sender(_times(writes)), looks + calm)
    assert not isinstance(outcomes[-1][1], Waiting)


@pytest.mark.parametrize(
    "name",
    [
        b".case.zip.AbC123",
        b"case.zip.filepart",
        b"case.zip.part",
        b"case.zip.crdownload",
        b".~tmp~",
        b".in.case.zip.",
        b".pureftpd-upload.5f1c.15.2f",
        b".goutputstream-0A1B2C",
        b".nfs00000000012345670000000a",
        b".fuse_hidden0000002a00000001",
        b"case.zip.aria2",
        b"case.zip.xltd",
        "申请表.pdf.part".encode(),
    ],
)
def test_names_of_transfer_tools_are_recognised_everywhere(name: bytes) -> None:
    assert is_being_written(name)
    assert is_never_a_package(name)


@pytest.mark.parametrize(
    "name", [b".hidden", b"~lock", b"case~", b"case.tmp", b"accepted", b"rejected", b".rehearsal"]
)
def test_what_is_hidden_or_ours_is_never_a_package(name: bytes) -> None:
    assert is_never_a_package(name)
    assert not is_being_written(name)


@pytest.mark.parametrize(
    "name", [b"case-0001", b"party.zip", b"a.part.zip", "档案".encode(), b"\xc9\xea.zip", b"part"]
)
def test_ordinary_names_are_packages(name: bytes) -> None:
    assert not is_never_a_package(name)
