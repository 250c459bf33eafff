"""One confined process that carries out jobs, and what its owner holds of it.

The process is forked from a server that has neither threads nor sockets, confines itself, and then
answers one job after the other. Its owner believes nothing it says: answers are plain values of a
limited size, and time, processor time and output are limited from outside. Which job comes next is
workers.py's affair.
"""

import math
import os
import pickle
import resource
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EFBIG
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

from ingest_watch.confinement import Confinement, confine
from ingest_watch.plain_values import plain_value
from ingest_watch.workload import Enquiry, answer_by, listen
from storage.crash_point import crash_point, order_crash, ordered_crash
from storage.errors import LantaiError

TEBIBYTE = 1024**4
_MEMORY_EXIT, _OUTPUT_EXIT = 70, 71
_CAUSES = {
    _MEMORY_EXIT: "memory limit",
    _OUTPUT_EXIT: "output limit",
    -signal.SIGXCPU: "processor time limit",
    0: "it left",
}
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_START_S_MAX = 60.0
_END_S_MAX = 5.0
# So soon it is noticed that a process was given up which even a kill does not end.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one job may use: a fixed part, and one that grows with what it says it has to do.

    docs/decisions/0006. `content_bytes_max` is as much as a job is believed.
    """

    time_s: float
    time_s_per_tebibyte: float
    processor_s: int
    processor_s_per_tebibyte: int
    output_bytes: int
    content_bytes_max: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The process is confined, but for what is listed."""

    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """The job has so many bytes to read or write; it waits until it may."""

    content_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The job asks its owner for something that it may not do itself."""

    question: object
    about_file: bool  # whose descriptor follows


@dataclass(frozen=True, slots=True)
class Returned:
    """The job's result."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The job's refusal, or the error of a disk."""

    error: LantaiError | OSError


@dataclass(frozen=True, slots=True)
class Failed:
    """The job met an error that nobody foresaw; `where` names code only, no content."""

    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process ended under the job."""

    cause: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """The job was not done in its time, and its process was killed."""


# How an owner answers what a job asks; from the thread that waits for the job.
Answering = Callable[[Enquiry], object]
Outcome = Returned | Raised | Failed | Died | Overdue


def start_server(preload: tuple[str, ...]) -> None:
    """Start the process that others are forked from, before it is needed: from the main thread.

    It and they are deaf to Ctrl-C, which is meant for the owner alone.
    """
    forkserver.set_forkserver_preload(list(preload))
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, heeded)


