"""Attacks by folders: links, pipes, depth, names (A3, A4, A7-A20, A26, A31)."""

import os
import socket
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from ingest_watch.limits import TEBIBYTE, IntakeLimits
from tests.bags import bag_files, write_files
from tests.conformance.hostile.attack import (
    SECRET,
    Attack,
    Place,
    bag_attack,
    bag_of_names,
    folder_attack,
    outcome_of,
)

LEVELS = 10_000
FILES_MAX = 4_000


def _pipe(bag: Path) -> None:
    os.mkfifo(bag / "data" / "pipe")


def _socket(bag: Path) -> None:
    here = Path.cwd()
    os.chdir(bag)  # a socket's path may have 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("data/socket")
    finally:
        os.chdir(here)


def _hard_link(bag: Path) -> None:
    (bag / "data/scan/1.txt").rename(bag.parent.parent / "outside" / "1.txt")
    os.link(bag.parent.parent / "outside" / "1.txt", bag / "data/scan/1.txt")


def _special_modes(bag: Path) -> None:
    for path in bag.rglob("*"):
        if path.is_file():
            os.setxattr(path, "user.evil", b"1")
            path.chmod(0o6777)


async def _mounted(place: Place) -> str:
    bag = write_files(place.drop / "case", bag_files())
    (bag / "data/mounted").mkdir()
    bind = ["mount", "--bind", str(place.outside), str(bag / "data/mounted")]
    subprocess.run(bind, check=True)
    try:
        return await place.judge()
    finally:
        subprocess.run(["umount", str(bag / "data/mounted")], check=True)


async def _deep(place: Place) -> str:
    """In memory, where so many folders are made and removed soonest."""
    drop = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        (drop / "case").mkdir()
        descriptor = os.open(drop / "case", os.O_RDONLY)
        for _ in range(LEVELS):
            os.mkdir("d", dir_fd=descriptor)
            deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        os.close(descriptor)
        return await place.read(replace(place.job("case"), drop=drop))
    finally:
        subprocess.run(["rm", "-rf", str(drop)], check=True)


async def _many(place: Place) -> str:
    bag = write_files(place.drop / "case", bag_files())
    for number in range(FILES_MAX + 1):
        (bag / "data" / f"{number}").touch()
    outcome = await place.read(replace(place.job("case"), limits=IntakeLimits(files_max=FILES_MAX)))
    assert not (place.staging / "1/staged/data").exists(), "nothing is copied before all is counted"
    return outcome


def _long_path(bag: Path) -> None:
    here = os.open(bag / "data", os.O_RDONLY)
    for _ in range(8):
        os.mkdir("n" * 200, dir_fd=here)
        deeper = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)


async def _raw_names(place: Place) -> str:
    """A name in no encoding, in a bag whose tag files say what the bytes are."""
    raw = b"data/\xff\xfe.txt"
    files = bag_files({"data/placeholder": b"page"}, tag_manifests=False)
    listed = files["manifest-sha256.txt"].replace(b"data/placeholder", b"data/%25FF%25FE.txt")
    bag = write_files(place.drop / "case", files | {"manifest-sha256.txt": listed})
    (bag / "data/placeholder").rename(os.fsdecode(os.fsencode(bag) + b"/" + raw))
    outcome = await place.judge()
    (names,) = place.staging.rglob("names.jsonl")
    assert b'"path":"received/data/%FF%FE.txt"' in names.read_bytes()
    return outcome


async def _hole(place: Place) -> str:
    bag = write_files(place.drop / "case", bag_files())
    with (bag / "data/hole").open("wb") as file:
        file.truncate(9 * TEBIBYTE)
    outcome = await place.judge()
    assert sum(path.stat().st_size for path in place.staging.rglob("hole")) == 0
    return outcome


async def _small_hole(place: Place) -> str:
    """A hole that fits is copied as what it is: so many zeros, proven by the sender's digest."""
    hole = bytes(8 * 1024 * 1024)
    bag = write_files(place.drop / "case", bag_files({"data/hole": hole}))
    (bag / "data/hole").unlink()
    with (bag / "data/hole").open("wb") as file:
        file.truncate(len(hole))
    outcome = await place.judge()
    (copy,) = place.staging.rglob("hole")
    assert copy.read_bytes() == hole
    return outcome


async def _disguised(place: Place) -> str:
    """The package's own name is a link to a folder outside that is a good bag."""
    write_files(place.outside / "bag", bag_files({"data/secret.txt": SECRET}))
    (place.drop / "case").symlink_to(place.outside / "bag")
    await place.judge()
    return outcome_of(place.prepared[-1])


def named(row: int, title: str, remark: str, *names: str) -> Attack:
    """A good bag with payload of these names."""
    files = bag_of_names(*names)
    return bag_attack(row, title, files, f"accepted: {remark}" if remark else "accepted")


ATTACKS = (
    folder_attack(
        3,
        "symbolic link to outside",
        lambda bag: (bag / "data/l").symlink_to("/etc/passwd"),
        "rejected: link",
    ),
    Attack(3, "the package itself is a link", _disguised, "rejected: link"),
    folder_attack(
        4,
        "symbolic link inside",
        lambda bag: (bag / "data/l").symlink_to("scan/1.txt"),
        "rejected: link",
    ),
    folder_attack(
        5,
        "linked folder with files in it",
        lambda bag: (bag / "data/l").symlink_to("scan"),
        "rejected: link",
    ),
    folder_attack(7, "file with a second name outside", _hard_link, "accepted"),
    folder_attack(8, "FIFO in the drop folder", _pipe, "rejected: special-file"),
    folder_attack(8, "socket in the drop folder", _socket, "rejected: special-file"),
    folder_attack(
        9, "setuid, world-writable, extended attributes", _special_modes, "accepted: mode-special"
    ),
    Attack(10, "mount inside the package", _mounted, "rejected: mount-crossing", needs_root=True),
    Attack(11, f"{LEVELS} levels", _deep, "rejected: depth"),
    Attack(12, f"{FILES_MAX + 1} files where {FILES_MAX} are allowed", _many, "rejected: entries"),
    folder_attack(13, "path of 1 600 bytes", _long_path, "rejected: name-too-long"),
    named(
        14,
        "line breaks, control characters, ANSI escapes",
        "name-control",
        "a\nb",
        "a\rb",
        "\x1b[31mred\x07",
    ),
    Attack(15, "name in no encoding, in a folder", _raw_names, "accepted: name-not-utf8"),
    bag_attack(
        16,
        "NFC and NFD twins",
        bag_files({"data/é": b"1", "data/e\u0301": b"2"}),
        "rejected: name-twins",
    ),
    named(17, "names that differ in case", "name-case-twins", "A.txt", "a.txt"),
    named(
        18,
        "reserved names, dots and spaces at the end",
        "name-reserved, name-forbidden",
        "CON",
        "aux.txt",
        "dot.",
        "space ",
    ),
    named(19, "right-to-left override", "name-reordering", "invoice\u202egpj.exe"),
    named(19, "letters of two scripts", "name-mixed-scripts", "p\u0430ypal.txt"),
    Attack(31, "hole of 9 TiB", _hole, "waits: no room"),
    folder_attack(
        31,
        "hole of 11 TiB",
        lambda bag: os.truncate(bag / "data/scan/1.txt", 11 * TEBIBYTE),
        "rejected: too-large",
    ),
    Attack(31, "hole that fits", _small_hole, "accepted"),
)
