"""Does this file system let us read what the medium holds, and not what memory remembers?

docs/formats/volume.md, "Verify modes". Writes real bytes and reads them back in each mode; what
follows from the answer is the volume's decision.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from storage.digests import sha256_of
from storage.durable import SyncDescriptor, write_all
from storage.medium import MediumReader, StillCachedError, resident_pages
from storage.model import VerifyMode
from storage.volume.refusals import MediumFaulty
from storage.volume.settings import SELF_TEST_BYTES

TEST_NAME = "self-test"

_PIECE_BYTES = 1024 * 1024


def prove_medium(folder: Path, test_bytes: int = SELF_TEST_BYTES) -> VerifyMode:
    """The mode in which files on this file system can be read back from the medium.

    Writes `test_bytes`, whole MiB, for it. UNPROVEN when neither mode can be shown. Raises
    MediumFaulty if the bytes could not be written, or were read back as others.
    """
    path = folder / f"{TEST_NAME}-{secrets.token_hex(8)}"
    try:
        expected = _write(path, test_bytes)
        for mode, possible in _MODES:
            if not possible(path):
                continue
            actual = _digest(path, mode)
            if actual is not None and actual != expected:
                raise MediumFaulty(
                    f"{folder}: bytes read back ({mode.value}) are not those written"
                )
            if actual is not None:
                return mode
    except OSError as error:
        raise MediumFaulty(f"{folder}: the self-test failed: {error}") from error
    finally:
        path.unlink(missing_ok=True)
    return VerifyMode.UNPROVEN


def _write(path: Path, test_bytes: int) -> str:
    """Write random bytes by the same calls as a group of packages; return their SHA-256."""
    pieces = [secrets.token_bytes(_PIECE_BYTES)] * (test_bytes // _PIECE_BYTES)
    with SyncDescriptor(path.parent) as sync:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            for number, piece in enumerate(pieces):
                write_all(descriptor, piece, number * _PIECE_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync.ask()
    return sha256_of(pieces)


def _digest(path: Path, mode: VerifyMode) -> str | None:
    """The SHA-256 as read in this mode; None where the file system does not offer it."""
    try:
        return sha256_of(MediumReader(mode).chunks(path))
    except StillCachedError:
        return None
    except OSError:
        if mode is VerifyMode.DIRECT:
            return None  # EINVAL: no O_DIRECT here
        raise


def _residency_is_told(path: Path) -> bool:
    """Whether pages that must be in the cache are counted there.

    On an overlay the kernel looks into the cache of the wrong layer, and calls everything evicted.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.pread(descriptor, _PIECE_BYTES, 0)
        return resident_pages(descriptor) >= _PIECE_BYTES // os.sysconf("SC_PAGESIZE")
    finally:
        os.close(descriptor)


def _on_block_device(path: Path) -> bool:
    """tmpfs and overlays have major number 0, and read from memory in any mode."""
    return os.major(path.lstat().st_dev) != 0


# In the order in which they are preferred: a mode, and whether it can prove anything here.
_MODES: tuple[tuple[VerifyMode, Callable[[Path], bool]], ...] = (
    (VerifyMode.EVICTED, _residency_is_told),
    (VerifyMode.DIRECT, _on_block_device),
)
