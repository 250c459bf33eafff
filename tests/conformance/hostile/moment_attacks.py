"""Attacks by when things happen, and by many packages: A32-A40, A52-A56."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from ingest_watch.answers import read_answer
from ingest_watch.arrivals import Ready
from ingest_watch.confinement import Confinement
from ingest_watch.drop_folder import DropFolder
from ingest_watch.lanes import Lane
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Job, Preparation
from ingest_watch.reader_kind import reader_kind
from ingest_watch.settle import CompleteWhen, Quiet, Settled, Settler, SettleRule
from ingest_watch.workers import WorkerDied, Workers
from storage.catalogue.model import Arrival
from tests.bags import bag_files, write_files
from tests.conformance.hostile.attack import MEBIBYTE, SECRET, Attack, Place
from tests.conftest import PROJECT
from tests.intake_world import IntakeWorld, intake_world, send, states

RACES = 12
READS_ONLY = "the sender's user cannot write there"
NEVER = "nothing of ours is ever taken in"
WHOLE = "waits: until every digest matches, then stored"
ONE_WINS = "one stored; the other rejected: identifier-taken"
NOBODY = 65534


@contextmanager
def meanwhile(change: Callable[[], object]) -> Iterator[None]:
    """Do this again and again, in a thread, while something else happens."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            change()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _growing(place: Place) -> str:
    bag = write_files(place.drop / "case", bag_files({"data/log.txt": bytes(4 * MEBIBYTE)}))

    def append() -> None:
        with (bag / "data/log.txt").open("ab") as file:
            file.write(b"one line more\n")

    with meanwhile(append):
        return await place.judge(drop_is_still=False)


async def _raced(place: Place, swap: Callable[[Path], object]) -> str:
    """Swap something of the package for something of ours while it is read, many times over."""
    write_files(place.outside / "scan", {"1.txt": SECRET})
    outcomes = set()
    for number in range(RACES):
        bag = write_files(place.drop / f"case-{number}", bag_files())
        with meanwhile(lambda bag=bag: swap(bag)):  # type: ignore[misc]  # mypy types no default
            outcomes.add(await place.judge(bag.name, drop_is_still=False))
    for path in place.staging.rglob("*"):
        assert not path.is_symlink()
        assert not path.is_file() or SECRET not in path.read_bytes(), path
    # Which of them it is depends on the moment.
    assert {outcome.partition(":")[0] for outcome in outcomes} <= {"accepted", "rejected", "waits"}
    return NEVER


async def _content_race(place: Place) -> str:
    return await _raced(place, _swap_content)


async def _link_race(place: Place) -> str:
    secret = place.outside / "secret.txt"
    return await _raced(place, lambda bag: _swap(bag / "data/scan/1.txt", secret))


async def _folder_race(place: Place) -> str:
    return await _raced(place, lambda bag: _swap(bag / "data/scan", place.outside / "scan"))


def _swap(path: Path, other: Path) -> None:
    """Put a link to `other` in the place of `path` for a moment."""
    aside = path.with_name("aside")
    path.rename(aside)
    path.symlink_to(other)
    path.unlink()
    aside.rename(path)


def _swap_content(bag: Path) -> None:
    forged = bag.parent / f"{bag.name}.forged"
    forged.write_bytes(b"page 0ne\n")
    forged.rename(bag / "data/scan/1.txt")
    forged.write_bytes(b"page one\n")
    forged.rename(bag / "data/scan/1.txt")


async def _rolled_back(place: Place) -> str:
    """Other content, same length, and the old time of modification put back."""
    bag = write_files(place.drop / "case", bag_files())
    rule = SettleRule(CompleteWhen.RENAMED, quiet_s=30)
    drop, settler = DropFolder(place.drop, place.staging / "state.json", rule), Settler(rule)
    settler.look(drop.scan(), 0)
    page = bag / "data/scan/1.txt"
    times = (page.stat().st_atime_ns, page.stat().st_mtime_ns)
    page.write_bytes(b"page 0ne\n")
    os.utime(page, ns=times)
    look = settler.look(drop.scan(), 60)
    assert not any(isinstance(outcome, Settled | Quiet) for outcome in look.outcomes)
    return "waits: it changed"


