"""The rules of a batch of government-service cases, each with its text.

As an implementation of 《福州市政务服务事项电子文件归档技术规范》 exchanges them; the table is
docs/formats/case-batch.md. Texts only.
"""

from ingest_watch.findings import Rule, Severity

_SOURCE = "docs/formats/case-batch.md"


def _error(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, _SOURCE)


def _warning(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, _SOURCE)


LISTING_TWICE = _error(
    "batch-listing-twice", "there must be one 移交目录, and there are {count}",
    "移交目录应只有一个，实有 {count} 个",
)  # fmt: skip
EMPTY = _error("batch-empty", "the 移交目录 lists no case", "移交目录未列出任何办件")
HEADER = _error("batch-header", "{element} is missing or empty", "{element} 缺少或为空")
TIME = _warning(
    "batch-time", "exchangeTime is not written yyyy-MM-dd HH:mm:ss",
    "exchangeTime 未按 yyyy-MM-dd HH:mm:ss 书写",
)  # fmt: skip
NUMBER_MISSING = _error(
    "batch-number-missing", "{place} has no documentNumber", "{place} 缺少 documentNumber"
)
NUMBER_TWICE = _error(
    "batch-number-twice", "{count} directories have the documentNumber {number}",
    "{count} 个目录条目的 documentNumber 同为 {number}",
)  # fmt: skip
FIELD_TWICE = _error(
    "batch-field-twice", "{place} has {element} more than once", "{place} 的 {element} 出现多次"
)
COUNT = _error(
    "batch-count", "the 移交目录 lists {stated} cases, and there are {actual} zips",
    "移交目录列出 {stated} 个办件，实有 {actual} 个 zip",
)  # fmt: skip
ZIP_MISSING = _error(
    "batch-zip-missing", "{place} lists the case, and its zip is not there",
    "{place} 列出该办件，但没有对应的 zip",
)  # fmt: skip
ZIP_OTHER_NAME = _warning(
    "batch-zip-other-name", "{place}: the zip is called as softwareEnvironment says, "
    "not by documentNumber",
    "{place} 对应的 zip 按 softwareEnvironment 命名，而非 documentNumber",
)  # fmt: skip
ZIP_TWICE = _error(
    "batch-zip-twice", "{count} directories mean this one zip", "{count} 个目录条目对应同一个 zip"
)
ZIP_AMBIGUOUS = _error(
    "batch-zip-ambiguous", "{place}: several zips have the name", "{place} 对应多个同名 zip"
)
ZIP_SURPLUS = _error(
    "batch-zip-surplus", "the 移交目录 does not list this zip", "移交目录未列出该 zip"
)
SURPLUS = _error(
    "batch-surplus", "the file is neither the 移交目录 nor a zip", "该文件既非移交目录，也非 zip"
)
DIGEST_MISSING = _error(
    "batch-digest-missing", "{place} gives no digitalSummary, so nothing proves its zip",
    "{place} 未给出 digitalSummary（数字摘要），无从校验",
)  # fmt: skip
DIGEST_UNCLEAR = _error(
    "batch-digest-unclear", "digitalSummary of {place} is no digest that is known here",
    "{place} 的 digitalSummary（数字摘要）不是可识别的摘要",
)  # fmt: skip
DIGEST_MISMATCH = _error(
    "batch-digest-mismatch", "the zip is not what digitalSummary says ({tried} tried)",
    "zip 与 digitalSummary（数字摘要）不符（已尝试 {tried}）",
)  # fmt: skip
DIGEST_MATCHED = Rule(
    "batch-digest-matched", Severity.NOTE,
    "digitalSummary names no algorithm; {algorithm} matched for {count} of {whole} cases",
    "digitalSummary 未注明算法；{whole} 个办件中有 {count} 个与 {algorithm} 相符", _SOURCE,
)  # fmt: skip
DIGEST_WEAK = _warning(
    "batch-digest-weak",
    "digitalSummary is {algorithm}: proof against accidents, not against intent; SHA-256 was "
    "taken on arrival",
    "digitalSummary 为 {algorithm}，可防意外损坏，不能防篡改；接收时已另行计算 SHA-256",
)
BYTES_DIFFER = _error(
    "batch-bytes", "归档信息包字节数 is {stated}; there are {actual}",
    "归档信息包字节数为 {stated}，实为 {actual}",
)  # fmt: skip
BYTES_UNCLEAR = _error(
    "batch-bytes-unclear", "归档信息包字节数 of {place} is no whole number",
    "{place} 的归档信息包字节数不是整数",
)  # fmt: skip
BYTES_NONE = Rule(
    "batch-bytes-none", Severity.NOTE, "the 移交目录 states no 归档信息包字节数",
    "移交目录未给出归档信息包字节数", _SOURCE,
)  # fmt: skip
UNREAD = Rule(
    "batch-unread", Severity.NOTE, "the 移交目录 cannot be read", "无法读取移交目录，该项无从检测",
    _SOURCE,
)  # fmt: skip
