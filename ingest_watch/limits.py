"""How large, deep and long a package may be before it is refused, and never cut.

docs/formats/package.md (limits); the ratios guard against decompression bombs. Values only: who
counts is staging.py and archives/.
"""

from dataclasses import dataclass

from storage.file_list import COMPONENT_BYTES_MAX, DEPTH_MAX, PATH_BYTES_MAX, RECEIVED_PREFIX

TEBIBYTE = 1024**4
MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Limits on one package. All are inclusive: reaching one is allowed, passing it is not."""

    files_max: int = 1_010_000  # a million of content, and what describes them
    content_bytes_max: int = 10 * TEBIBYTE
    # A file list counts the folder that the object adds; what is left is the sender's.
    path_bytes_max: int = PATH_BYTES_MAX - len(RECEIVED_PREFIX)
    component_bytes_max: int = COMPONENT_BYTES_MAX
    depth_max: int = DEPTH_MAX - 1  # components, the file's own name included
    # Real output bytes for each byte of the archive: of one entry, and of the whole.
    entry_ratio_max: int = 1_000
    archive_ratio_max: int = 100
    # Below this output the ratios are not judged: a blank scan compresses a thousandfold too.
    ratio_judged_above_bytes: int = 8 * MEBIBYTE


DEFAULT_LIMITS = IntakeLimits()
