"""The part of the fault campaign that runs a whole appliance, round after round.

A round is an appliance of real processes with a few dozen cases in it (tests/crash_cases.py), those
first whose points were hit least. At its end every receipt is held against the disks
(tests/crash_invariant.py). How processes die is the site's affair: `KillRound`, or
tests/power_site.py for power cuts.
"""

import random
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from daemon.demo.layout import DemoSettings, lay_out
from daemon.demo.processes import Processes, instances
from tests.crash_cases import IN_A_STORM, IN_PROCESS_ONLY
from tests.crash_invariant import judge_appliance
from tests.crash_stories import Outside, add_sources
from tests.crash_telling import Case, KillSite, Site, Telling, start_with_order
from tests.faults.campaign_state import Kind, State
from tests.loop_disk import unmount_below
from tests.power_site import power_site

# An appliance's catalogue and folders grow with each case, and so does looking at them.
ROUND_CASES = 12
# A point that so many orders in a row did not reach is left alone.
_TRIES_MAX = 5
SETTINGS = DemoSettings(
    mount=False,
    quiet_s=0.1,
    scan_s=0.25,
    allow_unproven=True,
    keeper_cycle_s=0.7,
    mends_per_node_hour_max=1_000_000,
)
ROLES = ("node-1", "node-2", "node-3", "notary", "ingest", "keeper")

OpenSite = Callable[[Path, random.Random], AbstractContextManager[Site]]


@dataclass
class Plan:
    """How often each point of `cases` is to be hit, and of what kind."""

    name: str
    cases: tuple[Case, ...]
    hits_per_point: int
    deaths_min: int
    open_site: OpenSite

    @property
    def points(self) -> set[str]:
        known = {death.point for case in self.cases for death in case.deaths}
        return known - IN_PROCESS_ONLY - IN_A_STORM

    @property
    def family(self) -> str:
        """A kill is a kill, wherever it happens."""
        return "kill" if "kill" in self.name else self.name

    def missing(self, state: State) -> dict[str, int]:
        """Point → how many hits it still needs; those out of reach are left out."""
        hits, tried = state.hits(self.family), state.kind(self.name).tried
        wanted = {point: self.hits_per_point - hits[point] for point in self.points}
        in_reach = self.hits_per_point * _TRIES_MAX
        return {
            point: count
            for point, count in wanted.items()
            if count > 0 and tried.get(point, 0) < in_reach
        }

    def is_done(self, state: State) -> bool:
        return not self.missing(state) and state.kind(self.name).deaths >= self.deaths_min


def run_rounds(state: State, plan: Plan, folder: Path, until: float) -> None:
    """Go on until the plan is carried out, or it is `until` by the monotonic clock."""
    kind = state.kind(plan.name)
    while not plan.is_done(state) and monotonic() < until:
        chance = random.Random(f"{state.seed}-{plan.name}-{kind.cases}")
        unmount_below(folder)
        place = folder / "a"
        shutil.rmtree(place, ignore_errors=True)
        run_round(state, plan, place, chance, until)


def run_round(state: State, plan: Plan, place: Path, chance: random.Random, until: float) -> None:
    """One appliance; a case that fails ends it, and its folder is kept."""
    kind, began = state.kind(plan.name), monotonic()
    with plan.open_site(place, chance) as site:
        outside = Outside(site.layout, chance)
        for number in range(ROUND_CASES):
            if plan.is_done(state) or monotonic() > until:
                break
            case = choose(plan, state, chance)
            story = case.story(outside, f"p{kind.cases:05}-{number:02}")
            telling = Telling(site, case, story)
            is_well = _run_case(kind, telling)
            kind.seconds += monotonic() - began
            began = monotonic()
            state.save(plan.name)
            _say(plan, state, telling)
            if not is_well:
                _keep(place, kind)
                break
        kind.judged(judge_appliance(site.layout))
        kind.seconds += monotonic() - began
        state.save(plan.name)


