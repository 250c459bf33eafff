"""Take a private copy of one package, hashing its bytes in the only pass that reads them.

docs/formats/package.md; attack catalogue A3-A13, A30-A37. A folder is walked three times: named
(and refused before a byte is copied), copied, and named again; a package that changed in between
is not complete yet. A file is copied first, and unpacked from the copy. Judges no format: that is
judge.py, over what is staged here. Each function runs in a worker process of its own.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ingest_watch import progress
from ingest_watch.algorithms import WantedDigests
from ingest_watch.archives.recognise import recognise
from ingest_watch.archives.unpack import unpack
from ingest_watch.digest_pass import DigestPass, Pump
from ingest_watch.findings import Finding, PackageChanged, PackageRejected
from ingest_watch.folder_walk import FolderWalk, Found, opened_folder, reporting_swaps, stamp
from ingest_watch.formats.registry import recognised_file, wanted_digests
from ingest_watch.limits import DEFAULT_LIMITS, IntakeLimits
from ingest_watch.listing import Listing, StagedFile
from ingest_watch.mode_remarks import ModeRemarks
from ingest_watch.names import text_of
from ingest_watch.opening_rules import ARCHIVE_UNKNOWN, SPECIAL, TOO_LARGE
from ingest_watch.room import room_for
from ingest_watch.safe_open import FILE_FLAGS, open_beneath
from ingest_watch.target_tree import TargetTree
from ingest_watch.workload import expect


@dataclass(frozen=True, slots=True)
class StagedPackage:
    """A package that was opened: where it lies, and the listing of what is in it."""

    folder: Path  # the package itself, below the target for an archive with one top folder
    listing: Path
    serialisation: str  # "folder", "zip", "tar", "tar.gz", or "file": one that is kept whole
    file_count: int
    content_bytes: int
    serialised_sha256: str | None = None  # of an archive that was unpacked
    findings: tuple[Finding, ...] = ()  # what opening wants to be known; never errors
    kept_whole_as: str | None = None  # the format of a file that was not unpacked
    name: str = ""  # of the folder or file that it came as
    names_encoding: str | None = None  # the source's rule, for whoever opens a file kept whole
    limits: IntakeLimits = DEFAULT_LIMITS  # likewise


def stage_folder(
    source: Path, target: Path, listing: Path, limits: IntakeLimits = DEFAULT_LIMITS
) -> StagedPackage:
    """Copy the folder `source` into `target`, and list it at `listing`. Neither may exist.

    Raises PackageRejected (never acceptable), PackageChanged (look again later), StagingFull, or
    OSError (the disk); then whatever was made is the caller's to remove. Nothing is synced: see
    docs/decisions/0005.
    """
    target.mkdir(mode=0o700)
    with ExitStack() as stack:
        tree = stack.enter_context(TargetTree(target))
        folder = stack.enter_context(opened_folder(source))
        files = stack.enter_context(Listing.create(listing))
        remarks = _FolderReading(folder, files, limits, tree).run(room=target)
        package = _described(target, listing, files, "folder")
        return replace(package, name=source.name, findings=remarks)


def inspect_folder(
    source: Path, listing: Path, limits: IntakeLimits = DEFAULT_LIMITS
) -> StagedPackage:
    """List and hash the folder where it is, copying nothing; otherwise as `stage_folder`."""
    with opened_folder(source) as folder, Listing.create(listing) as files:
        remarks = _FolderReading(folder, files, limits, tree=None).run(room=None)
        package = _described(source, listing, files, "folder")
        return replace(package, name=source.name, findings=remarks)


def stage_file(
    source: Path,
    target: Path,
    listing: Path,
    limits: IntakeLimits = DEFAULT_LIMITS,
    formats: tuple[str, ...] | None = None,
    names_encoding: str | None = None,
) -> StagedPackage:
    """Take a private copy of a package that is one file, as `stage_folder` does of a folder.

    What one of `formats` keeps whole lies in `target` as it came. Any other file is an archive and
    is unpacked: its one top folder is the package, if there is one and nothing beside it.
    """
    target.mkdir(mode=0o700)
    copy = target.with_name(target.name + ".archive")
    with ExitStack() as stack:
        files = stack.enter_context(Listing.create(listing))
        stack.callback(copy.unlink, missing_ok=True)
        copied = _copy_file(source, copy, limits)
        descriptor = os.open(copy, FILE_FLAGS)
        stack.callback(os.close, descriptor)
        whole = recognised_file(source.name, descriptor, formats)
        if whole is not None:
            copy.rename(target / copied.path)
            files.set_digests(copied)
            package = _described(target, listing, files, "file")
            return replace(
                package,
                name=source.name,
                kept_whole_as=whole.name,
                names_encoding=names_encoding,
                limits=limits,
            )
        archive = (copied, descriptor)
        progress.expect(None)
        return _unpacked(target, listing, files, archive, limits, names_encoding)


def staged_files(package: StagedPackage) -> Iterator[StagedFile]:
    """Yield every file of a staged package, sorted by the UTF-8 bytes of its path."""
    with Listing.open(package.listing) as files:
        yield from files.files()


class _FolderReading:
    """The three walks over one folder."""

    def __init__(
        self, folder: int, listing: Listing, limits: IntakeLimits, tree: TargetTree | None
    ) -> None:
        self._folder = folder
        self._listing = listing
        self._limits = limits
        self._tree = tree
        self._wanted = WantedDigests()
        self._pump = Pump()
        self._modes = ModeRemarks()

    def run(self, room: Path | None) -> tuple[Finding, ...]:
        before = stamp(os.fstat(self._folder))
        self._walk(self._name)
        self._listing.check_names()
        content_bytes = self._listing.content_bytes()
        self._wanted = wanted_digests(self._listing.names_in(""))
        progress.expect(content_bytes)
        if room is None:
            expect(content_bytes)
            self._walk(self._read)
        else:
            with room_for(room, content_bytes):
                self._walk(self._read)
        self._expect_unchanged(before)
        return self._modes.remarks()

    def _walk(self, visit: Callable[[int, Found], None]) -> None:
        FolderWalk(self._limits, visit).run(self._folder)

    def _name(self, _parent: int, found: Found) -> None:
        if found.is_folder:
            self._listing.add_folder(found.path, found.raw_path, found.stamp)
        else:
            self._listing.add_file(found.path, found.raw_path, found.size_bytes, found.stamp)
            self._modes.see(found.path, found.mode)

    def _read(self, parent: int, found: Found) -> None:
        if self._listing.stamp_of(found.path) != found.stamp:
            raise PackageChanged(f"{found.path} changed while the package was read")
        if not found.is_folder:
            self._listing.set_digests(self._copy(parent, found))
        elif self._tree is not None:
            self._tree.make_folder(found.path)

    def _copy(self, parent: int, found: Found) -> StagedFile:
        digests = DigestPass(self._wanted.algorithms_of(found.path), found.size_bytes)
        with ExitStack() as stack:
            with reporting_swaps(found.path):
                source = open_beneath(parent, found.name, FILE_FLAGS)
            stack.callback(os.close, source)
            target = None
            if self._tree is not None:
                target = self._tree.create(found.path)
                stack.callback(os.close, target)
            whole = stamp(os.fstat(source)) == found.stamp and self._pump.copy(
                source, target, found.size_bytes, digests
            )
            if not whole or stamp(os.fstat(source)) != found.stamp:
                raise PackageChanged(f"{found.path} changed while it was read")
        return digests.finish(found.path, found.raw_path)

    def _expect_unchanged(self, before: str) -> None:
        """Compare the whole listing once more: nothing came, went or changed meanwhile."""
        seen = [0, 0]

        def compare(_parent: int, found: Found) -> None:
            seen[found.is_folder] += 1
            if self._listing.stamp_of(found.path) != found.stamp:
                raise PackageChanged(f"{found.path} changed while the package was read")

        self._walk(compare)
        if tuple(seen) != self._listing.count() or stamp(os.fstat(self._folder)) != before:
            raise PackageChanged("files came or went while the package was read")


def _unpacked(
    target: Path,
    listing: Path,
    files: Listing,
    archive: tuple[StagedFile, int],
    limits: IntakeLimits,
    names_encoding: str | None,
) -> StagedPackage:
    copied, descriptor = archive
    serialisation = recognise(descriptor, copied.path)
    if serialisation is None:
        raise PackageRejected(ARCHIVE_UNKNOWN.found(copied.path))
    with TargetTree(target) as tree:
        findings = unpack(descriptor, serialisation, tree, files, limits, names_encoding)
    top = files.top_folder()
    if top is not None:
        files.move_up(top)
    folder = target if top is None else target / top
    package = _described(folder, listing, files, serialisation)
    return replace(
        package,
        name=top or copied.path,
        serialised_sha256=copied.digests["sha256"],
        findings=findings,
    )


def _copy_file(source: Path, target: Path, limits: IntakeLimits) -> StagedFile:
    """Copy one file while hashing it."""
    raw_name = os.fsencode(source.name)
    with ExitStack() as stack:
        parent = os.open(source.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, parent)
        with reporting_swaps(source.name):
            descriptor = open_beneath(parent, raw_name, FILE_FLAGS)
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PackageRejected(SPECIAL.found(source.name))
        if status.st_size > limits.content_bytes_max:
            raise PackageRejected(TOO_LARGE.found(source.name, limit=limits.content_bytes_max))
        stack.enter_context(room_for(target.parent, status.st_size))
        progress.expect(status.st_size)
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        stack.callback(os.close, writer)
        digests = DigestPass((), status.st_size)
        whole = Pump().copy(descriptor, writer, status.st_size, digests)
        with reporting_swaps(source.name):
            named = os.stat(source.name, dir_fd=parent, follow_symlinks=False)
        unchanged = stamp(os.fstat(descriptor)) == stamp(named) == stamp(status)
        if not (whole and unchanged):
            raise PackageChanged(f"{source.name} changed while it was read")
        path = text_of(raw_name)
        return digests.finish(path, None if path.encode() == raw_name else raw_name)


def _described(
    folder: Path,
    listing: Path,
    files: Listing,
    serialisation: str,
) -> StagedPackage:
    file_count, _ = files.count()
    return StagedPackage(
        folder,
        listing,
        serialisation,
        file_count,
        files.content_bytes(),
    )
