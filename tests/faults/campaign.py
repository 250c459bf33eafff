"""The fault campaign: every crash point of every role, killed and cut from power, again and again.

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

from tests.crash_cases import INGEST_CASES, INGEST_CHAINS, KEEPER_CASES, NODE_CASES, NOTARY_CASES
from tests.faults.appliance_campaign import Plan, kill_site, run_rounds
from tests.faults.campaign_page import page_text, summary
from tests.faults.campaign_state import State
from tests.role_nursery import Nursery

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "fault-campaign.md"
KINDS = ("kill",)


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit status."""
    asked = _parser().parse_args(arguments)
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    state = _state(folder, asked.seed)
    print(f"seed {state.seed}, folder {folder}", flush=True)
    until = monotonic() + asked.hours * 3600
    for name in asked.only or KINDS:
        if name == "kill":
            run_rounds(state, _kill_plan(asked.hits, asked.deaths), folder, until)
    print(summary(state))
    if asked.write_page:
        PAGE.write_text(page_text(state))
    return 0 if all(kind.is_clean for kind in state.kinds.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    parser.add_argument("--folder", type=Path, default=memory / "lantai-faults")
    parser.add_argument("--seed", type=int, help="of a new campaign; else by chance")
    parser.add_argument("--hours", type=float, default=1000.0, help="stop after so long")
    parser.add_argument("--hits", type=int, default=10, help="SIGKILLs at each point")
    parser.add_argument("--deaths", type=int, default=500, help="SIGKILLs at least")
    parser.add_argument("--only", action="append", choices=KINDS, help="may be repeated")
    parser.add_argument("--write-page", action="store_true", help=f"write {PAGE.name}")
    return parser


def _state(folder: Path, seed: int | None) -> State:
    path = folder / "state.json"
    if path.exists():
        return State.load(path)
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    return State(path, chosen, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), _commit())


def _commit() -> str:
    if shutil.which("git") is None:
        return "unknown"
    said = subprocess.run(
        ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def _kill_plan(hits: int, deaths: int) -> Plan:
    cases = (*INGEST_CHAINS, *INGEST_CASES, *NODE_CASES, *KEEPER_CASES, *NOTARY_CASES)
    return Plan("kill", cases, hits, deaths, partial(kill_site, processes=Nursery))


def begin() -> None:
    """From the command line."""
    sys.exit(main(sys.argv[1:]))
