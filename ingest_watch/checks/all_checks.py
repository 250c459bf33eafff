"""Every check, in the order of the standard's items.

DA/T 70-2018. Items that are not listed here are not carried out, and no report claims them.
"""

from ingest_watch.checks import (
    consistency,
    contents,
    fixity,
    metadata_readable,
    structure,
    surplus_files,
    total_bytes,
    virus,
)
from ingest_watch.checks.check import Check

CHECKS: tuple[Check, ...] = (
    fixity.CHECK,
    structure.CHECK,
    consistency.CHECK,
    total_bytes.CHECK,
    contents.CHECK,
    metadata_readable.CHECK,
    virus.CHECK,
    surplus_files.CHECK,
)
# What a package that cannot even be opened fails.
OPENING = structure.CHECK
