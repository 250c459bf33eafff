"""What a process that opens packages may ask its owner for: formats of files, and virus scans.

docs/decisions/0006, 0012. Hands each question to the service that answers it; answers none itself.
"""

from pathlib import Path

from ingest_watch.format_identification import FormatService, Question
from ingest_watch.scan_service import ScanService
from ingest_watch.workload import Enquiry


class ReaderServices:
    """The owner's side of everything that a reader may ask."""

    def __init__(self, formats: FormatService, clamd_socket: Path | None) -> None:
        self._formats = formats
        self._scans = None if clamd_socket is None else ScanService(clamd_socket)

    def answer(self, enquiry: Enquiry) -> object:
        """Answer a reader; None where nobody can. Blocks."""
        if isinstance(enquiry.question, Question):
            return self._formats.answer(enquiry)
        return None if self._scans is None else self._scans.answer(enquiry)
