"""What a node told the keeper of itself, or that it does not answer: values only.

hearing.py asks; fixity_assembly.py judges.
"""

from dataclasses import dataclass

from replication.node_answers import NodeState
from storage.sweep.account import SweepAccount
from storage.sweep.model import SweepStatus


@dataclass(frozen=True, slots=True)
class Told:
    """What a node said of itself, and when."""

    at: str
    account: SweepAccount
    state: NodeState
    sweep: SweepStatus


@dataclass(frozen=True, slots=True)
class Away:
    """A node that does not answer now; `last` is what it said before, if anything."""

    reason: str
    last: Told | None


Heard = Told | Away
