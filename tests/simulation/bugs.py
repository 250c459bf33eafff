"""Bugs that a build of the simulation may have: one step, or one rule, put in the place of the right one.

They live here and nowhere in the product. Each must be found; docs/simulator.md says after how many
seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from replication.peers import Peer
from tests.simulation.catalogue import SimulatedCatalogue
from tests.simulation.checked import (
    CheckedAdmission,
    CheckedJournal,
    CheckedMender,
    CheckedService,
)
from tests.simulation.disk import SimulatedSync
from tests.simulation.intake import SimulatedIntake
from tests.simulation.node import SimulatedMender, SimulatedNodeService
from tests.simulation.volume import SimulatedPublisher, SimulatedRecovery, Steps
from tests.simulation.volume_records import SimulatedIndex


@dataclass(frozen=True, slots=True)
class Build:
    """What the processes of one world are made of."""

    steps: Steps
    mender: type[SimulatedMender] = CheckedMender
    service: type[SimulatedNodeService] = CheckedService
    intake: type[SimulatedIntake] = SimulatedIntake
    catalogue: type[SimulatedCatalogue] = SimulatedCatalogue
    peers: Callable[[tuple[Peer, ...]], tuple[Peer, ...]] = lambda peers: peers
    copies: Callable[[int], int] = lambda copies: copies


SOUND = Build(
    Steps(
        SimulatedSync,
        CheckedJournal,
        SimulatedIndex,
        SimulatedPublisher,
        SimulatedRecovery,
        CheckedAdmission,
    )
)
_ = (replace, Any)
