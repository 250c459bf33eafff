"""Read the lines of a tag file in its declared encoding, strictly and without holding it whole.

RFC 8493 section 2.3 (text tag file format); attack catalogue A44. Lines end with LF, CR or CRLF and
with nothing else that Unicode calls a line end. What the lines mean is for others.
"""

import codecs
import io
import os
from collections.abc import Iterator
from pathlib import Path

from ingest_watch.findings import Finding
from ingest_watch.formats.bagit_rules import BYTE_ORDER_MARK, TAG_FILE_UNREADABLE
from ingest_watch.safe_open import FILE_FLAGS, FOLDER_FLAGS, open_beneath
from storage.whole_reads import read_range

LINE_CHARACTERS_MAX = 64 * 1024
# Twice as many as a package may have files.
LINES_MAX = 2_000_000

# IANA names (upper case) that are honoured, and Python's names for them. Stateful and byte-swapping
# oddities (UTF-7, ISO-2022, EBCDIC) are left out: they hide separators from a reader.
_CODECS = {
    "UTF-8": "utf-8",
    "US-ASCII": "ascii",
    "ASCII": "ascii",
    "UTF-16": "utf-16",
    "UTF-16LE": "utf-16-le",
    "UTF-16BE": "utf-16-be",
    "WINDOWS-1252": "cp1252",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "GB2312": "gb2312",
    "BIG5": "big5",
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
}


class TagFileUnreadable(Exception):
    """A tag file cannot be read; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def codec_of(encoding: str) -> str | None:
    """Return Python's codec for a declared encoding, or None if it is not honoured."""
    name = encoding.strip().upper().replace("_", "-")
    return _CODECS.get({"UTF8": "UTF-8", "UTF16": "UTF-16", "LATIN1": "ISO-8859-1"}.get(name, name))


class TagFiles:
    """The tag files in the top folder of one bag."""

    def __init__(self, folder: Path, codec: str) -> None:
        self._folder = folder
        self.codec = codec

    def start(self, name: str, count: int) -> bytes:
        """Return the first `count` bytes."""
        descriptor = self._open(name)
        try:
            return read_range(descriptor, count, 0)
        finally:
            os.close(descriptor)

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        """Yield number and text of each line, without its end. Raises TagFileUnreadable."""
        descriptor = self._open(name)
        try:
            codec = self._codec_of_file(name, descriptor)
            # newline=None splits at LF, CR and CRLF alone.
            text = io.TextIOWrapper(
                io.FileIO(descriptor, closefd=False), encoding=codec, errors="strict", newline=None
            )
            try:
                yield from self._numbered(name, text)
            except UnicodeError as error:
                reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
                raise TagFileUnreadable(
                    TAG_FILE_UNREADABLE.found(name, encoding=self.codec, detail=reason)
                ) from None
            finally:
                text.detach()
        finally:
            os.close(descriptor)

    def _numbered(self, name: str, text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
        number = 0
        while line := text.readline(LINE_CHARACTERS_MAX + 1):
            number += 1
            detail = None
            if len(line) > LINE_CHARACTERS_MAX:
                detail = f"line {number} is longer than {LINE_CHARACTERS_MAX} characters"
            elif number > LINES_MAX:
                detail = f"it has more than {LINES_MAX} lines"
            if detail is not None:
                raise TagFileUnreadable(
                    TAG_FILE_UNREADABLE.found(name, encoding=self.codec, detail=detail)
                )
            yield number, line.removesuffix("\n")

    def _codec_of_file(self, name: str, descriptor: int) -> str:
        """Deal with a byte-order mark: only where the encoding needs one may it stand."""
        start = read_range(descriptor, 3, 0)
        if self.codec == "utf-16":
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            return "utf-16-be"  # RFC 2781 section 4.3
        if start.startswith(codecs.BOM_UTF8) or (
            self.codec.startswith("utf-16")
            and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        ):
            raise TagFileUnreadable(BYTE_ORDER_MARK.found(name))
        return self.codec

    def _open(self, name: str) -> int:
        folder = os.open(self._folder, FOLDER_FLAGS)
        try:
            return open_beneath(folder, os.fsencode(name), FILE_FLAGS)
        finally:
            os.close(folder)
