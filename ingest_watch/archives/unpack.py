"""Unpack one archive into a private folder: named first, written afterwards, hashed on the way.

Attack catalogue A20-A30. Two passes over our own copy of the archive: the first names every entry
in the listing and refuses the archive before a byte is written; the second writes. Every limit is
counted on real output, whatever the archive declares. Nested archives stay closed (A26).
"""

from collections.abc import Iterable

from ingest_watch.archives.content import Content
from ingest_watch.archives.entry_names import EntryRegister
from ingest_watch.archives.tar_members import read_tar, tar_contents
from ingest_watch.archives.writing import write_contents
from ingest_watch.archives.zip_contents import zip_contents
from ingest_watch.archives.zip_directory import read_zip
from ingest_watch.findings import Finding
from ingest_watch.formats.registry import wanted_digests
from ingest_watch.limits import IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.target_tree import TargetTree


def unpack(
    archive: int,
    serialisation: str,
    tree: TargetTree,
    listing: Listing,
    limits: IntakeLimits,
    names_encoding: str | None = None,
) -> tuple[Finding, ...]:
    """Unpack the open archive below `tree`, recording everything in `listing`.

    Returns remarks on names and modes. Raises PackageRejected for whatever may not be accepted,
    and StagingFull before a byte is written when there is no room for what it declares.
    """
    register = EntryRegister(listing, limits)
    contents: Iterable[Content]
    if serialisation == "zip":
        findings = read_zip(archive, register, listing, limits, names_encoding)
        contents = zip_contents(archive, listing, limits)
    else:
        findings = read_tar(archive, register, limits, compressed=serialisation == "tar.gz")
        contents = tar_contents(archive, limits, compressed=serialisation == "tar.gz")
    top = listing.top_folder()
    wanted = wanted_digests(listing.names_in(top or ""))
    write_contents(contents, tree, listing, wanted, start=0 if top is None else len(top) + 1)
    return findings
