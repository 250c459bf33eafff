"""Is a bag complete and valid? Set questions over its listing and its manifests.

RFC 8493 section 3: every file listed is there, every payload file is listed (in 1.0 in every
manifest, before that in any), and every digest holds. Each function answers one question and
yields what breaks it; the tables are bagit_manifests.py's.
"""

from collections.abc import Iterable, Iterator, Sequence

from ingest_watch.algorithms import WEAK
from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.bagit_fetch import FetchFile
from ingest_watch.formats.bagit_manifests import Manifest, similar_file
from ingest_watch.formats.bagit_rules import (
    ALGORITHM_UNKNOWN,
    ALGORITHM_WEAK,
    DIGEST_MISMATCH,
    LISTED_FOLDER,
    LISTED_TWICE,
    LISTED_TWICE_DIFFERENTLY,
    LISTED_TWICE_NORMALISED,
    MANIFESTS_DIFFER,
    PAYLOAD_MISSING,
    PAYLOAD_MISSING_SIMILAR,
    PAYLOAD_UNLISTED,
    TAG_FILE_MISSING,
    TAG_FILE_UNLISTED,
    TAG_MANIFEST_INCOMPLETE,
    TAG_MANIFEST_LISTS_ITSELF,
)
from ingest_watch.listing import Listing

_IS_PAYLOAD = "substr(file.path, 1, 5) = 'data/'"


def mismatches(listing: Listing, manifests: Iterable[Manifest]) -> Iterator[Finding]:
    """Yield every file whose digest is not what a manifest says."""
    for manifest in manifests:
        if not manifest.is_known:
            continue
        column = manifest.algorithm
        rows = listing.query(
            f"SELECT file.path, digest, {column} FROM listed"  # noqa: S608 - a known algorithm
            " JOIN file ON file.path = listed.file"
            f" WHERE manifest = ? AND (digest != {column} OR {column} IS NULL) ORDER BY file.path",
            manifest.name,
        )
        for path, expected, actual in rows:
            assert actual is not None, f"{column} of {path} was wanted and not computed"
            yield DIGEST_MISMATCH.found(
                path,
                algorithm=manifest.algorithm,
                actual=actual,
                expected=expected,
                manifest=manifest.name,
            )


def missing(
    listing: Listing, manifest: Manifest, fetch: FetchFile | None = None
) -> Iterator[Finding]:
    """Yield every file that a manifest lists and that is not there.

    What `fetch` names is left to it, because it says more helpfully what to do.
    """
    rows = listing.query(
        "SELECT written FROM listed WHERE manifest = ? AND file IS NULL ORDER BY written",
        manifest.name,
    )
    for (written,) in rows:
        if fetch is not None and fetch.is_named(written):
            continue
        if manifest.is_tag_manifest:
            yield TAG_FILE_MISSING.found(written, manifest=manifest.name)
            continue
        folder = written.removesuffix("/")
        similar = similar_file(listing, written)
        if listing.query("SELECT 1 FROM folder WHERE path = ?", folder).fetchone() is not None:
            yield LISTED_FOLDER.found(written, manifest=manifest.name)
        elif similar is not None:
            yield PAYLOAD_MISSING_SIMILAR.found(written, manifest=manifest.name, file=similar)
        else:
            yield PAYLOAD_MISSING.found(written, manifest=manifest.name)


def unlisted_payload(listing: Listing) -> Iterator[Finding]:
    """Yield every payload file that no payload manifest lists."""
    rows = listing.query(
        f"SELECT path FROM file WHERE {_IS_PAYLOAD} AND NOT EXISTS"  # noqa: S608 - constant
        " (SELECT 1 FROM listed WHERE listed.file = file.path) ORDER BY path"
    )
    for (path,) in rows:
        yield PAYLOAD_UNLISTED.found(path)


def differing_manifests(
    listing: Listing, manifests: Sequence[Manifest], *, is_strict: bool
) -> Iterator[Finding]:
    """Yield every payload file that some payload manifests list and `manifest` does not."""
    severity = Severity.ERROR if is_strict else Severity.WARNING
    for manifest in manifests:
        for path in _not_in(listing, manifest):
            yield MANIFESTS_DIFFER.found(path, severity=severity, manifest=manifest.name)


