"""A role for the tests of the life cycle, run as a process of its own.

Its behaviour is chosen by the first argument; nothing of the product is replaced.
"""

import asyncio
import sys
from pathlib import Path

from daemon.config import ConfigurationError
from daemon.control import Request
from daemon.lifecycle import Opening, Part, Role, Work, run_role
from monitoring.log import configure_log
from monitoring.metrics import new_registry


async def beat_for_ever(part: Part) -> None:
    while True:
        part.beat("sweeping")
        await part.pause(0.1)


async def fall_silent(_part: Part) -> None:
    await asyncio.Event().wait()


async def raise_soon(part: Part) -> None:
    await part.pause(0.2)
    raise ZeroDivisionError


async def return_soon(part: Part) -> None:
    await part.pause(0.2)


BEHAVIOURS = {
    "beats": beat_for_ever,
    "silent": fall_silent,
    "raises": raise_soon,
    "returns": return_soon,
}


async def count(_request: Request) -> dict[str, int]:
    return {"objects": 7}


def main(behaviour: str, folder: Path, address: str) -> int:
    """Run the role until it ends."""

    async def open_role(opening: Opening) -> Work:
        opening.say("Opening")
        if behaviour == "refuses":
            raise ConfigurationError("the identity is another's")
        opening.stack.callback((folder / "closed").touch)
        work = BEHAVIOURS[behaviour]
        return Work((Part("work", work, silence_s_max=1),), {"status": count})

    configure_log("test")
    registry = new_registry("test", "role-1")
    return run_role(Role("test", "role-1", address, registry, open_role), folder, debug=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
