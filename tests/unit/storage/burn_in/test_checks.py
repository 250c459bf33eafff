"""What a burn-in makes of what it saw."""

from dataclasses import replace

import pytest

from storage.burn_in.checks import Seen, examine
from storage.burn_in.device import Counters, DeviceFacts, MountFacts
from storage.burn_in.proof import Finding, Proof, Reached

SIZE = 1 << 30
DISK = DeviceFacts("ext4", "0a1b", "sda1", "MODEL", "SERIAL", "naa.5000", 4 * SIZE)
PROOF = Proof(
    SIZE, (), "", "", (),
    Reached(SIZE, Counters(0, SIZE, 3)), Reached(3 * SIZE, Counters(3 * SIZE, 0, None)),
)  # fmt: skip  # what a good disk shows
GOOD = Seen(
    PROOF, DISK, DISK, MountFacts("/srv", frozenset({"rw", "errors=remount-ro"}), True), 3 * SIZE,
    "write back", True, True, 0, 0, "",
)  # fmt: skip  # of a good disk

NAMELESS = replace(DISK, serial="", wwid="")


def outcomes(seen: Seen) -> dict[str, str]:
    return {each.check: each.outcome for each in examine(seen)}


def test_a_good_disk_passes_every_check() -> None:
    assert set(outcomes(GOOD).values()) == {"passed"}


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ("content", replace(GOOD, proof=replace(PROOF, differences=(Finding("lost"),)))),
        ("eviction", replace(GOOD, proof=replace(PROOF, not_evicted="5 pages stay"))),
        ("errors", replace(GOOD, proof=replace(PROOF, errors=(Finding("a sync failed"),)))),
        ("errors", replace(GOOD, errors_after=1)),
        (
            "reads-reach",
            replace(GOOD, proof=replace(PROOF, read=Reached(3 * SIZE, Counters(SIZE, 0, None)))),
        ),
        (
            "writes-reach",
            replace(GOOD, proof=replace(PROOF, written=Reached(SIZE, Counters(0, 5, 3)))),
        ),
        (
            "flushes",
            replace(GOOD, proof=replace(PROOF, written=Reached(SIZE, Counters(0, SIZE, 0)))),
        ),
        ("options", replace(GOOD, mount=MountFacts("/srv", frozenset({"nobarrier"}), True))),
        ("journal", replace(GOOD, has_journal=False)),
        ("size", replace(GOOD, filesystem_bytes=5 * SIZE)),
        ("identity", replace(GOOD, second_look=replace(DISK, serial="ANOTHER"))),
    ],
)
def test_a_fault_fails_its_check_and_no_other(check: str, seen: Seen) -> None:
    assert {name for name, outcome in outcomes(seen).items() if outcome == "failed"} == {check}


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ("direct", replace(GOOD, proof=replace(PROOF, no_direct="EINVAL"))),
        ("options", replace(GOOD, mount=MountFacts("/srv", frozenset({"rw"}), True))),
        ("journal", replace(GOOD, mount=replace(GOOD.mount, options=frozenset({
            "data=journal", "errors=remount-ro"})))),
        ("size", replace(GOOD, sparse_image="/disk.img")),
        ("mount-name", replace(GOOD, mount=replace(GOOD.mount, by_uuid=False))),
        ("identity", replace(GOOD, device=NAMELESS, second_look=NAMELESS)),
    ],
)  # fmt: skip  # one line or two for each
def test_what_could_be_better_is_a_remark(check: str, seen: Seen) -> None:
    assert {name for name, outcome in outcomes(seen).items() if outcome != "passed"} == {check}
    assert outcomes(seen)[check] == "remark"


def test_a_file_system_that_hides_its_journal_has_none_to_anybodys_knowledge() -> None:
    assert outcomes(replace(GOOD, has_journal=None))["journal"] == "not-told"


def test_what_the_disk_does_not_tell_is_never_a_pass() -> None:
    silent = replace(PROOF, written=Reached(SIZE, None), read=Reached(3 * SIZE, None))
    said = outcomes(replace(GOOD, proof=silent, write_cache="", has_fua=None))
    for check in ("writes-reach", "reads-reach", "flushes", "write-cache"):
        assert said[check] == "not-told"
