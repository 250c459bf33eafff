"""The text of one 编码数据 as it streams past: a file to be written, or the digest of one beside.

DA/T 48-2009 编码数据, 反编码关键字. Where the bytes of a file go is eep_content.py's.
"""

import binascii

from ingest_watch.formats.eep_content import Content, EmbeddedFile, content_name
from ingest_watch.formats.eep_document import Encoding

_DIGEST_CHARACTERS_MAX = 4096


class EncodedData:
    """The text of one 编码数据, going where its keyword says."""

    def __init__(self, encoding: Encoding, content: Content) -> None:
        self.encoding = encoding
        self._content = content
        self._file: EmbeddedFile | None = None
        self._digest: list[str] = []
        self._digest_characters = 0
        self.flaw: str | None = None

    def feed(self, piece: str) -> None:
        """Take the next characters; nothing raises but a name that is refused."""
        if self.flaw is not None or (not self.encoding.has_data and not piece.strip()):
            return
        self.encoding.has_data = True
        kind = self.encoding.keyword
        if kind is None or not self.encoding.name or self.encoding.reference:
            return
        if kind.digest is not None:
            self._keep(piece)
            return
        try:
            self._opened(kind.extension).feed(piece)
        except binascii.Error as error:
            self.flaw = str(error)

    def finish(self) -> None:
        """Say that nothing more comes; `flaw` tells whether it could be decoded."""
        try:
            if self._file is not None:
                self._file.finish()
            elif self._digest:
                self.encoding.digest = binascii.a2b_base64("".join("".join(self._digest).split()))
        except (binascii.Error, ValueError) as error:
            self.flaw = self.flaw or str(error)
        has_one = self.encoding.has_data != bool(self.encoding.reference)
        if self.flaw is not None or not has_one:
            self.encoding.is_malformed = True

    def close(self) -> None:
        """Let go of a file that is being written."""
        if self._file is not None:
            self._file.close()

    def _opened(self, extension: str | None) -> EmbeddedFile:
        if self._file is None:
            name = content_name(with_extension(self.encoding.name, extension), self.encoding.layer)
            self._file = self._content.create(name)
            self.encoding.path = name.path
        return self._file

    def _keep(self, piece: str) -> None:
        self._digest_characters += len(piece)
        if self._digest_characters > _DIGEST_CHARACTERS_MAX:
            self.flaw = "too long for a digest"
        else:
            self._digest.append(piece)


def with_extension(name: str, extension: str | None) -> str:
    """Give a file the extension that 反编码关键字 names, if it has none (编码描述)."""
    last = name.rpartition("/")[2]
    if extension is None or not last or "." in last:
        return name
    return f"{name}.{extension}"
