"""Every check, in the order of the standard's items.

DA/T 70-2018. Items that are not listed here are not carried out, and no report claims them; which
of these apply is a profile's to say.
"""

from ingest_watch.checks import (
    archival_code,
    consistency,
    content_formats,
    content_links,
    content_readable,
    contents,
    descriptions,
    electronic_attributes,
    elements_filled,
    elements_present,
    fixity,
    metadata_characters,
    metadata_duplicates,
    metadata_length,
    metadata_plausible,
    metadata_readable,
    metadata_type,
    metadata_values,
    openly_packed,
    package_metadata,
    record_content,
    record_count,
    scanner_present,
    serial_numbers,
    structure,
    surplus_files,
    total_bytes,
    virus,
    within_scope,
)
from ingest_watch.checks.check import Check

CHECKS: tuple[Check, ...] = (
    fixity.CHECK,
    metadata_length.CHECK,
    metadata_type.CHECK,
    metadata_values.CHECK,
    metadata_plausible.CHECK,
    metadata_characters.CHECK,
    archival_code.CHECK,
    metadata_duplicates.CHECK,
    electronic_attributes.CHECK,
    content_links.CHECK,
    descriptions.CHECK,
    structure.CHECK,
    consistency.CHECK,
    record_count.CHECK,
    total_bytes.CHECK,
    elements_present.CHECK,
    elements_filled.CHECK,
    serial_numbers.CHECK,
    record_content.CHECK,
    within_scope.CHECK,
    package_metadata.CHECK,
    contents.CHECK,
    metadata_readable.CHECK,
    content_formats.CHECK,
    content_readable.CHECK,
    openly_packed.CHECK,
    scanner_present.CHECK,
    virus.CHECK,
    surplus_files.CHECK,
)
# What a package that cannot even be opened fails, whatever its profile says.
OPENING = structure.CHECK