def choose(plan: Plan, state: State, chance: random.Random) -> Case:
    """One whose points lack most hits; what comes behind the last of those is cut."""
    missing = plan.missing(state)
    if not missing:
        return chance.choice(plan.cases)

    def worth(case: Case) -> float:
        wanted = sum(
            (missing.get(each.point, 0) / plan.hits_per_point) ** 2 for each in case.deaths
        )
        return wanted / len(case.deaths) + 0.1 * wanted + 0.1 * chance.random()

    useful = [case for case in plan.cases if any(each.point in missing for each in case.deaths)]
    best = max(useful, key=worth)
    last = max(at for at, death in enumerate(best.deaths) if death.point in missing)
    return replace(best, deaths=best.deaths[: last + 1])


def _run_case(kind: Kind, telling: Telling) -> bool:
    """Whether it ended as it must."""
    kind.cases += 1
    try:
        telling.begin()
        telling.tell()
    except Exception as error:  # noqa: BLE001 (whatever it is, the campaign's record has it)
        kind.failures.append(f"{telling.case.words}: {str(error)[:600]}")
        traceback.print_exc()
        return False
    finally:
        kind.order([death.point for death in telling.ordered])
        kind.hit([death.point for death in telling.reached])
    kind.recovered_s += [round(each, 1) for each in telling.recovered_s]
    return True


def _say(plan: Plan, state: State, telling: Telling) -> None:
    kind = state.kind(plan.name)
    print(
        f"{plan.name}: case {kind.cases}, {kind.deaths} deaths, "
        f"{sum(plan.missing(state).values())} hits to go, {kind.seconds:.0f} s; "
        f"{len(telling.reached)}/{len(telling.case.deaths)} {telling.case.words[:70]}",
        flush=True,
    )


def _keep(place: Path, kind: Kind) -> None:
    """So that a person can look at what went wrong."""
    kept = place.parent / f"failed-{kind.cases}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(place, kept, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))


@contextmanager
def kill_site(
    place: Path,
    _chance: random.Random,
    processes: type[Processes] = Processes,
    settings: DemoSettings = SETTINGS,
) -> Iterator[Site]:
    """A fresh appliance, all well, whose roles are killed."""
    layout = lay_out(place, settings)
    add_sources(layout)
    with started(processes(layout)) as running:
        yield KillSite(running)


@contextmanager
def started(processes: Processes) -> Iterator[Processes]:
    """The roles that cases are about, in debug."""
    with processes:
        processes.create_nodes()
        for instance in instances(processes.layout):
            if instance.name in ROLES:
                start_with_order(processes, instance.name, "")
        for name in ROLES:
            processes.wait_until_well(name)
        yield processes


@contextmanager
def cut_site(
    place: Path, chance: random.Random, kind: str, processes: type[Processes] = Processes
) -> Iterator[Site]:
    """A fresh appliance on disks whose power is cut."""
    with power_site(place, chance, kind, SETTINGS, processes) as (site, running), started(running):
        for disk in site.disks.values():
            disk.sync()
        yield site


def live_through(
    folder: Path, cases: Sequence[Case], seed: int, settings: DemoSettings = SETTINGS
) -> str:
    """Tell these in one appliance, hold every receipt against the disks; a figure of it."""
    chance = random.Random(seed)
    with kill_site(folder / "a", chance, settings=settings) as site:
        outside = Outside(site.layout, chance)
        tellings = [
            Telling(site, case, case.story(outside, f"p{number:02}"))
            for number, case in enumerate(cases)
        ]
        for each in tellings:
            each.begin()
        for each in tellings:
            print(each.case.words, flush=True)
            each.tell()
        verdict = judge_appliance(site.layout)
    assert verdict.is_kept, verdict
    deaths = sum(len(each.reached) for each in tellings)
    recovered_s = max((second for each in tellings for second in each.recovered_s), default=0.0)
    return f"{deaths} kills, all at its end {recovered_s:.1f} s after the last at the latest"
