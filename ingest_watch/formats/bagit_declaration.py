"""Judge bagit.txt: the version and the encoding that everything else in a bag is read by.

RFC 8493 section 2.1.1: exactly two lines, in order, with exactly one space after each colon, UTF-8
without a byte-order mark. Before 1.0 the drafts were silent about spaces and order, so there they
are told and not refused.
"""

import codecs
import re
from dataclasses import dataclass

from ingest_watch.findings import Finding
from ingest_watch.formats.bagit_rules import (
    BYTE_ORDER_MARK,
    DECLARATION_INVALID,
    DECLARATION_LOOSE,
    ENCODING_NOT_UTF8,
    ENCODING_UNSUPPORTED,
    VERSION_UNSUPPORTED,
)
from ingest_watch.formats.bagit_text import codec_of

NAME = "bagit.txt"
BYTES_MAX = 4096

_LINE_END = re.compile("\r\n|\r|\n")
_STRICT = re.compile(
    r"BagIt-Version: (\d+\.\d+)(?:\r\n|\r|\n)Tag-File-Character-Encoding: (\S+)(?:\r\n|\r|\n)?"
)
_VERSION = re.compile(r"(\d+)\.(\d+)", re.ASCII)
_OLD_VERSIONS = frozenset({"0.93", "0.94", "0.95", "0.96", "0.97"})
_CURRENT = "1.0"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What bagit.txt says, as far as it can be used, and what is wrong with it."""

    version: str
    codec: str
    findings: tuple[Finding, ...]

    @property
    def is_strict(self) -> bool:
        """RFC 8493's own version, whose every MUST is held."""
        return self.version == _CURRENT

    @property
    def metadata_names(self) -> tuple[str, ...]:
        """The names the metadata file may have; package-info.txt was its name up to 0.95."""
        if self.version in {"0.93", "0.94", "0.95"}:
            return ("package-info.txt", "bag-info.txt")
        return ("bag-info.txt",)


def undeclared(*findings: Finding) -> Declaration:
    """What the rest of the bag is read by when bagit.txt is of no use: the lenient reading."""
    return Declaration("0.97", "utf-8", findings)


def read_declaration(content: bytes) -> Declaration:
    """Judge the content of bagit.txt."""
    if content.startswith(codecs.BOM_UTF8):
        return undeclared(BYTE_ORDER_MARK.found(NAME))
    if len(content) >= BYTES_MAX:
        return undeclared(DECLARATION_INVALID.found(NAME, detail="it is far too long"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return undeclared(DECLARATION_INVALID.found(NAME, detail="it is not UTF-8"))
    fields = _fields(text)
    missing = {"bagit-version", "tag-file-character-encoding"} - fields.keys()
    if missing:
        detail = f"{', '.join(sorted(missing))} is missing"
        return undeclared(DECLARATION_INVALID.found(NAME, detail=detail))
    return _judge(text, fields["bagit-version"], fields["tag-file-character-encoding"])


def _fields(text: str) -> dict[str, str]:
    """Return what stands before and after the first colon of each line, as loosely as possible."""
    pairs = (line.partition(":") for line in _LINE_END.split(text))
    return {label.strip().lower(): value.strip() for label, colon, value in pairs if colon}


def _judge(text: str, version: str, encoding: str) -> Declaration:
    if version != _CURRENT and version not in _OLD_VERSIONS:
        rule = VERSION_UNSUPPORTED if _VERSION.fullmatch(version) else DECLARATION_INVALID
        return undeclared(
            rule.found(NAME, version=version, detail=f"version '{version}' is not M.N")
        )
    findings: list[Finding] = []
    codec = codec_of(encoding)
    if codec is None:
        findings.append(ENCODING_UNSUPPORTED.found(NAME, encoding=encoding))
    elif codec != "utf-8":
        findings.append(ENCODING_NOT_UTF8.found(NAME, encoding=encoding))
    if _STRICT.fullmatch(text) is None:
        # The specification's own example writes "BagIt-version", and ABNF ignores case.
        only_case = re.fullmatch(_STRICT.pattern, text, re.IGNORECASE) is not None
        rule = DECLARATION_LOOSE if only_case or version != _CURRENT else DECLARATION_INVALID
        detail = "two lines, each 'Label: value' with one space, and nothing else"
        findings.append(rule.found(NAME, detail=detail))
    return Declaration(version, codec or "utf-8", tuple(findings))