async def _temporary(place: Place) -> str:
    """What rsync, SFTP clients and browsers call files that are not whole yet."""
    unfinished = (
        ".case.zip.Ab12Cd",
        "case.zip.filepart",
        "case.zip.part",
        "b.zip~",
        "a.crdownload",
    )
    for name in unfinished:
        (place.drop / name).write_bytes(b"half")
    write_files(place.drop / "case", bag_files() | {"data/scan/.2.txt.Xy98Zw": b"half"})
    rule = SettleRule(CompleteWhen.RENAMED, quiet_s=30)
    drop, settler = DropFolder(place.drop, place.staging / "state.json", rule), Settler(rule)
    for now_s in (0, 60, 120):
        look = settler.look(drop.scan(), now_s)
        assert not any(isinstance(outcome, Settled | Quiet) for outcome in look.outcomes)
    return "waits: names of unfinished files"


@asynccontextmanager
async def _intake(
    place: Place, how: CompleteWhen = CompleteWhen.RENAMED
) -> AsyncIterator[IntakeWorld]:
    """A real intake whose packages are read by the place's reader."""
    loop = asyncio.get_running_loop()
    readers = PackageReaders(place.workers)

    def prepare(job: Job) -> Preparation:
        return asyncio.run_coroutine_threadsafe(readers.prepare(job), loop).result()

    folder = place.root / "intake"
    folder.mkdir()
    began_s = time.monotonic()
    async with intake_world(folder, place.wait_until, how) as world:
        yield replace(world, prepare=prepare)
    place.seconds += time.monotonic() - began_s
    await place.weigh()
    shutil.rmtree(folder)


async def _half_copied(place: Place) -> str:
    async with _intake(place, CompleteWhen.PROVEN) as world:
        bag = send(world, "case-1")
        (bag / "data/1.txt").unlink()
        async with world.intake() as running:
            await running.look(3)
            await running.settle_down()
            assert await states(world) == ["waiting"]
            (bag / "data/1.txt").write_bytes(b"page one")
            await running.look(3)
            await running.settle_down()
        assert await states(world) == ["stored"]
    return WHOLE


async def _wrong_times(place: Place) -> str:
    """As on a share whose times never move: a file grows, and its time of modification does not."""
    async with _intake(place, CompleteWhen.PROVEN) as world:
        bag = send(world, "case-1", b"page one, two, three")
        page = bag / "data/1.txt"
        page.write_bytes(b"page one")
        async with world.intake() as running:
            for content in (b"page one, two", b"page one, two, thre", b"page one, two, three"):
                os.utime(page, ns=(1, 1))
                await running.look(3)
                await running.settle_down()
                assert await states(world) == ["waiting"]
                page.write_bytes(content)
                os.utime(page, ns=(1, 1))
            await running.look(3)
            await running.settle_down()
        assert await states(world) == ["stored"]
    return WHOLE


async def _two_of_one_name(place: Place) -> str:
    """The same identifier, other content, at the same time."""
    async with _intake(place) as world:
        send(world, "case-1")
        other = write_files(world.folder / "other", bag_files({"data/1.txt": b"something else"}))
        shutil.make_archive(str(world.folder / "case-1"), "tar", other)
        (world.folder / "case-1.tar").rename(world.drop / "case-1.tar")
        async with world.intake() as running:
            await running.look()
            await running.settle_down()
        assert sorted(await states(world)) == ["rejected", "stored"]
        assert [len(node.objects) for node in world.nodes] == [1, 1, 1]
    return ONE_WINS


async def _again(place: Place) -> str:
    async with _intake(place) as world:
        send(world, "case-1")
        async with world.intake() as running:
            await running.look()
            await running.settle_down()
            receipt = (world.returned / "case-1.stored.json").read_bytes()
            send(world, "case-1")
            await running.look(3)
            await running.settle_down()
        assert (world.returned / "case-1.stored.json").read_bytes() == receipt
        assert await states(world) == ["stored", "stored"]
        assert [len(node.objects) for node in world.nodes] == [1, 1, 1]
    return "the same receipt; no second object"


async def _other_content(place: Place) -> str:
    async with _intake(place) as world:
        send(world, "case-1")
        async with world.intake() as running:
            await running.look()
            await running.settle_down()
            send(world, "case-1", b"page one, forged")
            await running.look(3)
            await running.settle_down()
        assert await states(world) == ["stored", "rejected"]
        files = world.returned.rglob("*.rejected.json")
        refused = [read_answer(file.read_bytes()) for file in files]
        codes = {reason.code for answer in refused for reason in answer.reasons or ()}
    return f"rejected: {', '.join(sorted(codes))}"


