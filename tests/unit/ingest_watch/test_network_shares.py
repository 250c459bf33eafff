"""Where other machines may write, folders are polled (ingest_watch/network_shares.py)."""

from pathlib import Path, PurePosixPath

import pytest

from ingest_watch.network_shares import (
    exported_folders,
    network_kind,
    parse_mounts,
    reason_to_poll,
    samba_folders,
)

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:41 / /mnt/nfs rw shared:2 - nfs4 store:/export rw,vers=4.2
31 22 0:42 / /mnt/my\\040share rw - cifs //server/share rw
32 22 0:43 / /mnt/ssh rw - fuse.sshfs someone@there: rw
33 22 0:44 / /mnt/host rw - 9p hostshare rw
34 22 8:17 / /mnt/disk rw - xfs /dev/sdb1 rw
35 22 8:1 /srv/exchange /mnt/bound rw - ext4 /dev/sda1 rw
36 30 8:18 / /mnt/nfs/over rw - ext4 /dev/sdb2 rw
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/mnt/nfs/drop", "nfs4"),
        ("/mnt/my share", "cifs"),
        ("/mnt/ssh/gov/drop", "fuse.sshfs"),
        ("/mnt/host/x", "9p"),
        ("/mnt/disk/drop", None),
        ("/mnt/nfs/over/drop", None),  # a local disk mounted over a folder of the share
        ("/mnt/nfsen", None),
        ("/srv/drop", None),
    ],
)
def test_the_mount_that_a_folder_lies_on_says_whether_events_come(
    folder: str, kind: str | None
) -> None:
    assert network_kind(PurePosixPath(folder), parse_mounts(MOUNTS)) == kind


def test_every_form_of_an_exports_line_is_read() -> None:
    table = (
        "# /srv/not\n\n/srv/a *(ro)\n/srv/b\\040c \\\n  10.0.0.0/8(rw)\n"
        '"/srv/with space" host(rw)\n  /srv/indented\n'
    )
    named = [str(each) for each in exported_folders(table)]
    assert named == ["/srv/a", "/srv/b c", "/srv/with space", "/srv/indented"]


def test_every_path_of_a_samba_configuration_is_read_up_to_its_first_variable() -> None:
    settings = """
[global]
   workgroup = ARCHIVE
[exchange]
   Path = /srv/exchange/%S/drop
   read only = no
[quoted]
   directory="/srv/two words"
; path = /srv/commented
"""
    assert [str(each) for each in samba_folders(settings)] == ["/srv/exchange", "/srv/two words"]


def _machine(folder: Path, **tables: str) -> Path:
    """The root of a machine that has these tables."""
    places = {
        "mounts": "proc/self/mountinfo",
        "exports": "etc/exports",
        "more_exports": "etc/exports.d/gov.exports",
        "samba": "etc/samba/smb.conf",
        "user_share": "var/lib/samba/usershares/gov",
    }
    for name, text in tables.items():
        file = folder / "machine" / places[name]
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return folder / "machine"


@pytest.mark.parametrize("table", ["exports", "more_exports", "samba", "user_share"])
def test_a_local_folder_that_is_shared_is_polled(tmp_path: Path, table: str) -> None:
    drop = tmp_path / "exchange/drop"
    drop.mkdir(parents=True)
    line = f"{tmp_path}/exchange *(rw)\n" if "exports" in table else f"path={tmp_path}/exchange\n"
    reason = reason_to_poll(drop, _machine(tmp_path, **{table: line}))
    assert reason is not None
    assert "exported by" in reason
    assert reason_to_poll(tmp_path, tmp_path / "machine") is None


def test_a_bind_mount_of_an_exported_folder_is_polled_too(tmp_path: Path) -> None:
    """1. /srv is exported 2. /srv/exchange is seen at the drop folder as well."""
    mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    bound = f"35 22 8:1 /srv/exchange {tmp_path} rw - ext4 /dev/sda1 rw\n"
    machine = _machine(tmp_path, mounts=mounts + bound, exports="/srv *(rw)\n")
    assert reason_to_poll(tmp_path, machine) == "exported by NFS (/etc/exports)"
    (machine / "proc/self/mountinfo").write_text(mounts)
    assert reason_to_poll(tmp_path, machine) is None


def test_a_machine_that_shares_nothing_and_hides_its_tables_says_nothing(tmp_path: Path) -> None:
    assert reason_to_poll(tmp_path, tmp_path / "no-machine") is None
