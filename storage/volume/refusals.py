"""Why a volume will not do what it is asked.

docs/wire/put.md (codes a writer hears) and docs/formats/volume.md. `retry` says whether the same
request may succeed later without a person. Damage is not here: a sweep returns findings.
"""

import errno
from typing import ClassVar

from storage.durable import SyncFailedError
from storage.errors import Refusal
from storage.sweep.model import Damage

# What the kernel says when there is no room: nothing that was written before is in doubt.
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})


class VolumeRefusal(Refusal):
    """A node's disk is not in the state to do this."""

    code = "volume-refused"
    retry: ClassVar[bool] = False


class VolumeInUse(VolumeRefusal):
    """Another process has this volume open."""

    code = "volume-in-use"


class VolumeNotEmpty(VolumeRefusal):
    """A volume is only made where nothing lies yet."""

    code = "volume-not-empty"


class IdentityWrong(VolumeRefusal):
    """The disk is not the one that this node signed for."""

    code = "identity-wrong"


class DiskChanged(VolumeRefusal):
    """Another disk, or none, is mounted where the volume was opened."""

    code = "disk-changed"
    retry = True  # a disk that went away comes back; what it misses waits for it


class MediumUnproven(VolumeRefusal):
    """Nothing on this file system can be read back past the page cache."""

    code = "medium-unproven"


class MediumFaulty(VolumeRefusal):
    """The self-test wrote bytes and read others, or could not write."""

    code = "medium-faulty"


class VolumeReadOnly(VolumeRefusal):
    """Writing has stopped until a clean self-test; reading goes on."""

    code = "read-only"
    retry = True


class VolumeFull(VolumeRefusal):
    """The package does not fit beside the reserve, or the disk ran full."""

    code = "full"
    retry = True


# Errors that say nothing of a disk: this process, or its host, has no more of something.
SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class VolumeBusy(VolumeRefusal):
    """Too many operations are open, or another one is writing this object."""

    code = "busy"
    retry = True


class StaleEpoch(VolumeRefusal):
    """The writer lost its lease: a later holder has been here."""

    code = "stale-epoch"


class OpConflict(VolumeRefusal):
    """This operation is known with other lengths or digests."""

    code = "op-conflict"


class VersionTaken(VolumeRefusal):
    """This version of the object is kept already, with other bytes."""

    code = "version-taken"


class VersionEarly(VolumeRefusal):
    """The version before this one is not here: it must come first."""

    code = "version-early"
    retry = True


class PreviousDamaged(VolumeRefusal):
    """A new version cannot be built on a damaged one: it is mended first."""

    code = "previous-damaged"
    retry = True

    def __init__(self, message: str, damage: Damage) -> None:
        super().__init__(message)
        self.damage = damage  # for the keeper, who need not wait for the sweep to find it


class OrderInvalid(VolumeRefusal):
    """An announcement contradicts itself or a limit."""

    code = "order-invalid"


class ContentRefused(VolumeRefusal):
    """Bytes that arrived are not the ones announced; the operation starts again at 0."""

    code = "content-refused"


class ReadBackFailed(VolumeRefusal):
    """The medium did not give back what was written to it."""

    code = "read-back-failed"


class ReadBackDisturbed(VolumeRefusal):
    """Someone kept a staged file in the page cache, so reading it would have proven nothing."""

    code = "read-back-disturbed"
    retry = True


class WriteLost(VolumeRefusal):
    """The kernel reported a lost write: every operation that was open is condemned."""

    code = "write-lost"


def refusal_of(error: OSError, what: str) -> VolumeRefusal:
    """What an error of the disk means for whoever was writing: no room, or a lost write."""
    if error.errno in FULL_ERRORS and not isinstance(error, SyncFailedError):
        return VolumeFull(f"the disk ran full: {what}: {error}")
    return WriteLost(f"{what}: {error}")


class IndexUnwritable(VolumeRefusal):
    """The journal took a record and the index did not; the next opening makes it good."""

    code = "index-unwritable"


class OperationClosed(VolumeRefusal):
    """The operation was abandoned, condemned or committed."""

    code = "operation-closed"
    retry = True


class ObjectUnknown(VolumeRefusal):
    """No object of this name is kept here."""

    code = "object-unknown"


class FileUnknown(VolumeRefusal):
    """The object has no such file, or its path is not one of ours."""

    code = "file-unknown"


class FileUnreadable(VolumeRefusal):
    """The disk returned an error, or bytes that cannot be right."""

    code = "file-unreadable"


class JournalRotten(VolumeRefusal):
    """A journal record is bad and good ones follow it: not a torn tail, so nothing is cut."""

    code = "journal-rotten"


class SegmentUnknown(VolumeRefusal):
    """The journal has no such segment."""

    code = "segment-unknown"
