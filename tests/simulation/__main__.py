"""`python tests/simulation`: the simulator as a command (command.py has its options).

A library that some tests need installs a package of its own called `tests`; ours is put before it.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).resolve().parents[2]


def _main() -> int:
    sys.path.insert(0, str(_ROOT))
    ours = ModuleType("tests")
    ours.__path__ = [str(_ROOT / "tests")]
    sys.modules["tests"] = ours
    command = importlib.import_module("tests.simulation.command")
    code: int = command.main(sys.argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(_main())