async def _flood(place: Place) -> str:
    """One sender has a million packages ready; a second sender's one comes next but one."""
    lane = Lane(("flood", "other"))
    one = Ready(Arrival("flood", "case", b"case", ""), final=True)
    lane.offer("flood", [one] * 1_000_000)
    lane.offer("other", [replace(one, arrival=replace(one.arrival, source="other"))])
    turns = [await lane.next() for _ in range(2)]
    assert "other" in {turn.arrival.source for turn in turns if isinstance(turn, Ready)}
    return "senders take turns"


async def _full_staging(place: Place) -> str:
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "lantai-test", str(place.staging)]
    subprocess.run(mount, check=True)
    try:
        large = write_files(place.drop / "large", bag_files())
        with (large / "data/large").open("wb") as file:
            file.truncate(100 * MEBIBYTE)
        write_files(place.drop / "case", bag_files())
        outcome = await place.judge("large")
        sizes = {path.name: path.stat().st_size for path in place.staging.rglob("*")}
        assert max(sizes.values()) < MEBIBYTE, sizes
        second = await place.judge("case")
        assert second.startswith("accepted"), second
    finally:
        subprocess.run(["umount", str(place.staging)], check=True)
    return outcome


async def _meddling(place: Place) -> str:
    """A sender's user writes where the site's template gives it nothing but reading."""
    template = (PROJECT / "ansible/roles/lantai_host/templates/exchange.conf.j2").read_text()
    attempt = "import pathlib, sys; pathlib.Path(sys.argv[1], 'case-1.stored.json').touch()"
    for parent in (place.root, *place.root.parents[:-1]):
        parent.chmod(parent.stat().st_mode | 0o011)
    for name in ("accepted", "return"):
        assert f"{{{{ folder }}}}/{name} 0750 lantai-ingest lantai-ingest" in template
        assert f"a+ {{{{ folder }}}}/{name} - - - - user:{{{{ source.sender }}}}:r-x," in template
        folder = place.outside / name
        folder.mkdir(mode=0o755)  # what the rights above are for the sender
        command = [sys.executable, "-I", "-c", attempt, str(folder)]
        tried = await asyncio.to_thread(
            subprocess.run, command, user=NOBODY, group=NOBODY, capture_output=True, check=False
        )
        assert b"PermissionError" in tried.stderr
        assert list(folder.iterdir()) == []
    return READS_ONLY


async def _malformed_media(place: Place) -> str:
    """Broken images are payload to the reader; what characterises them dies alone."""
    broken = {
        "a.png": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
        "b.jpg": b"\xff\xd8\xff\xe0\xff\xff",
        "c.pdf": b"%PDF-1.7\nxref\n0 -1\n",
        "d.mp4": b"\xff\xff\xff\xffftyp",
    }
    payload = {f"data/{name}": content for name, content in broken.items()}
    write_files(place.drop / "case", bag_files(payload))
    kind = replace(reader_kind(4), name="identifier", confinement=Confinement(128 * MEBIBYTE))
    identifiers = Workers(1, kind)
    try:
        crash = asyncio.create_task(identifiers.run(exec, "import ctypes; ctypes.string_at(1)"))
        outcome = await place.judge()
        await asyncio.wait([crash])
        assert isinstance(crash.exception(), WorkerDied)
    finally:
        await asyncio.to_thread(identifiers.close)
    return outcome


ATTACKS = (
    Attack(32, "file that grows while it is read", _growing, "waits: it changed"),
    Attack(33, "half copied, and quiet", _half_copied, WHOLE),
    Attack(34, "names of rsync, SFTP and browsers", _temporary, "waits: names of unfinished files"),
    Attack(35, "content swapped while it is read", _content_race, NEVER),
    Attack(35, "file swapped for a link", _link_race, NEVER),
    Attack(36, "folder swapped for a link", _folder_race, NEVER),
    Attack(37, "content changed, time put back", _rolled_back, "waits: it changed"),
    Attack(38, "two of one identifier at once", _two_of_one_name, ONE_WINS),
    Attack(39, "the same package again", _again, "the same receipt; no second object"),
    Attack(40, "the same identifier, other content", _other_content, "rejected: identifier-taken"),
    Attack(52, "a million packages of one sender", _flood, "senders take turns"),
    Attack(53, "package larger than staging", _full_staging, "waits: no room", needs_root=True),
    Attack(54, "share whose times never move", _wrong_times, WHOLE),
    Attack(55, "sender writes into accepted and return", _meddling, READS_ONLY, needs_root=True),
    Attack(56, "malformed media, and a characteriser that dies", _malformed_media, "accepted"),
)
