"""The filter of system calls, run as the kernel would run it (ingest_watch/system_calls.py).

Two architectures, one of which this machine is not: so the program is interpreted here.
test_workers.py tries it on the real kernel.
"""

import struct

import pytest

from ingest_watch.system_calls import MACHINES, filter_program

ALLOWED = 0x7FFF0000
REFUSED = 0x00050001  # EPERM
UNKNOWN = 0x00050026  # ENOSYS
PROCESS = 4711


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would return for one call."""
    values = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, architecture, 0, *values)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x15:
                position += if_true if accumulator == value else if_false
            case 0x35:
                position += if_true if accumulator >= value else if_false
            case 0x45:
                position += if_true if accumulator & value else if_false
            case 0x06:
                return int(value)
            case _:
                pytest.fail(f"an instruction that is not used: {code:#x}")


@pytest.fixture(params=sorted(MACHINES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "call",
    ["execve", "ptrace", "mount", "bind", "listen", "io_uring_setup", "pidfd_getfd", "bpf", "kill"],
)
def test_what_opening_a_package_never_needs_is_refused(name: str, call: str) -> None:
    machine = MACHINES[name]
    program = filter_program(machine, PROCESS)
    assert verdict(program, machine.architecture, machine.numbers[call]) == REFUSED


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("socket", (1, 1), REFUSED),
        ("socket", (2, 1), REFUSED),
        ("connect", (3,), REFUSED),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone", (17,), REFUSED),
        ("clone3", (), UNKNOWN),
        ("tgkill", (PROCESS, PROCESS, 6), ALLOWED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("prlimit64", (0, 7, 0, 1), ALLOWED),
        ("prlimit64", (0, 7, 0x7F0000000000, 0), REFUSED),
    ],
)
def test_some_calls_depend_on_what_is_asked(
    name: str, call: str, arguments: tuple[int, ...], expected: int
) -> None:
    machine = MACHINES[name]
    program = filter_program(machine, PROCESS)
    assert verdict(program, machine.architecture, machine.numbers[call], *arguments) == expected


def test_ordinary_work_is_allowed(name: str) -> None:
    """read, openat, mmap and futex, by each machine's own numbers."""
    ordinary = {"x86_64": (0, 257, 9, 202), "aarch64": (63, 56, 222, 98)}
    machine = MACHINES[name]
    program = filter_program(machine, PROCESS)
    assert {verdict(program, machine.architecture, each) for each in ordinary[name]} == {ALLOWED}


def test_no_call_goes_by_another_name(name: str) -> None:
    """Neither as a call of another architecture, nor under x32's numbers."""
    machine = MACHINES[name]
    program = filter_program(machine, PROCESS)
    assert verdict(program, 0x40000003, 1) == REFUSED
    assert verdict(program, machine.architecture, 0x40000000 + machine.numbers["socket"], 1) == (
        REFUSED
    )


def test_no_two_calls_of_a_machine_share_a_number(name: str) -> None:
    numbers = list(MACHINES[name].numbers.values())
    assert len(numbers) == len(set(numbers))
