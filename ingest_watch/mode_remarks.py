"""Remarks on files that came with setuid, setgid or sticky permissions.

Attack catalogue A9. Nothing of a sender's permissions is applied; who needs to know that a file
was to run as somebody else finds it in the report.
"""

import stat

from ingest_watch.findings import Finding
from ingest_watch.opening_rules import MODE_SPECIAL

_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
# A package with more has one cause.
_REMARKS_MAX = 100


class ModeRemarks:
    """Sees the mode of every file of one package."""

    def __init__(self) -> None:
        self._remarks: list[Finding] = []

    def see(self, path: str, mode: int) -> None:
        """Remember what is worth telling of one file's mode."""
        if mode & _SPECIAL and len(self._remarks) < _REMARKS_MAX:
            self._remarks.append(MODE_SPECIAL.found(path, mode=f"{stat.S_IMODE(mode):04o}"))

    def remarks(self) -> tuple[Finding, ...]:
        """Return what was remarked, for the report."""
        return tuple(self._remarks)
