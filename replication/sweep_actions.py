"""What a keeper may have a node's sweep do, and how it travels in an order of the catalogue.

docs/wire/README.md, `sweep`; docs/operations/control.md, `sweep-start`. Values only.
"""

from dataclasses import dataclass
from typing import Any, Literal

from storage.errors import Refusal

# docs/operations/sweep.md: a pause that somebody forgot ends by itself.
PAUSE_S = 24 * 3600
PAUSE_S_MAX = 30 * 24 * 3600

Action = Literal["start", "pause", "resume", "status"]
Kind = Literal["full", "quick"]
Scope = Literal["node", "source", "package", "sample"]


class SweepOrderRefused(Refusal):
    """What is to be swept cannot be understood; the message says how to say it."""

    code = "sweep-order-refused"


@dataclass(frozen=True, slots=True)
class SweepAction:
    """One thing for a sweep to do."""

    action: Action
    kind: Kind = "full"
    scope: Scope = "node"
    subject: str = ""  # of the scope: empty, a source, an object id, a share such as "0.05"
    pause_s: int = PAUSE_S

    @classmethod
    def from_members(cls, action: Action, members: dict[str, Any]) -> "SweepAction":
        """From the arguments of a control verb, or of an order. Raises SweepOrderRefused."""
        kind, scope = members.get("kind", "full"), members.get("scope", "node")
        subject, pause_s = members.get("subject", ""), members.get("pause_s", PAUSE_S)
        if kind not in ("full", "quick"):
            raise SweepOrderRefused(f"a sweep is full or quick, not {kind!r}")
        if scope not in ("node", "source", "package", "sample"):
            raise SweepOrderRefused(f"{scope!r} is no scope: node, source, package or sample")
        if not isinstance(subject, str) or (scope == "node") != (subject == ""):
            raise SweepOrderRefused(f"a sweep of scope {scope} needs its subject")
        if not isinstance(pause_s, int) or not 0 < pause_s <= PAUSE_S_MAX:
            raise SweepOrderRefused("a pause lasts from one second to 30 days")
        if scope == "sample":
            _refuse_unless_share(subject)
        return cls(action, kind, scope, subject, pause_s)

    def members(self) -> dict[str, Any]:
        """What `from_members` makes the same action of."""
        if self.action == "pause":
            return {"pause_s": self.pause_s}
        return {"kind": self.kind, "scope": self.scope, "subject": self.subject}


STATUS = SweepAction("status")


def _refuse_unless_share(subject: str) -> None:
    try:
        good = 0 < float(subject) <= 1
    except ValueError:
        good = False
    if not good:
        raise SweepOrderRefused(f"{subject!r} is no share of all objects: from 0 to 1")
