"""What the roles of a test said last, beside the report of a test that failed.

Folders of an appliance lie below the test's own base folder and go with it; of a failure on another
machine nothing else is left. A hook of pytest, for each folder whose conftest.py imports it.
"""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

LINES = 25  # of each role
_QUIET = {"debug", "info"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the warnings and errors of every role that wrote to its log meanwhile."""
    report = yield
    factory: pytest.TempPathFactory | None = getattr(item.config, "_tmp_path_factory", None)
    if report.failed and factory is not None:
        base = factory.getbasetemp()
        said = "\n".join(part for log in _logs(base, call.start) for part in _told(base, log))
        report.sections.append(("what the roles said", said))
    return report


def _logs(base: Path, since: float) -> list[Path]:
    """Those that were written since. A mount that a test killed lies among its folders."""
    found = []
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if not os.path.ismount(Path(folder, name))]
        if folder.endswith("/logs"):
            found += [Path(folder, name) for name in names if name.endswith(".log")]
    return sorted(log for log in found if log.stat().st_mtime >= since)


def _told(base: Path, log: Path) -> Iterator[str]:
    lines = [line for line in log.read_text(errors="replace").splitlines() if _is_loud(line)]
    if lines:
        yield f"── {log.relative_to(base)}"
        yield from lines[-LINES:]


def _is_loud(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return True  # a traceback, say
    return not isinstance(entry, dict) or entry.get("level") not in _QUIET
