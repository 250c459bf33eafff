"""Worker processes and what packages do to them (ingest_watch/workers.py). Real processes.

Workers cannot import tests, so the jobs are the library's, or text that a worker runs.
"""

import asyncio
import ctypes
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ingest_watch.checks.report import Verdict
from ingest_watch.confinement import Confinement
from ingest_watch.plain_values import NotPlain, plain_value
from ingest_watch.worker_process import Allowance
from ingest_watch.workers import (
    WorkerDied,
    WorkerFailed,
    WorkerKind,
    WorkerOverdue,
    Workers,
    WorkersClosed,
)
from ingest_watch.workload import Enquiry
from tests.conftest import WaitUntil

MEBIBYTE = 1024**2
ALLOWANCE = Allowance(
    time_s=60,
    time_s_per_tebibyte=3600,
    processor_s=60,
    processor_s_per_tebibyte=3600,
    output_bytes=MEBIBYTE,
    content_bytes_max=1024 * MEBIBYTE,
)
SPIN_HALF_A_SECOND = (
    "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
)
KIND = WorkerKind("test", Confinement(memory_bytes=96 * MEBIBYTE), ALLOWANCE)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers(2, KIND)
    yield made
    await asyncio.to_thread(made.close)


@pytest.fixture
async def limited() -> AsyncIterator[Callable[..., Workers]]:
    """Makes workers of another allowance."""
    made: list[Workers] = []

    def make(**changes: int) -> Workers:
        made.append(Workers(1, replace(KIND, allowance=replace(ALLOWANCE, **changes))))
        return made[-1]

    yield make
    for each in made:
        await asyncio.to_thread(each.close)


async def test_a_worker_returns_what_its_job_returned(workers: Workers) -> None:
    assert await workers.run(str.upper, "bag") == "BAG"
    assert await workers.run(Path, "a/申请") == Path("a/申请")


async def test_a_package_that_kills_its_reader_takes_no_other_along(workers: Workers) -> None:
    """The others are under way while it dies, and are carried on by the processes they began in."""
    jobs = [workers.run(os._exit, 9), *(workers.run(time.sleep, 0.5) for _ in range(5))]
    killed, *others = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(killed, WorkerDied)
    assert killed.cause == "status 9"
    assert others == [None] * 5
    assert workers.deaths == 2
    assert await workers.run(str.upper, "next") == "NEXT"


async def test_the_second_try_is_in_a_process_that_has_seen_nothing(workers: Workers) -> None:
    """Both processes are killed while they wait; a job may meet one of them, and not both."""
    await asyncio.gather(*(workers.run(time.sleep, 0.3) for _ in range(2)))
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
    assert await workers.run(str.upper, "bag") == "BAG"
    assert workers.deaths == 1


async def test_a_reader_that_is_made_to_crash_is_only_a_dead_reader(workers: Workers) -> None:
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        await workers.run(ctypes.string_at, 1)


async def test_an_error_that_nobody_foresaw_is_the_package_s_and_not_the_intake_s(
    workers: Workers,
) -> None:
    with pytest.raises(WorkerFailed, match="ValueError"):
        await workers.run(int, "not a number")
    with pytest.raises(FileNotFoundError):
        await workers.run(os.stat, "/nowhere")


async def test_memory_is_limited(workers: Workers) -> None:
    assert await workers.run(bytes, 16 * MEBIBYTE) == bytes(16 * MEBIBYTE)
    with pytest.raises(WorkerDied, match="memory limit"):
        await workers.run(bytes, 512 * MEBIBYTE)


async def test_processor_time_is_limited(limited: Callable[..., Workers]) -> None:
    with pytest.raises(WorkerDied, match="processor time limit"):
        await limited(processor_s=1).run(exec, "while True: pass")


async def test_processor_time_is_counted_for_each_job_and_not_for_the_process(
    limited: Callable[..., Workers],
) -> None:
    workers = limited(processor_s=1)
    for _ in range(4):
        await workers.run(exec, SPIN_HALF_A_SECOND)
    assert workers.deaths == 0


def writing(target: Path, expected_bytes: int) -> str:
    """A job that writes 2 MiB after saying how much it expects."""
    return (
        "import ingest_watch.workload, pathlib\n"
        f"ingest_watch.workload.expect({expected_bytes})\n"
        f"pathlib.Path({os.fspath(target)!r}).write_bytes(bytes({2 * MEBIBYTE}))\n"
    )


async def test_output_is_limited_by_what_the_job_said_it_would_read(
    workers: Workers, tmp_path: Path
) -> None:
    much, as_said = tmp_path / "much", tmp_path / "as said"
    with pytest.raises(WorkerDied, match="output limit"):
        await workers.run(exec, writing(much, 0))
    assert much.stat().st_size == MEBIBYTE
    await workers.run(exec, writing(as_said, 2 * MEBIBYTE))
    assert as_said.stat().st_size == 2 * MEBIBYTE


async def test_a_job_that_hangs_is_killed_at_its_limit_and_not_tried_again(
    limited: Callable[..., Workers],
) -> None:
    workers = limited(time_s=1)
    began = time.monotonic()
    with pytest.raises(WorkerOverdue):
        await workers.run(time.sleep, 3600)
    assert time.monotonic() - began < 10
    assert workers.deaths == 1
    assert await workers.run(str.upper, "next") == "NEXT"


def sleeping(seconds: float, expected_bytes: int) -> str:
    """A job that says how much it expects, and sleeps."""
    return (
        "import ingest_watch.workload, time\n"
        f"ingest_watch.workload.expect({expected_bytes})\n"
        f"time.sleep({seconds})\n"
    )


