"""The registration form (电子档案移交与接收登记表) of a stored package, filled as far as is known.

档发〔2012〕7号, annex 1 (fields); DA/T 93-2022 (custody passes when both sides have signed it);
docs/formats/answers.md. Pure. What the transferring side has checked, and every signature, seal
and date, is left for people to write.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

ONLINE = "在线"
# Gigabytes as the form counts them: 10^9 bytes, three decimals.
_GIGABYTE_BYTES = 1_000_000_000
# Of several checks of one property the weightiest outcome stands for all.
_WEIGHTIEST_FIRST = ("failed", "could-not-run", "to-be-judged", "passed")
_PROPERTIES = {
    "accuracy": "authenticity",  # 准确性检验
    "completeness": "completeness",  # 完整性检验
    "usability": "usability",  # 可用性检验
    "safety": "safety",  # 安全性检验
}


@dataclass(frozen=True, slots=True)
class Handover:
    """What is known of one transfer that was stored."""

    transferring_unit: str
    receiving_unit: str
    name: str
    at: str  # RFC 3339, UTC
    file_count: int
    content_bytes: int
    identity: str | None
    # Where the package's own metadata say it.
    item_count: int | None = None
    volume_count: int | None = None
    content: str | None = None
    carrier_numbers: str | None = None


class Inspections(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """检验内容: what the receiving side's checks came to, property by property."""

    accuracy: str
    completeness: str
    usability: str
    safety: str
    carrier_appearance: str = "not-applicable"  # nothing is handed over but bytes


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form's fields, in its order."""

    work_name: str
    transferring_unit: str
    receiving_unit: str
    content: str
    file_count: int
    item_count: int | None
    volume_count: int | None
    content_gigabytes: str  # with three decimals
    content_bytes: int
    carrier_numbers: str | None
    carrier: str
    digest_algorithm: str
    digest: str | None
    inspections: Inspections


class _Judged(msgspec.Struct):
    property: str
    outcome: str


def fill(handover: Handover, checks: Sequence[bytes]) -> Registration:
    """The form of `handover`, whose check report has these `checks` (JSON)."""
    judged = [msgspec.json.decode(check, type=_Judged) for check in checks]
    return Registration(
        work_name=f"{handover.transferring_unit} {handover.at[:4]} 年 {handover.name}",
        transferring_unit=handover.transferring_unit,
        receiving_unit=handover.receiving_unit,
        content=handover.content or f"{handover.name}：电子档案及其元数据，在线移交",
        file_count=handover.file_count,
        item_count=handover.item_count,
        volume_count=handover.volume_count,
        content_gigabytes=in_gigabytes(handover.content_bytes),
        content_bytes=handover.content_bytes,
        carrier_numbers=handover.carrier_numbers,
        carrier=ONLINE,
        digest_algorithm="SHA-256",
        digest=handover.identity,
        inspections=Inspections(
            **{field: _outcome(judged, name) for field, name in _PROPERTIES.items()}
        ),
    )


def in_gigabytes(content_bytes: int) -> str:
    """The amount of data as the form wants it, rounded half up to 0.001 GB."""
    thousandths = (content_bytes + _GIGABYTE_BYTES // 2000) // (_GIGABYTE_BYTES // 1000)
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _outcome(judged: Sequence[_Judged], name: str) -> str:
    outcomes = {each.outcome for each in judged if each.property == name}
    weighty = (each for each in _WEIGHTIEST_FIRST if each in outcomes)
    return next(weighty, "not-applicable")