def _not_in(listing: Listing, manifest: Manifest) -> Iterator[str]:
    """Payload files that some manifest lists, but not this one."""
    rows = listing.query(
        f"SELECT path FROM file WHERE {_IS_PAYLOAD}"  # noqa: S608 - constant
        " AND EXISTS (SELECT 1 FROM listed WHERE listed.file = file.path)"
        " AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.file = file.path AND manifest = ?)"
        " ORDER BY path",
        manifest.name,
    )
    return (row[0] for row in rows)


def listed_twice(listing: Listing, *, is_strict: bool) -> Iterator[Finding]:
    """Yield every file that one manifest lists more than once."""
    rows = listing.query(
        "SELECT manifest, file, count(*), count(DISTINCT digest), count(DISTINCT written)"
        " FROM listed WHERE file IS NOT NULL GROUP BY manifest, file HAVING count(*) > 1"
    )
    for manifest, file, count, digests, spellings in rows:
        if digests > 1:
            yield LISTED_TWICE_DIFFERENTLY.found(file, manifest=manifest)
        elif spellings > 1:
            yield LISTED_TWICE_NORMALISED.found(file, manifest=manifest)
        else:
            severity = Severity.ERROR if is_strict else Severity.WARNING
            yield LISTED_TWICE.found(file, severity=severity, manifest=manifest, count=count)


def algorithm_strength(listing: Listing, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Yield what the payload manifests' algorithms can and cannot prove.

    An unknown algorithm is only passed over where a known and strong manifest proves every file.
    """
    unknown = [manifest for manifest in manifests if not manifest.is_known]
    strong = [
        manifest for manifest in manifests if manifest.is_known and manifest.algorithm not in WEAK
    ]
    proven = any(next(_unproven(listing, manifest), None) is None for manifest in strong)
    for manifest in unknown:
        yield ALGORITHM_UNKNOWN.found(
            manifest.name,
            severity=Severity.WARNING if proven else Severity.ERROR,
            algorithm=manifest.algorithm,
            manifest=manifest.name,
        )
    known = [manifest.algorithm for manifest in manifests if manifest.is_known]
    if known and not strong:
        yield ALGORITHM_WEAK.found(algorithm=", ".join(known))


def _unproven(listing: Listing, manifest: Manifest) -> Iterator[str]:
    rows = listing.query(
        f"SELECT path FROM file WHERE {_IS_PAYLOAD} AND NOT EXISTS"  # noqa: S608 - constant
        " (SELECT 1 FROM listed WHERE listed.file = file.path AND manifest = ?)",
        manifest.name,
    )
    return (row[0] for row in rows)


def tag_manifest_gaps(
    listing: Listing, manifests: Sequence[Manifest], *, is_strict: bool
) -> Iterator[Finding]:
    """Yield what tag manifests leave out that they must list, or list that they must not."""
    severity = Severity.ERROR if is_strict else Severity.WARNING
    names = {manifest.name: manifest for manifest in manifests}
    for tag_manifest in (manifest for manifest in manifests if manifest.is_tag_manifest):
        rows = listing.query(
            "SELECT file FROM listed WHERE manifest = ? AND file GLOB '*manifest-*.txt'",
            tag_manifest.name,
        )
        covered = {row[0] for row in rows}
        for name, manifest in names.items():
            if manifest.is_tag_manifest and name in covered:
                yield TAG_MANIFEST_LISTS_ITSELF.found(
                    name, severity=severity, manifest=tag_manifest.name
                )
            elif not manifest.is_tag_manifest and name not in covered:
                yield TAG_MANIFEST_INCOMPLETE.found(
                    name, severity=severity, manifest=tag_manifest.name
                )


def unlisted_tag_files(listing: Listing) -> Iterator[Finding]:
    """Yield every tag file, manifests excepted, that no tag manifest lists."""
    rows = listing.query(
        f"SELECT path FROM file WHERE NOT ({_IS_PAYLOAD})"  # noqa: S608 - constant
        " AND NOT (path GLOB 'manifest-*.txt') AND NOT (path GLOB 'tagmanifest-*.txt')"
        " AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.file = file.path) ORDER BY path"
    )
    for (path,) in rows:
        yield TAG_FILE_UNLISTED.found(path)
