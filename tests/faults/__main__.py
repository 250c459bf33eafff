"""`python tests/faults`: the fault campaign."""

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def _begin() -> None:
    # A package that ocfl-py brings along is called `tests` as well.
    sys.path.insert(0, str(PROJECT))
    import tests

    tests.__path__.insert(0, str(PROJECT / "tests"))
    from tests.faults.campaign import begin

    begin()


# Processes that the product starts load this file, too, under another name.
if __name__ == "__main__":
    _begin()
