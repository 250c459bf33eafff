"""What happened in one seed, line by line, for whoever has to understand it."""

from collections.abc import MutableMapping
from typing import Any

import structlog

# What the product says only where its own code failed.
_BUGS = frozenset({"wire.internal"})
_QUIET = frozenset(
    {"wire.node.greeted", "volume.group.finished", "wire.put.refused", "replication.put.delayed"}
)


class Story:
    """Numbered lines, each with its virtual time; of a long one the last are kept."""

    def __init__(self, clock: Any) -> None:
        self.lines: list[str] = []
        self.bugs: list[str] = []  # the product's own
        self._clock = clock

    def tell(self, text: str) -> None:
        self.lines.append(f"{len(self.lines) + 1:5} {self._clock.now:9.3f} s  {text}")


def hear_the_product(stories: list[Story]) -> None:
    """Have the product's own log go into the newest story, and nowhere else."""

    def tell(_log: Any, level: str, event: MutableMapping[str, Any]) -> str:
        name = str(event.pop("event"))
        module = str(event.pop("module", ""))
        event.pop("exc_info", None)
        if stories and name not in _QUIET:
            if name in _BUGS:
                stories[-1].bugs.append(str(event.get("error")))
            fields = ", ".join(f"{key}={value}" for key, value in event.items())
            stories[-1].tell(f"{level}: {name} ({module}) {fields}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[tell],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        cache_logger_on_first_use=False,
    )
