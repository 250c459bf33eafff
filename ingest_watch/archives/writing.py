"""Write the contents of an archive into a private folder, hashing them in the same pass.

docs/formats/package.md. The names were judged before (entry_names.py), and are in the listing; that
every one of them came out is held here. Judges nothing else, and removes nothing when it fails.
"""

import os
from collections.abc import Iterable

from ingest_watch.algorithms import WantedDigests
from ingest_watch.archives.content import Content
from ingest_watch.digest_pass import DigestPass, write_piece
from ingest_watch.findings import PackageRejected
from ingest_watch.listing import Listing
from ingest_watch.opening_rules import ARCHIVE_DAMAGED
from ingest_watch.room import room_for
from ingest_watch.target_tree import TargetTree


def write_contents(
    contents: Iterable[Content],
    tree: TargetTree,
    listing: Listing,
    wanted: WantedDigests,
    *,
    start: int = 0,
) -> None:
    """Write every file that is in the listing below `tree`, and record its digests.

    `wanted` speaks of paths without their first `start` characters. Raises PackageRejected, and
    StagingFull before a byte is written when there is no room for what the archive declares.
    """
    listing.check_names()
    with room_for(tree.descriptor, listing.content_bytes()):
        _write(contents, tree, listing, wanted, start)
    unread = listing.unread()
    if unread is not None:
        raise PackageRejected(ARCHIVE_DAMAGED.found(unread, detail="entry without content"))


def _write(
    contents: Iterable[Content],
    tree: TargetTree,
    listing: Listing,
    wanted: WantedDigests,
    start: int,
) -> None:
    for row in listing.query("SELECT path FROM folder ORDER BY path").fetchall():
        tree.make_folder(row[0])
    for content in contents:
        digests = DigestPass(wanted.algorithms_of(content.path[start:]), content.size_bytes)
        target = tree.create(content.path)
        try:
            for piece in content.pieces:
                digests.update(piece)
                write_piece(target, piece)
        finally:
            os.close(target)
        listing.set_digests(digests.finish(content.path, None))
