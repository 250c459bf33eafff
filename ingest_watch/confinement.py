"""Take from this process whatever opening a stranger's package does not need, for good.

setrlimit(2), seccomp(2), prctl(2); needs no privilege and cannot be undone. What is taken is tried
afterwards: a machine that only says that it restricts does not count. Time, processor time and
output are limits on a job and belong to worker_process.py.
"""

import ctypes
import errno
import mmap
import os
import platform
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass

from ingest_watch.system_calls import MACHINES, filter_program

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_INSTRUCTION_BYTES = 8
# The first that the kernel ends when memory runs out: a job can be repeated.
_OUT_OF_MEMORY_ADJUSTMENT = "1000"

NO_NETWORK = "isolation from the network (seccomp)"
NO_MEMORY_LIMIT = "a limit on memory (RLIMIT_DATA)"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process is left with."""

    memory_bytes: int  # private memory that may be written, the interpreter's own included
    open_files: int = 512


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine(confinement: Confinement) -> tuple[str, ...]:
    """Confine this process; return what this machine could not take from it."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, confinement.memory_bytes)
    _limit(resource.RLIMIT_NOFILE, confinement.open_files)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OUT_OF_MEMORY_ADJUSTMENT)
    _filter_calls()
    lacking = []
    if not _is_without_network():
        lacking.append(NO_NETWORK)
    if not _is_limited_to(confinement.memory_bytes):
        lacking.append(NO_MEMORY_LIMIT)
    return tuple(lacking)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _filter_calls() -> None:
    """Hand the filter to the kernel; where it takes none, trying it will show."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return
    code = filter_program(machine, os.getpid())
    program = _Program(len(code) // _INSTRUCTION_BYTES, code)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)


def _is_without_network() -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
        except OSError as error:
            if error.errno != errno.EPERM:
                continue
        else:
            return False
    return True


def _is_limited_to(memory_bytes: int) -> bool:
    try:
        mmap.mmap(-1, memory_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        return error.errno == errno.ENOMEM
    return False