async def test_a_large_package_has_more_time_and_is_believed_only_so_far(
    limited: Callable[..., Workers],
) -> None:
    """A second, and one for each half GiB; at most 1 GiB is believed."""
    workers = limited(time_s=1, time_s_per_tebibyte=2048)
    await workers.run(exec, sleeping(1.5, 1024 * MEBIBYTE))
    with pytest.raises(WorkerOverdue):
        await workers.run(exec, sleeping(3600, 1024**5))


LIBC = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"
FAILED = "\nif result < 0: raise OSError(ctypes.get_errno(), 'refused')"
REFUSED = {
    "internet": "import socket; socket.socket(socket.AF_INET)",
    "internet v6": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "unix": "import socket; socket.socket(socket.AF_UNIX)",
    "another program": "import os; os.execv('/bin/true', ['true'])",
    "another process": "import os; os.fork()",
    "tracing": LIBC + "result = libc.ptrace(0, 0, 0, 0)" + FAILED,
    "mounting": LIBC + "result = libc.mount(b'none', b'/mnt', b'tmpfs', 0, None)" + FAILED,
    "namespaces": LIBC + "result = libc.unshare(0x10000000)" + FAILED,
    "io_uring": LIBC + "result = libc.syscall(425, 1, None)" + FAILED,
    "another root": "import os; os.chroot('/')",
    "signals": "import os; os.kill(os.getppid(), 0)",
    "symbolic links": "import os; os.symlink('/etc/passwd', '/tmp/lantai-link')",
    "hard links": "import os; os.link('/etc/passwd', '/tmp/lantai-link')",
    "devices": "import os, stat; os.mknod('/tmp/lantai-device', stat.S_IFCHR)",
    "its own limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_worker_has_no_network_and_no_way_out_of_itself(
    workers: Workers, what: str
) -> None:
    with pytest.raises((PermissionError, WorkerFailed)) as refusal:
        await workers.run(exec, REFUSED[what])
    # `resource` makes a ValueError of it.
    assert isinstance(refusal.value, PermissionError) or what == "its own limits"


async def test_a_worker_may_have_threads(workers: Workers) -> None:
    job = "import threading; thread = threading.Thread(target=int); thread.start(); thread.join()"
    await workers.run(exec, job)


async def test_this_machine_can_restrict_all_of_it(workers: Workers) -> None:
    assert await workers.lacking() == ()


def asking(file: Path) -> str:
    """A job that asks its owner about an open file."""
    return (
        "import os, ingest_watch.workload\n"
        f"file = os.open({os.fspath(file)!r}, os.O_RDONLY)\n"
        "answer = ingest_watch.workload.ask('what is in it?', file)\n"
        "assert answer == ('what is in it?', b'page one'), answer\n"
    )


async def test_a_job_asks_its_owner_about_a_file_that_it_opened_itself(tmp_path: Path) -> None:
    file = tmp_path / "申请表"
    file.write_bytes(b"page one")
    handed_over = []

    def answered(enquiry: Enquiry) -> object:
        assert enquiry.descriptor is not None
        handed_over.append(enquiry.descriptor)
        return enquiry.question, os.pread(enquiry.descriptor, 100, 0)

    workers = Workers(1, KIND, answered)
    for _ in range(2):
        await workers.run(exec, asking(file))
    await asyncio.to_thread(workers.close)
    for descriptor in handed_over:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


async def test_an_answer_that_nobody_waits_for_any_more_is_given_up(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    """Also what takes long to answer must not keep an intake from ending."""
    asked = threading.Event()

    def answered(enquiry: Enquiry) -> object:
        asked.set()
        while not enquiry.is_given_up():
            os.sched_yield()
        return None

    workers = Workers(1, KIND, answered)
    (tmp_path / "file").touch()
    job = asyncio.create_task(workers.run(exec, asking(tmp_path / "file")))
    await wait_until(asked.is_set, 20, "the question")
    await asyncio.to_thread(workers.close)
    with pytest.raises(WorkersClosed):
        await job


async def test_a_process_makes_room_for_another_after_so_many_jobs() -> None:
    workers = Workers(1, replace(KIND, jobs_max=2))
    numbers = [await workers.run(eval, "__import__('os').getpid()") for _ in range(4)]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]
    assert workers.deaths == 0
    await asyncio.to_thread(workers.close)


class Trap:
    """What a package that has taken its reader over would send."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/lantai-trap",)


async def test_what_a_worker_sends_is_never_run(workers: Workers) -> None:
    with pytest.raises(WorkerDied, match=r"fractions\.Fraction"):
        await workers.run(eval, "__import__('fractions').Fraction(1)")
    assert await workers.run(str.upper, "next") == "NEXT"


@pytest.mark.parametrize("sent", [b"", b"\x80", b"c__main__\nx\n.", pickle.dumps(Trap())])
def test_nothing_but_plain_values_is_taken(sent: bytes) -> None:
    with pytest.raises(NotPlain):
        plain_value(sent)


def test_plain_values_arrive_as_they_were() -> None:
    for value in (Verdict.REJECTED, KIND, Path("a"), FileNotFoundError(2, "no", b"x"), {"a": (1,)}):
        assert repr(plain_value(pickle.dumps(value))) == repr(value)


async def test_closing_does_not_wait_for_a_job_that_takes_hours(wait_until: WaitUntil) -> None:
    workers = Workers(1, KIND)
    job = asyncio.create_task(workers.run(time.sleep, 3600))
    await wait_until(multiprocessing.active_children, 20, "a worker")
    began = time.monotonic()
    await asyncio.to_thread(workers.close)
    assert time.monotonic() - began < 10
    with pytest.raises(WorkersClosed):
        await job
