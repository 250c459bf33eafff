"""What a process that opens packages is left with, and what each package may use.

Attack catalogue, docs/decisions/0006. Values only; package_readers.py and package_check.py use
such processes.
"""

from ingest_watch.confinement import Confinement
from ingest_watch.limits import DEFAULT_LIMITS, MEBIBYTE
from ingest_watch.worker_process import Allowance
from ingest_watch.workers import WorkerKind

_HOUR_S = 3600
_MINUTE_S = 60


def reader_kind(hours_per_tebibyte: float) -> WorkerKind:
    """The kind of process that opens packages."""
    return WorkerKind(
        "reader",
        # Flat from some ten thousand files on: 60 to 80 MiB.
        Confinement(memory_bytes=128 * MEBIBYTE, open_files=512),
        Allowance(
            time_s=30 * _MINUTE_S,
            time_s_per_tebibyte=hours_per_tebibyte * _HOUR_S,
            processor_s=10 * _MINUTE_S,
            processor_s_per_tebibyte=2 * _HOUR_S,
            # Beside the package: its listing and file lists, which grow with its files.
            output_bytes=4096 * MEBIBYTE,
            content_bytes_max=DEFAULT_LIMITS.content_bytes_max,
        ),
        preload=("ingest_watch.prepare",),
    )
