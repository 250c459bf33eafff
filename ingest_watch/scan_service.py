"""Have files scanned for viruses on behalf of processes that may reach no scanner themselves.

docs/decisions/0006. A reader opens the file and hands its descriptor to its owner, who hands it on
to clamd (clamd.py): no name that a reader chose is opened by anybody else, so there is nothing to
swap on the way, and a reader needs no socket. Decides nothing about packages.
"""

import errno
import os
import stat
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingest_watch.clamd import Clamd
from ingest_watch.instruments import Scanned
from ingest_watch.workload import Enquiry, ask


@dataclass(frozen=True, slots=True)
class ScannerWanted:
    """Which scanner is it?"""


@dataclass(frozen=True, slots=True)
class Scanner:
    """What it calls itself, and the day its signatures were made."""

    version: str
    signed_on: date | None


@dataclass(frozen=True, slots=True)
class ScanWanted:
    """Is there a virus in the file that is handed over with this?"""


Answer = Scanner | Scanned | OSError


class ScanService:
    """The owner's side: answers what readers ask."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path

    def answer(self, enquiry: Enquiry) -> Answer:
        """Answer a reader. Blocks while clamd is at work and the reader waits for it."""
        clamd = Clamd(self._socket_path, enquiry.is_given_up)
        try:
            match enquiry:
                case Enquiry(ScannerWanted()):
                    return Scanner(*clamd.version())
                case Enquiry(ScanWanted(), int() as descriptor) if _is_file(descriptor):
                    return clamd.scan(descriptor)
        except OSError as error:
            return error
        return OSError(errno.EINVAL, os.strerror(errno.EINVAL))


class AskingScanner:
    """A virus scanner in a reader: by asking its owner."""

    def version(self) -> tuple[str, date | None]:
        """As VirusScanner says."""
        answer = ask(ScannerWanted())
        if isinstance(answer, Scanner):
            return answer.version, answer.signed_on
        raise _away(answer)

    def scan(self, descriptor: int) -> Scanned:
        """As VirusScanner says."""
        answer = ask(ScanWanted(), descriptor)
        if isinstance(answer, Scanned):
            return answer
        raise _away(answer)


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _away(answer: object) -> OSError:
    if isinstance(answer, OSError):
        return answer
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