class WorkerProcess:
    """The owner's side. One job at a time; not for several threads at once but for `kill`."""

    def __init__(
        self,
        confinement: Confinement,
        preload: tuple[str, ...],
        answering: Answering | None = None,
    ) -> None:
        """Start the process and wait until it is confined. Raises OSError, EOFError."""
        self._answering = answering
        # Never fork a process that has threads and open sockets.
        context = get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, confinement), daemon=True)
        self._process.start()
        theirs.close()
        self.jobs = 0
        self._killed = threading.Event()
        if not self._channel.poll(_START_S_MAX):
            self.kill()
            raise EOFError("a worker process did not start")
        ready = plain_value(self._channel.recv_bytes(_ANSWER_BYTES_MAX))
        assert isinstance(ready, Ready), "a process begins by saying that it is ready"
        self.lacking = ready.lacking

    def carry_out(
        self, call: Callable[[Any], object], job: object, allowance: Allowance
    ) -> Outcome:
        """Have the job done. After `Died` or `Overdue` this process is gone. Blocks."""
        self.jobs += 1
        deadline = _Deadline(self, allowance)
        try:
            self._channel.send((call, job, ordered_crash()))
            return self._answer(deadline)
        except (EOFError, OSError):
            return Overdue() if deadline.is_over else Died(self._cause())
        except LantaiError as untrustworthy:
            self.kill()
            return Died(str(untrustworthy))
        finally:
            deadline.cancel()

    def kill(self) -> None:
        """End the process in the middle of whatever it does; from any thread."""
        self._killed.set()
        self._process.kill()

    def retire(self) -> None:
        """End the process between two jobs, and wait for that."""
        self._channel.close()
        self._process.join(_END_S_MAX)
        if self._process.is_alive():
            self.kill()

    def limit(self, processor_s: int, output_bytes: int) -> None:
        """Let the process use so much processor time from now on, and write files so long."""
        number = self._process.pid
        assert number is not None, "the process was started"
        with suppress(OSError):  # it is gone, which its job will find out
            # The kernel's name for the processor time of another process (clock_getcpuclockid).
            used_s = time.clock_gettime(~number << 3 | 2)
            processor_limit = (math.ceil(used_s) + processor_s, resource.RLIM_INFINITY)
            resource.prlimit(number, resource.RLIMIT_CPU, processor_limit)
            output_limit = (output_bytes, resource.RLIM_INFINITY)
            resource.prlimit(number, resource.RLIMIT_FSIZE, output_limit)

    def _answer(self, deadline: "_Deadline") -> Outcome:
        while True:
            while not self._channel.poll(_LOOK_S):
                if self._killed.is_set():
                    return Overdue() if deadline.is_over else Died("killed")
            message = plain_value(self._channel.recv_bytes(_ANSWER_BYTES_MAX))
            match message:
                case Returned() | Raised() | Failed():
                    return message
                case Expected(content_bytes):
                    crash_point("worker.expecting")
                    deadline.extend(content_bytes)
                    self._channel.send(None)
                case Asked(question, about_file):
                    crash_point("worker.asking")
                    self._channel.send(self._answered(question, about_file=about_file is True))
                case _:
                    self.kill()
                    return Died("it said something out of place")

    def _answered(self, question: object, *, about_file: bool) -> object:
        with self._handed_over(about_file=about_file) as descriptor:
            if self._answering is None:
                return None
            return self._answering(Enquiry(question, descriptor, self._killed.is_set))

    @contextmanager
    def _handed_over(self, *, about_file: bool) -> Iterator[int | None]:
        """The file that a question is about. Opened by the job: no name of its choice is."""
        if not about_file:
            yield None
            return
        with _as_socket(self._channel) as connection:
            _, files, _, _ = socket.recv_fds(connection, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not files:
            raise EOFError("a question about a file came without it")
        try:
            yield files[0]
        finally:
            os.close(files[0])

    def _cause(self) -> str:
        self._process.join(_END_S_MAX)
        number = self._process.exitcode
        if number is None:
            self.kill()
            return "it fell silent"
        if number in _CAUSES:
            return _CAUSES[number]
        return f"signal {signal.Signals(-number).name}" if number < 0 else f"status {number}"


class _Deadline:
    """Kills a process whose job takes too long."""

    def __init__(self, process: WorkerProcess, allowance: Allowance) -> None:
        self._process = process
        self._allowance = allowance
        self._began_s = time.monotonic()
        self.is_over = False
        self._timer = self._started(0)

    def extend(self, content_bytes: int) -> None:
        """Give the job the time that so many bytes deserve."""
        self._timer.cancel()
        self._timer = self._started(max(0, min(content_bytes, self._allowance.content_bytes_max)))

    def cancel(self) -> None:
        """The job is over."""
        self._timer.cancel()

    def _started(self, content_bytes: int) -> threading.Timer:
        allowance = self._allowance
        share = content_bytes / TEBIBYTE
        self._process.limit(
            allowance.processor_s + int(share * allowance.processor_s_per_tebibyte),
            allowance.output_bytes + content_bytes,
        )
        over_at_s = self._began_s + allowance.time_s + share * allowance.time_s_per_tebibyte
        timer = threading.Timer(max(0, over_at_s - time.monotonic()), self._end)
        timer.daemon = True
        timer.start()
        return timer

    def _end(self) -> None:
        self.is_over = True
        self._process.kill()


def _serve(channel: "Connection[Any, Any]", confinement: Confinement) -> None:
    """The process: be confined, then do what is asked until there is nobody left who asks."""
    # Ctrl-C is meant for the owner, who ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lacking = confine(confinement)
    threading.Thread(target=_die_with_owner, name="owner", daemon=True).start()
    channel.send(Ready(lacking))
    listen(lambda content_bytes: _await_leave(channel, content_bytes))
    answer_by(lambda question, descriptor: _answer_of(channel, question, descriptor))
    while True:
        try:
            call, job, crash = channel.recv()
        except EOFError:
            return
        order_crash(crash)
        try:
            channel.send_bytes(pickle.dumps(_carried_out(call, job)))
        except MemoryError:
            os._exit(_MEMORY_EXIT)


def _await_leave(channel: "Connection[Any, Any]", content_bytes: int) -> None:
    channel.send(Expected(content_bytes))
    channel.recv()


def _answer_of(channel: "Connection[Any, Any]", question: object, descriptor: int | None) -> object:
    channel.send(Asked(question, about_file=descriptor is not None))
    if descriptor is not None:
        with _as_socket(channel) as connection:
            socket.send_fds(connection, [b"\0"], [descriptor])
    return channel.recv()


def _as_socket(channel: "Connection[Any, Any]") -> socket.socket:
    """The channel, for what only a socket can do: hand over an open file (unix(7))."""
    return socket.fromfd(channel.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)


def _carried_out(call: Callable[[Any], object], job: object) -> Returned | Raised | Failed:
    try:
        return Returned(call(job))
    except MemoryError:
        raise
    except OSError as error:
        if error.errno == EFBIG:
            os._exit(_OUTPUT_EXIT)
        return Raised(error)
    except LantaiError as error:
        return Raised(error)
    except Exception as error:  # noqa: BLE001 - a stranger's package must not end the intake
        # What the error says may be the package's content.
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
        return Failed(type(error).__name__, where)


def _die_with_owner() -> None:
    """A worker that outlived a killed intake would write into its successor's staging.

    The kernel's own way (PR_SET_PDEATHSIG) does not help: the fork server is the parent that it
    means, and lives as long as its children.
    """
    owner = parent_process()
    assert owner is not None, "workers are begun by the intake"
    owner.join()
    os._exit(1)
