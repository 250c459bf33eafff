"""The fault campaign: every crash point killed and cut from power, every system call made to fail.

`make faults` (docs/fault-campaign.md). It keeps what it has done in its folder and goes on there
when it is started again; with the same seed it tells the same cases. Ends with a summary, and with
status 1 if anything was lost, false, double or partial, or a case did not end as it must.
"""

import argparse
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from tests.crash_cases import (
    INGEST_CASES,
    INGEST_CHAINS,
    INGEST_CUTS,
    KEEPER_CASES,
    NODE_CASES,
    NODE_CUTS,
    NOTARY_CASES,
)
from tests.faults.appliance_campaign import Plan, cut_site, kill_site, run_rounds
from tests.faults.call_campaign import run_calls
from tests.faults.campaign_page import page_text, summary
from tests.faults.campaign_state import State
from tests.faults.volume_campaign import DiskPlace, Place, VolumePlan, WrittenBack, run_volume
from tests.role_nursery import Nursery

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "fault-campaign.md"
KINDS = (
    "volume-cut-ext4", "volume-cut-xfs", "volume-kill", "kill-ingest", "kill-keeper", "kill-node",
    "cut-ext4", "cut-xfs", "volume-torn-ext4", "volume-torn-xfs", "calls-volume", "calls-intake",
    "calls-archive", "calls-keeper",
)  # fmt: skip
# What is killed of an appliance; kinds that count together.
KILLED = {
    "kill-ingest": (*INGEST_CHAINS, *INGEST_CASES),
    "kill-keeper": (*KEEPER_CASES, *NOTARY_CASES),
    "kill-node": NODE_CASES,
}
# On each file system, of each kind.
CUTS_MIN = 60


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit status."""
    asked = _parser().parse_args(arguments)
    folder: Path = asked.folder
    state = _state(folder, asked.seed)
    print(f"seed {state.seed}, folder {folder}", flush=True)
    until = monotonic() + asked.hours * 3600
    for name in asked.only or KINDS:
        state = _state(folder, asked.seed)  # others may have gone on with it meanwhile
        own = folder / name
        if name.startswith("calls"):
            run_calls(state, name, name.removeprefix("calls-"), until)
        elif name.startswith("volume"):
            run_volume(state, _volume_plan(name, asked.hits), own, until)
        else:
            run_rounds(state, _appliance_plan(name, asked.hits, asked.deaths), own, until)
    print(summary(state))
    if asked.write_page:
        PAGE.write_text(page_text(state))
    return 0 if all(kind.is_clean for kind in state.kinds.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    parser.add_argument("--folder", type=Path, default=memory / "lantai-faults")
    parser.add_argument("--seed", type=int, help="of a new campaign; by chance if left out")
    parser.add_argument("--hours", type=float, default=1000.0, help="stop after so long")
    parser.add_argument("--hits", type=int, default=10, help="SIGKILLs at each point")
    parser.add_argument("--deaths", type=int, default=500, help="SIGKILLs at least")
    parser.add_argument("--only", action="append", choices=KINDS, help="may be repeated")
    parser.add_argument("--write-page", action="store_true", help=f"write {PAGE.name}")
    return parser


def _state(folder: Path, seed: int | None) -> State:
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    began_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return State.begin_or_go_on(folder, chosen, began_at, _commit())


def _commit() -> str:
    if shutil.which("git") is None:
        return "unknown"
    said = subprocess.run(
        ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def _appliance_plan(name: str, hits: int, deaths: int) -> Plan:
    if name in KILLED:
        site = partial(kill_site, processes=Nursery)
        return Plan(name, KILLED[name], hits, deaths // len(KILLED), site)
    cutting = partial(cut_site, kind=name.removeprefix("cut-"), processes=Nursery)
    cases = (*INGEST_CUTS, *KEEPER_CASES, *NOTARY_CASES, *NODE_CUTS)
    return Plan(name, cases, 1, CUTS_MIN, cutting)


def _volume_plan(name: str, hits: int) -> VolumePlan:
    how, _, disk = name.removeprefix("volume-").partition("-")
    if how == "kill":
        return VolumePlan(name, hits, 0, Place)
    written_back = WrittenBack.SOME if how == "torn" else None
    make_place = partial(DiskPlace, kind=disk, written_back=written_back)
    return VolumePlan(name, 1, CUTS_MIN, make_place)


def begin() -> None:
    """From the command line."""
    sys.exit(main(sys.argv[1:]))
