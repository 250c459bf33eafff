"""Tell whether other machines may write into a folder, so that it must be looked at by the clock.

inotify(7): "reports only events that a user-space program triggers through the file system API; it
does not catch remote events that occur on network file systems". Two ways lead there: the folder
lies on a network file system (proc(5), mountinfo), or it is local and exported by NFS (exports(5),
the table of exports in /var/lib/nfs/etab) or Samba (smb.conf(5), user shares). A folder is where
its device says, so a bind mount of an exported folder is found too. What cannot be read says
nothing; Samba's `include` is not followed: `polling = true` is for such sites.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

# proc(5) names a FUSE file system `fuse.sshfs`; whoever serves one may be anywhere.
_NETWORK_KINDS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "virtiofs", "afs", "coda", "ceph"}
    | {"glusterfs", "lustre", "beegfs", "gfs2", "ocfs2", "orangefs", "gpfs", "davfs", "vboxsf"}
    | {"vmhgfs", "prl_fs", "acfs"}
)
_EXPORT_TABLES = ("etc/exports", "var/lib/nfs/etab")
_EXPORT_FOLDER = "etc/exports.d"
_SAMBA_FILES = ("etc/samba/smb.conf", "usr/local/samba/etc/smb.conf")
_SAMBA_USER_SHARES = "var/lib/samba/usershares"
_TABLE_BYTES_MAX = 4 << 20
_OCTAL = re.compile(r"\\([0-7]{3})")
_EXPORTED = re.compile(r'\s*(?:"([^"]+)"|([^\s#"]\S*))')
_SHARED = re.compile(r"\s*(?:path|directory)\s*=\s*(.+?)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: what lies where."""

    point: PurePosixPath
    device: str  # major:minor
    root: PurePosixPath  # the folder of that device which is seen at `point`
    kind: str


def reason_to_poll(folder: Path, machine: Path = Path("/")) -> str | None:
    """Why changes in `folder` may raise no event here; None when nothing says so.

    `machine` is the root below which the machine's own tables lie. Raises OSError for `folder`.
    """
    here = PurePosixPath(folder.resolve(strict=True))
    mounts = parse_mounts(_text_of(machine / "proc/self/mountinfo"))
    kind = network_kind(here, mounts)
    if kind is not None:
        return kind
    for table, shared in _shared_folders(machine):
        if any(lies_within(here, each, mounts) for each in shared):
            return f"exported by {table}"
    return None


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The mounts in the order of mounting; lines that are not of that form are left out."""
    mounts = []
    for line in mountinfo.splitlines():
        fields, _, described = line.partition(" - ")
        before, kind = fields.split(" "), described.split(" ")[0]
        if len(before) >= 5 and kind:
            root, point = (PurePosixPath(_unescaped(field)) for field in before[3:5])
            mounts.append(Mount(point, before[2], root, kind))
    return mounts


def network_kind(folder: PurePosixPath, mounts: Iterable[Mount]) -> str | None:
    """The kind of the network file system that `folder` lies on; None when it lies on another."""
    mount = _mount_of(folder, mounts)
    if mount is None:
        return None
    remote = mount.kind in _NETWORK_KINDS or mount.kind == "fuse" or mount.kind.startswith("fuse.")
    return mount.kind if remote else None


def lies_within(folder: PurePosixPath, shared: PurePosixPath, mounts: Iterable[Mount]) -> bool:
    """Whether `folder` is seen by those who see `shared`: by its path, or on the same device."""
    if folder.is_relative_to(shared):
        return True
    mounts = list(mounts)
    here, there = _place_of(folder, mounts), _place_of(shared, mounts)
    if here is None or there is None:
        return False
    return here[0] == there[0] and here[1].is_relative_to(there[1])


def exported_folders(table: str) -> Iterator[PurePosixPath]:
    """What exports(5) or etab names, one folder for each entry."""
    for line in table.replace("\\\n", " ").splitlines():
        named = _EXPORTED.match(line)
        if named is not None:
            yield PurePosixPath(_unescaped(named[1] or named[2]))


def samba_folders(settings: str) -> Iterator[PurePosixPath]:
    """Every `path` of smb.conf(5) or a user share, up to its first variable (%S, %U …)."""
    for line in settings.replace("\\\n", " ").splitlines():
        named = _SHARED.fullmatch(line)
        if named is None:
            continue
        parts = PurePosixPath(named[1].strip('"')).parts
        yield PurePosixPath(*takewhile(lambda part: "%" not in part, parts))


def _shared_folders(machine: Path) -> Iterator[tuple[str, list[PurePosixPath]]]:
    for name in (*_EXPORT_TABLES, *_names_in(machine, _EXPORT_FOLDER, ".exports")):
        yield f"NFS (/{name})", list(exported_folders(_text_of(machine / name)))
    for name in (*_SAMBA_FILES, *_names_in(machine, _SAMBA_USER_SHARES, "")):
        yield f"Samba (/{name})", list(samba_folders(_text_of(machine / name)))


def _names_in(machine: Path, folder: str, suffix: str) -> list[str]:
    try:
        return [f"{folder}/{path.name}" for path in sorted((machine / folder).glob(f"*{suffix}"))]
    except OSError:
        return []


def _mount_of(path: PurePosixPath, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that `path` is seen through: the deepest one, and of two the later."""
    found: Mount | None = None
    for mount in mounts:
        deeper = found is None or len(mount.point.parts) >= len(found.point.parts)
        if deeper and path.is_relative_to(mount.point):
            found = mount
    return found


def _place_of(path: PurePosixPath, mounts: Iterable[Mount]) -> tuple[str, PurePosixPath] | None:
    """The device, and the folder on it."""
    mount = _mount_of(path, mounts)
    return None if mount is None else (mount.device, mount.root / path.relative_to(mount.point))


def _text_of(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read(_TABLE_BYTES_MAX)
    except OSError:
        return ""


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), field)
