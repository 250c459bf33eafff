"""An appliance on disks of its own whose power is cut: that of one machine, or all at one instant.

Machines are node-1, node-2, node-3 and the host of catalogue, staging, ingest, notary and keeper;
each has an ext4 or XFS image (tests/loop_disk.py). The drop and return folders are the senders',
whose power stays on: what was told by then lies there. A process that is to die stops at its point
(`:stop`); then everything on the machines concerned is stopped, the images are copied, all of it
is killed, the copies are mounted in their places, and the roles are started again.
"""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.demo.layout import NODES, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes
from tests.crash_stories import add_sources
from tests.crash_telling import start_with_order, tell_where_to_die, wait_for
from tests.loop_disk import LoopDisk, remove_all

HOST = "host"
_HOSTED = ("notary", "ingest", "keeper")
ALL = (*NODES, HOST)
# An intake keeps room free that a small disk has not.
_HOST_MIB, _NODE_MIB = 8192, 512


@dataclass
class PowerSite:
    """Where roles die with the power of their machines."""

    processes: Processes
    disks: dict[str, LoopDisk]
    chance: random.Random
    share_of_all: float = 0.25  # of the cuts that hit every machine
    cuts: int = 0
    cuts_of_all: int = 0

    @property
    def layout(self) -> DemoLayout:
        return self.processes.layout

    def order(self, instance: str, order: str) -> None:
        tell_where_to_die(self.layout, instance, _stopping(order), lambda: self.is_struck(instance))

    def is_struck(self, instance: str) -> bool:
        """Whether one of its processes has stopped: a reader stops alone."""
        return any(state == "T" for state in _group(self.processes.process_id(instance)).values())

    def revive(self, instance: str, order: str) -> None:
        own = instance if instance in NODES else HOST
        machines = ALL if self.chance.random() < self.share_of_all else (own,)
        roles = [role for machine in machines for role in _roles(machine)]
        self.cuts += 1
        self.cuts_of_all += machines == ALL
        for role in roles:
            self._stop(role)
        # By chance alone, how much of what was not synced has been written back by now.
        if self.chance.random() < 0.5:
            for machine in machines:
                self.disks[machine].sync()
        images = {machine: self.disks[machine].taken() for machine in machines}
        for role in roles:
            os.killpg(self.processes.process_id(role), signal.SIGKILL)
            self.processes.wait(role, 30)
        for machine, image in images.items():
            self.disks[machine].come_back(image)
        for role in roles:
            start_with_order(self.processes, role, _stopping(order) if role == instance else "")

    def _stop(self, role: str) -> None:
        """Nothing of it writes any more."""
        leader = self.processes.process_id(role)
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGSTOP)
        wait_for(lambda: set(_group(leader).values()) <= {"T", "Z"}, 30, f"{role} at rest")


def _stopping(order: str) -> str:
    return f"{order}:stop" if order else ""


def _roles(machine: str) -> tuple[str, ...]:
    return _HOSTED if machine == HOST else (machine,)


def _group(leader: int) -> dict[int, str]:
    """The processes of a role, and how each stands."""
    states = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                status = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                if int(status[2]) == leader:
                    states[int(entry.name)] = status[0]
    return states


@contextmanager
def power_site(
    place: Path,
    chance: random.Random,
    kind: str,
    settings: DemoSettings,
    processes: type[Processes] = Processes,
) -> Iterator[tuple[PowerSite, Processes]]:
    """A fresh appliance on disks of `kind`; nothing runs yet."""
    layout = lay_out(place, replace(settings, allow_unproven=False))
    add_sources(layout)
    images = place.parent / f"{place.name}-images"
    images.mkdir(exist_ok=True)
    targets = {node: place / node for node in NODES} | {HOST: place / HOST}
    disks: dict[str, LoopDisk] = {}
    try:
        for machine, target in targets.items():
            size_mib = _HOST_MIB if machine == HOST else _NODE_MIB
            disks[machine] = LoopDisk.make(images / machine, kind, target, size_mib)
        _put_on_host(layout, place / HOST)
        running = processes(layout)
        yield PowerSite(running, disks, chance), running
    finally:
        remove_all(list(disks.values()), images)


def _put_on_host(layout: DemoLayout, host: Path) -> None:
    """Catalogue and staging lie on the host's disk."""
    (host / "staging").mkdir()
    (layout.folder / "staging").symlink_to(host / "staging")
    for config in (layout.config, *(layout.node_config(node) for node in NODES)):
        text = config.read_text()
        text = text.replace(f"{layout.folder}/catalogue.sqlite", f"{host}/catalogue.sqlite")
        text = text.replace(f'"{layout.folder / "staging"}"', f'"{host / "staging"}"')
        config.write_text(text)
