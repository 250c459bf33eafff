"""Names that say: this is not a package, or not all of it yet.

rsync, SFTP clients and browsers write under another name and rename at the end; what bears such a
name is never (part of) a package (durability, attack A34). Names are bytes, as on disk. Pure.
"""

import re

# rsync `.name.AbC123` and its partial folder; ProFTPD and lftp `.in.name`; Pure-FTPd; GNOME; files
# that NFS and FUSE keep because somebody still writes them; WinSCP; Firefox, curl and KGet; Chrome;
# Safari; Edge; aria2; Xunlei 迅雷.
_BEING_WRITTEN = re.compile(
    rb"\..+\.[A-Za-z0-9]{6}|\.~tmp~|\.rsync-partial"
    rb"|\.in\..+|\.pureftpd-upload\..+|\.goutputstream-[A-Z0-9]{6}"
    rb"|\.nfs[0-9a-f]{16,}|\.fuse_hidden[0-9a-f]{8,}"
    rb"|.+\.(?:filepart|part|partial|crdownload|download|opdownload|aria2|xltd)",
    re.DOTALL,
)
# Our own folders, when a site keeps them inside the drop folder.
_OURS = frozenset({b"accepted", b"rejected"})


def is_being_written(name: bytes) -> bool:
    """Tell whether a transfer tool gives this name to what it has not finished."""
    return _BEING_WRITTEN.fullmatch(name) is not None


def is_never_a_package(name: bytes) -> bool:
    """Tell whether an entry of a drop folder by this name is to be left alone altogether."""
    return (
        name in _OURS
        or name.startswith((b".", b"~"))
        or name.endswith((b"~", b".tmp"))
        or is_being_written(name)
    )
