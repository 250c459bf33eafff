"""What was found while a document was read, kept until the check that it belongs to asks.

A flaw that every line of a long document shares is kept so many times and no more: a package of a
million records must not fill the memory with one cause. Judges nothing.
"""

from collections import Counter

from ingest_watch.findings import Finding

OF_ONE_CODE_MAX = 1000


class KeptFindings:
    """Findings in the order in which they were made."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Keep a finding, unless there are enough of its code."""
        self._counts[finding.code] += 1
        if self._counts[finding.code] <= OF_ONE_CODE_MAX:
            self.findings.append(finding)

    @property
    def count(self) -> int:
        """How many were made, kept or not."""
        return self._counts.total()
