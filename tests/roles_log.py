"""What the roles of a test said last, for the report of a test that failed.

Folders of an appliance lie below the test's own base folder and go with it; of a failure on another
machine nothing else is left.
"""

import json
from collections.abc import Iterator
from pathlib import Path

LINES = 25  # of each role
_QUIET = {"debug", "info"}


def said_since(base: Path, since_s: float) -> str:
    """Warnings and errors of every role that wrote to its log after `since_s` (a file's clock)."""
    logs = sorted(log for log in base.rglob("logs/*.log") if log.stat().st_mtime >= since_s)
    return "\n".join(part for log in logs for part in _told(base, log))


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
