"""Recognise text and XML that PRONOM's signatures miss: XML without declaration, GB18030 text.

XML 1.0; GB 18030. Looks at the beginning only. Whether such a file can be read to its end is
content_opening.py's.
"""

import codecs
import re
from pathlib import Path

XML = "fmt/101"
TEXT = "x-fmt/111"
_HEAD_BYTES = 65536
_START_OF_XML = re.compile(r"\s*<[A-Za-z_\u4e00-\u9fff][^<>]*>")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")


def plain_format(path: Path) -> str | None:
    """The PRONOM identifier of what is plainly XML or text; None for anything else."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            # The last character may be cut.
            text = codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
        except UnicodeDecodeError:
            continue
        if not text or _NO_TEXT.search(text):
            return None
        is_xml = path.suffix.lower() == ".xml" and _START_OF_XML.match(text)
        return XML if is_xml else TEXT
    return None
