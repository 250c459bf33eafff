"""The project's own playbook, run with the project's own ansible against one machine.

docs/operations/deploy.md, as an operator would: build-wheelhouse, then ansible-playbook with the
inventory one-host.yml. Extra variables stand for what a site would write into its inventory.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.machine import CACHE, Machine

PROJECT = Path(__file__).parents[2]
NODES = ("node-1", "node-2", "node-3")
WITH_DISK = "node-1"  # the others lie on the root file system, as for a trial
SENDER = "portal"
SOURCE = "gov-portal"
ROLES = {
    "ingest": {},
    "notary": {},
    "keeper": {"audit": {"percent_per_day": 0.5}},
    "view": {},
    "api": {},
}
_PLAY_S = 400


@dataclass(frozen=True, slots=True)
class Recap:
    """What the play says it did."""

    changed: int
    failed: int
    output: str


def build_release() -> Path:
    """The tar that hosts install from; its dependencies are built once and kept."""
    built = subprocess.run(
        [str(PROJECT / "ansible" / "build-wheelhouse"), str(CACHE / "wheelhouse")],
        capture_output=True, text=True, check=False, timeout=_PLAY_S,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


def deploy(machine: Machine, release: Path, work: Path) -> Recap:
    """Run the playbook and return its recap. Fails the test when a task failed."""
    done = play(machine, release, work)
    counts = re.search(r"changed=(\d+) .*failed=(\d+)", done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert counts, done.stdout
    return Recap(int(counts[1]), int(counts[2]), done.stdout)


def play(
    machine: Machine, release: Path, work: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run the playbook with more options of ansible-playbook; returns whatever its outcome."""
    extra = work / "site.json"
    extra.write_text(json.dumps(_site(machine, release), ensure_ascii=False))
    ansible = PROJECT / "ansible"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ansible / "ansible.cfg"),
        "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory",
         str(ansible / "inventory" / "one-host.yml"), "--extra-vars", f"@{extra}", *options,
         str(ansible / "site.yml")],
        env=environment, capture_output=True, text=True, check=False, timeout=_PLAY_S,
    )  # fmt: skip


def _site(machine: Machine, release: Path) -> dict[str, object]:
    settings = {"complete_when": "proven", "quiet_s": 1}
    return {
        "ansible_host": machine.address,
        "ansible_user": "root",
        "ansible_ssh_common_args": " ".join(machine.ssh_options),
        "lantai_release_tar": str(release),
        "lantai_create_volume": NODES,
        "lantai_volume_without_disk": True,
        "lantai_burn_in_gib": 0.05,
        "lantai_roles": ROLES,
        "lantai_debug": True,
        "lantai_sources": [{"name": SOURCE, "sender": SENDER, "settings": settings}],
    }
