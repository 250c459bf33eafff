"""Everything about a world that its seed decides: sizes, faults, how often, how bad.

Many seeds leave whole kinds of faults out, because what hides behind a common fault is only found
without it (Groce and others, "Swarm Testing", 2012).
"""

from dataclasses import asdict, dataclass
from random import Random

from tests.simulation.disk import Trouble
from tests.simulation.network import NetworkFaults


@dataclass(frozen=True, slots=True)
class Options:
    """One world. Rates are of one a virtual minute, over all it may strike."""

    nodes: int
    copies: int
    packages: int
    duplicates: int
    file_bytes_max: int
    window_bytes: int  # that one operation may have under way
    faults_s: float  # how long faults last
    network: NetworkFaults
    partitions: float
    resets: float
    kills: float
    power_cuts: float
    crashes_in_writing: float  # of the operations that begin, how many end so
    freezes: float
    rots: float
    troubles: tuple[Trouble, ...]  # of disks
    trouble_rate: float
    wipes: float
    power_keeps: float
    group_power_cuts: bool  # all nodes at once
    clock_skew_s: float
    sweep_s: float
    lease_s: float

    def text(self) -> str:
        """For the story: every option."""
        return ", ".join(f"{name}={value!r}" for name, value in asdict(self).items())


def draw(chance: Random) -> Options:
    """The options of one seed."""

    def sometimes(most: float) -> float:
        return chance.uniform(0, most) if chance.random() < 0.5 else 0.0

    troubles = tuple(
        each
        for each in Trouble
        if each not in (Trouble.KILL, Trouble.POWER_CUT) and chance.random() < 0.5
    )
    return Options(
        nodes=chance.randint(3, 5),
        copies=3,
        packages=chance.randint(1, 3),
        duplicates=chance.choice((0, 0, 1)),
        file_bytes_max=chance.choice((20, 200, 1500)),
        window_bytes=chance.choice((300, 1000, 8192)),
        faults_s=chance.uniform(10, 60),
        network=NetworkFaults(
            chance.choice((0.005, 0.05, 1.0)),
            sometimes(0.1),
            sometimes(0.1),
            sometimes(0.1),
        ),
        partitions=sometimes(5),
        resets=sometimes(6),
        kills=sometimes(10),
        power_cuts=sometimes(10),
        crashes_in_writing=chance.choice((0.0, 0.0, 0.1, 0.5)),
        freezes=sometimes(8),
        rots=sometimes(12),
        troubles=troubles,
        trouble_rate=sometimes(10) if troubles else 0.0,
        wipes=chance.choice((0, 0, 0, 1)) * chance.uniform(0.2, 1.5),
        power_keeps=chance.choice((0.0, 0.5, 0.9, 1.0)),
        group_power_cuts=chance.random() < 0.2,
        clock_skew_s=chance.choice((0.0, 0.0, 5.0, 60.0)),
        sweep_s=chance.choice((10.0, 30.0)),
        lease_s=chance.choice((15.0, 30.0)),
    )
