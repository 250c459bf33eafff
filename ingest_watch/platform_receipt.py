"""An answer in the codes of the exchange platform (归档回执), for platforms that read no others.

《福州市政务服务事项电子文件归档技术规范》 and `ArchivePackResult` of the systems built to it;
docs/formats/answers.md, "The platform's own codes". Pure. Only what is final has such a receipt:
`received`, `registration` and `held` have no state there, and get none.
"""

from enum import IntEnum

import msgspec

from ingest_watch.answers import Answer, Reason
from storage.catalogue.model import AnswerKind

_TEXT_CHARACTERS_MAX = 500
_SERIALISED = (".tar.gz", ".tgz", ".tar", ".zip")
# Codes of docs/formats/bagit.md, "Opening": the package could not be unpacked at all.
_UNPACKING = frozenset(
    {"path-traversal", "path-absolute", "path-unclear", "link", "special-file", "mount-crossing"}
    | {"depth", "entries", "too-large", "name-too-long", "ratio", "name-collision", "duplicate"}
    | {"conflict", "encrypted", "format-unknown", "opening-killed-the-reader"}
)
# Of docs/formats/case-batch.md: what the directory names is not there.
_FETCHING = frozenset({"batch-zip-missing"})
_UNPACKING_FAMILIES = ("archive-", "zip-", "tar-", "unpack-")


class PlatformState(IntEnum):
    """`state`."""

    SUCCEEDED = 1  # 成功
    FAILED = 3  # 失败


class PlatformResult(IntEnum):
    """`result`."""

    TO_BE_SENT = 0  # 待推送
    ARCHIVED = 1  # 归档成功
    NOT_ARCHIVED = 2  # 归档失败
    NOT_FETCHED = 3  # 文件下载失败
    NOT_UNPACKED = 4  # 文件解包失败
    CHECKS_FAILED = 5  # 四性检测失败


_WORDS = {
    PlatformResult.ARCHIVED: "归档成功",
    PlatformResult.NOT_ARCHIVED: "归档失败",
    PlatformResult.NOT_FETCHED: "文件下载失败",
    PlatformResult.NOT_UNPACKED: "文件解包失败",
    PlatformResult.CHECKS_FAILED: "四性检测失败",
}


class PlatformReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receipt, member for member as the platform names them."""

    business_id: str = msgspec.field(name="businessId")  # 电子文件号
    state: PlatformState
    result: PlatformResult
    result_text: str = msgspec.field(name="result_str")


class _Finding(msgspec.Struct):
    code: str


class _Check(msgspec.Struct):
    findings: list[_Finding]


def platform_receipt(answer: Answer) -> PlatformReceipt | None:
    """The platform's receipt for `answer`; None while nothing is final."""
    match answer.kind:
        case AnswerKind.STORED:
            result, state = PlatformResult.ARCHIVED, PlatformState.SUCCEEDED
        case AnswerKind.REJECTED:
            result, state = _failure(answer), PlatformState.FAILED
        case _:
            return None
    return PlatformReceipt(_business_id(answer), state, result, _text(result, answer.reasons or []))


def encode(receipt: PlatformReceipt) -> bytes:
    """UTF-8 JSON, two-space indent."""
    return msgspec.json.format(msgspec.json.encode(receipt), indent=2) + b"\n"


def _failure(answer: Answer) -> PlatformResult:
    """What a check found, unless it could not be opened; what no check found is ours (2)."""
    codes = {reason.code for reason in answer.reasons or []}
    if any(code in _UNPACKING or code.startswith(_UNPACKING_FAMILIES) for code in codes):
        return PlatformResult.NOT_UNPACKED
    if codes & _FETCHING:
        return PlatformResult.NOT_FETCHED
    found = {
        finding.code
        for check in answer.checks
        for finding in msgspec.json.decode(check, type=_Check).findings
    }
    return PlatformResult.CHECKS_FAILED if codes & found else PlatformResult.NOT_ARCHIVED


def _business_id(answer: Answer) -> str:
    if answer.identifier is not None:
        return answer.identifier
    name = answer.name.rpartition("/")[2]
    for suffix in _SERIALISED:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _text(result: PlatformResult, reasons: list[Reason]) -> str:
    said = "；".join(
        f"{reason.path}：{reason.message_zh}" if reason.path else reason.message_zh
        for reason in reasons
    )
    text = f"{_WORDS[result]}：{said}" if said else _WORDS[result]
    return text if len(text) <= _TEXT_CHARACTERS_MAX else f"{text[: _TEXT_CHARACTERS_MAX - 1]}…"
