"""Cut from power at named points, on ext4 and XFS: whatever left before the cut holds after it.

A seeded handful for each run of the tests; `make faults` takes all (tests/faults/campaign.py).
"""

import random
from pathlib import Path

import pytest

from storage.crash_point_names import POINTS_OF_ROLE
from tests.crash_cases import INGEST_CHAINS
from tests.crash_invariant import judge_appliance
from tests.crash_stories import Outside
from tests.crash_telling import Case, Death, Telling
from tests.fault_page import record_fault
from tests.faults.appliance_campaign import SETTINGS, started
from tests.faults.volume_campaign import (
    CASES,
    POINTS,
    DiskPlace,
    Outcome,
    Place,
    VolumeCase,
    WrittenBack,
    run_case,
)
from tests.power_site import power_site
from tests.repair_stories import Mended
from tests.volume_life import Life, points_passed

SMALL = tuple(case for case in CASES if not case.with_large)


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    return random.Random(seed)


def lives_through(place: Place, cases: list[VolumeCase], chance: random.Random) -> list[Outcome]:
    life = Life.make()
    outcomes = []
    try:
        for case in cases:
            print(case.orders)
            place.chance = chance
            outcomes.append(run_case(case, place, life))
            assert outcomes[-1].wrong == []
    finally:
        place.close()
    return outcomes


def test_the_points_of_a_volume_are_those_of_the_node_that_it_passes() -> None:
    beyond = {name for name in POINTS_OF_ROLE["node"] if name.startswith(("wire.", "mender."))}
    assert set(POINTS_OF_ROLE["node"]) - beyond == POINTS


def test_the_story_of_a_volume_passes_each_of_its_points_that_needs_no_crash(
    tmp_path: Path,
) -> None:
    after_a_crash = {name for name in POINTS if name.startswith("recovery.")} | {
        "index.put-aside",
        "index.cleared",
        "journal.tail-kept",
    }
    passed = points_passed(Life.make(), tmp_path / "volume")
    # A file of 257 MiB is for `make faults`.
    assert passed | {"volume.part-synced"} >= POINTS - after_a_crash


def test_killed_at_points_of_a_volume_and_of_its_recovery_every_answer_holds(
    tmp_path: Path, chance: random.Random
) -> None:
    outcomes = lives_through(Place(tmp_path / "v"), chance.sample(SMALL, 2), chance)
    kills = sum(len(outcome.reached) for outcome in outcomes)
    record_fault("F2", observed="every answer held, each story ended", figure=f"{kills} kills")


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_when_a_volumes_disk_loses_power_every_answer_holds(
    tmp_path: Path, chance: random.Random, kind: str
) -> None:
    outcomes = lives_through(DiskPlace(tmp_path / "v", kind), chance.sample(SMALL, 2), chance)
    cuts = sum(len(outcome.reached) for outcome in outcomes)
    assert not any(outcome.unusable for outcome in outcomes)
    observed = "recovered by itself, every answer held, nothing partial"
    if kind == "ext4":
        record_fault("F4", observed=observed, figure=f"{cuts} cuts, 0 lost")
    else:
        record_fault("F5", observed=observed, figure=f"{cuts} cuts, 0 lost")


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_blocks_torn_in_the_cut_lose_no_answer_or_the_disk_says_that_it_is_lost(
    tmp_path: Path, chance: random.Random, kind: str
) -> None:
    place = DiskPlace(tmp_path / "v", kind, WrittenBack.SOME)
    (outcome,) = lives_through(place, chance.sample(SMALL, 1), chance)
    record_fault(
        "F8",
        observed="said that it was unusable" if outcome.unusable else "recovered, all answers held",
        figure=f"{len(outcome.reached)} cuts on {kind}",
    )


@pytest.mark.needs_root
@pytest.mark.timeout(600)
def test_when_the_catalogues_host_and_all_nodes_lose_power_no_receipt_is_without_its_copies(
    tmp_path: Path, chance: random.Random
) -> None:
    points = [death.order for case in INGEST_CHAINS for death in case.deaths]
    cases = [
        Case(INGEST_CHAINS[0].story, (Death("ingest", chance.choice(points)),)),
        Case(Mended, (Death("node-1", "volume.exchanged"),)),
    ]
    kind = chance.choice(["ext4", "xfs"])
    with power_site(tmp_path / "a", chance, kind, SETTINGS) as (site, running), started(running):
        site.share_of_all = 1.0
        for disk in site.disks.values():
            disk.sync()
        outside = Outside(site.layout, chance)
        for number, case in enumerate(cases):
            print(case.words)
            telling = Telling(site, case, case.story(outside, f"p{number}"))
            telling.begin()
            telling.tell()
        verdict = judge_appliance(site.layout)
        cuts = site.cuts_of_all
    assert verdict.is_kept, verdict
    record_fault("F6", observed="every receipted package was on record", figure=f"{cuts} cuts")
    record_fault("F7", observed="every receipt had its three copies", figure=f"{cuts} cuts, {kind}")
