"""Recognise an OFD document, and tell whether it opens and has pages.

GB/T 33190-2016: a zip with OFD.xml at its root, which names each document's root (DocRoot), which
lists its pages. PRONOM does not know the format. Reads within limits, and decodes no page.
"""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ingest_watch.content_zip import ContentZipFlaw, opened_zip, read_entry
from ingest_watch.xml_reading import Leaf, Start, XmlFlaw, xml_events, xml_leaves

_ROOT = "OFD.xml"
_XML_BYTES_MAX = 16 * 1024 * 1024


class OfdFlaw(Exception):
    """The document does not open; says why."""


def is_ofd(path: Path) -> bool:
    """Whether the file is an OFD document, whole or not."""
    try:
        with opened_zip(path) as archive:
            return _ROOT in archive.namelist()
    except ContentZipFlaw:
        return False


def page_count(path: Path) -> int:
    """How many pages the documents of the file list, each there. Raises OfdFlaw."""
    try:
        with opened_zip(path) as archive:
            return sum(_pages_of(archive, root) for root in _document_roots(archive))
    except (ContentZipFlaw, XmlFlaw) as flaw:
        raise OfdFlaw(str(flaw)) from flaw


def is_encrypted(path: Path) -> bool:
    """Whether the package says that it holds encrypted entries (GB/T 33190 7.3, Encryptions)."""
    try:
        with opened_zip(path) as archive:
            names = {name.lower().rpartition("/")[2] for name in archive.namelist()}
            if {"encryptions.xml", "decryptseed.dat", "entriesmap.dat"} & names:
                return True
            return any(event.name == "Encryptions" for event in _starts(archive, _ROOT))
    except (ContentZipFlaw, XmlFlaw):
        return False


def _document_roots(archive: zipfile.ZipFile) -> list[str]:
    roots = [value for name, value in _leaves(archive, _ROOT) if name == "DocRoot"]
    if not roots:
        raise ContentZipFlaw("OFD.xml names no document")
    return [root.lstrip("/") for root in roots]


def _pages_of(archive: zipfile.ZipFile, root: str) -> int:
    names = set(archive.namelist())
    locations = [
        event.attributes["BaseLoc"]
        for event in _starts(archive, root)
        if event.name == "Page" and "BaseLoc" in event.attributes
    ]
    for location in locations:
        if _resolved(root, location) not in names:
            raise ContentZipFlaw("a page that the document lists is not there")
    return len(locations)


def _resolved(root: str, location: str) -> str:
    if location.startswith("/"):
        return location.lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(root), location))


def _leaves(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, str]]:
    with read_entry(archive, name) as stream:
        for leaf in xml_leaves(xml_events(stream, name, bytes_max=_XML_BYTES_MAX), name):
            if isinstance(leaf, Leaf):
                yield leaf.path[-1], leaf.text


def _starts(archive: zipfile.ZipFile, name: str) -> Iterator[Start]:
    with read_entry(archive, name) as stream:
        for event in xml_events(stream, name, bytes_max=_XML_BYTES_MAX):
            if isinstance(event, Start):
                yield event
