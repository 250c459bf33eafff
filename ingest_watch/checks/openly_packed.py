"""Content is neither encrypted nor compressed in a way that is not common property.

DA/T 70-2018 item 3-8 (内容数据格式合规性); 档发〔2012〕7号 (decrypt and decompress before
transfer).
"""

from collections.abc import Iterator

from ingest_watch.checks.check import (
    Check,
    ContentFile,
    Examined,
    Judge,
    JudgesEach,
    OfFiles,
    Property,
    Text,
)
from ingest_watch.content_locks import locks_of
from ingest_watch.findings import Finding, Rule, Severity

_ENCRYPTED = Rule(
    "content-encrypted", Severity.ERROR, "this file is encrypted: send it without encryption",
    "该文件已加密，请解密后移交", "DA/T 70 3-8",
)  # fmt: skip
_COMPRESSED = Rule(
    "content-private-compression", Severity.ERROR,
    "this file is compressed in a way that is not open to all ({detail}): send what is in it",
    "该文件采用非公开压缩（{detail}），请解压后移交", "DA/T 70 3-8",
)  # fmt: skip


class _OpenlyPacked(JudgesEach):
    def take(self, file: ContentFile) -> Iterator[Finding]:
        if not file.is_content:
            return
        locks = locks_of(file.location, file.size_bytes)
        if locks.is_encrypted:
            yield _ENCRYPTED.found(file.path)
        if locks.compression:
            yield _COMPRESSED.found(file.path, detail=locks.compression)


def _judge(_examined: Examined) -> Judge[ContentFile]:
    return _OpenlyPacked()


CHECK = Check(
    "3-8",
    Text("No encryption, no private compression", "内容数据格式合规性检测"),
    Property.USABILITY,
    Text("content files", "内容数据文件"),
    Text(
        "flags of zips, PDF /Encrypt, OFD Encryptions, and the marks of rar and 7z looked for",
        "检测 zip 加密标志、PDF /Encrypt、OFD Encryptions 以及 rar、7z 等非公开压缩",
    ),
    OfFiles(_judge),
)
