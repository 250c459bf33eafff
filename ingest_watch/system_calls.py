"""Which system calls a confined process is refused, as a program for the kernel's filter.

seccomp(2), linux/filter.h, linux/audit.h; numbers from the kernel's tables for x86-64 and for
arm64. A list of what is refused and not of what is allowed, so that no C library or interpreter
of another release breaks it: what is listed is what opening a package never needs. Builds the
program only; confinement.py hands it to the kernel.
"""

import errno
import struct
from dataclasses import dataclass

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
# Instructions: load a word, jump if equal, at least, any bit set; return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000
# On x86-64, numbers from here on are the x32 calls: the same, under other numbers.
_X32 = 0x40000000

_REFUSED = tuple(
    """
    accept accept4 acct add_key bind bpf chroot clock_settime connect delete_module execve execveat
    finit_module fork fsconfig fsmount fsopen fspick init_module io_uring_enter
    io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl kill
    link linkat listen mknod mknodat mount mount_setattr move_mount name_to_handle_at
    open_by_handle_at open_tree perf_event_open personality pidfd_getfd pidfd_open
    pidfd_send_signal pivot_root process_madvise process_vm_readv process_vm_writev ptrace
    quotactl reboot request_key rt_sigqueueinfo rt_tgsigqueueinfo setdomainname sethostname
    setns setrlimit settimeofday socket socketpair swapoff swapon symlink symlinkat tkill umount2
    unshare userfaultfd vfork
    """.split()  # noqa: SIM905 - a list of 70 short lines says less
)

# Since Linux 5.1 new calls have one number everywhere.
_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """One processor architecture: its mark in the filter's data, and its numbers."""

    architecture: int
    numbers: dict[str, int]


MACHINES = {
    "x86_64": Machine(0xC000003E, _EVERYWHERE | {
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "link": 86,
        "symlink": 88, "ptrace": 101, "rt_sigqueueinfo": 129, "mknod": 133, "personality": 135,
        "pivot_root": 155, "setrlimit": 160, "chroot": 161, "acct": 163, "settimeofday": 164,
        "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
        "init_module": 175, "delete_module": 176, "quotactl": 179, "tkill": 200,
        "clock_settime": 227, "tgkill": 234, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "mknodat": 259, "linkat": 265, "symlinkat": 266,
        "unshare": 272, "accept4": 288, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
        "prlimit64": 302, "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
        "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    }),
    "aarch64": Machine(0xC00000B7, _EVERYWHERE | {
        "mknodat": 33, "symlinkat": 36, "linkat": 37, "umount2": 39, "mount": 40,
        "pivot_root": 41, "chroot": 51, "quotactl": 60, "acct": 89, "personality": 92,
        "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
        "clock_settime": 112, "ptrace": 117, "kill": 129, "tkill": 130, "tgkill": 131,
        "rt_sigqueueinfo": 138, "reboot": 142, "sethostname": 161, "setdomainname": 162,
        "setrlimit": 164, "settimeofday": 170, "socket": 198, "socketpair": 199, "bind": 200,
        "listen": 201, "accept": 202, "connect": 203, "add_key": 217, "request_key": 218,
        "keyctl": 219, "clone": 220, "execve": 221, "swapon": 224, "swapoff": 225,
        "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "accept4": 242, "prlimit64": 261,
        "name_to_handle_at": 264, "open_by_handle_at": 265, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273,
        "bpf": 280, "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
    }),
}  # fmt: skip


def filter_program(machine: Machine, process: int) -> bytes:
    """The program for the process of this number."""
    parts = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_EQUAL, machine.architecture, 1, 0),
        _refuse(errno.EPERM),
        _instruction(_LOAD, _NUMBER_AT),
        _instruction(_AT_LEAST, _X32, 0, 1),
        _refuse(errno.EPERM),
        # Its flags are out of a filter's sight; told that it is unknown, C libraries use `clone`.
        _where(machine.numbers["clone3"], _refuse(errno.ENOSYS)),
        _where(machine.numbers["clone"], _with_flag(0, _CLONE_THREAD)),
        # A process may end itself, and read its own limits.
        _where(machine.numbers["tgkill"], _only(0, process)),
        _where(machine.numbers["prlimit64"], _only(2, 0)),
    ]
    known = (machine.numbers[name] for name in _REFUSED if name in machine.numbers)
    parts += [_where(number, _refuse(errno.EPERM)) for number in known]
    parts.append(_instruction(_RETURN, _ALLOW))
    return b"".join(parts)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)


def _where(number: int, decision: bytes) -> bytes:
    """Come to `decision`, which returns, if the call is this one; else go on behind it."""
    return _instruction(_EQUAL, number, 0, len(decision) // len(_refuse(0))) + decision


def _only(argument: int, value: int) -> bytes:
    """Allow the call if its argument, all 64 bits of it, is `value`."""
    return (
        _load(argument, 0)
        + _instruction(_EQUAL, value, 0, 3)
        + _load(argument, 4)
        + _instruction(_EQUAL, 0, 0, 1)
        + _instruction(_RETURN, _ALLOW)
        + _refuse(errno.EPERM)
    )


def _with_flag(argument: int, flag: int) -> bytes:
    return (
        _load(argument, 0)
        + _instruction(_ANY_BIT, flag, 0, 1)
        + _instruction(_RETURN, _ALLOW)
        + _refuse(errno.EPERM)
    )


def _load(argument: int, half_at: int) -> bytes:
    """Load one half of an argument; both machines put the lower one first."""
    return _instruction(_LOAD, _ARGUMENTS_AT + 8 * argument + half_at)
