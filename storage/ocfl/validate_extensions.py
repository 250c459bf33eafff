"""The `extensions` folder of an object or a storage root.

OCFL 1.1 sections 3.9 (E067, W013) and 4.4 (E112, W016); OCFL 1.0 has E086 for the root's. What lies
inside an extension's own folder is the extension's affair, except that links are forbidden there
too. Names are those of the OCFL Extensions repository.
"""

from pathlib import Path

from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_reading import Kind, entries_of, reason

LAYOUT_EXTENSIONS = frozenset(
    {
        "0002-flat-direct-storage-layout",
        "0003-hash-and-id-n-tuple-storage-layout",
        "0004-hashed-n-tuple-storage-layout",
        "0006-flat-omit-prefix-storage-layout",
        "0007-n-tuple-omit-prefix-storage-layout",
        "0010-differential-n-tuple-omit-prefix-storage-layout",
        "0011-direct-clean-path-layout",
        "0012-hash-and-no-prefix-id-n-tuple-storage-layout",
    }
)
REGISTERED_EXTENSIONS = LAYOUT_EXTENSIONS | {
    "0000-example-extension",
    "0001-digest-algorithms",
    "0005-mutable-head",
    "0008-schema-registry",
    "0009-digest-algorithms",
    "initial",
}
FOLDER_NAME = "extensions"


def check_extensions(folder: Path, stray: str, unregistered: str, findings: Findings) -> None:
    """`stray` and `unregistered` are the codes of the two rules where this folder stands."""
    try:
        entries = entries_of(folder / FOLDER_NAME)
    except OSError as error:
        findings.add(stray, FOLDER_NAME, f"the folder cannot be read: {reason(error)}")
        return
    for entry in entries:
        path = f"{FOLDER_NAME}/{entry.name}"
        if entry.kind is not Kind.FOLDER:
            findings.add(stray, path, f"a {entry.kind.value} among folders of extensions")
        elif entry.name not in REGISTERED_EXTENSIONS:
            findings.add(unregistered, path, f"{shown(entry.name)} is no registered extension")
