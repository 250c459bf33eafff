"""Who sends in the demo: one sender for each way of using the formats, as a site would set it up.

A portal that sends bags, an approval platform whose cases must be within its scope-and-retention
table (归档范围与保管期限表), and an office system that sends several formats. Values only:
layout.py writes them into the configuration.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sender:
    """One source of the demo."""

    name: str
    title: str
    formats: tuple[str, ...] = ("bagit",)
    scope_table: str = ""  # CSV (docs/formats/scope.md); without it there is none
    platform_receipts: bool = False


SCOPE_TABLE = """\
事项编码,事项名称,保管期限,类别,密级上限
000131001000,建设工程规划许可,永久,工程建设,内部
000131002000,临时建设许可,定期30年,工程建设,公开
"""
PORTAL = Sender("gov-portal", "service portal 政务服务门户")
APPROVAL = Sender(
    "approval",
    "approval platform 审批平台",
    ("case-batch", "case"),
    SCOPE_TABLE,
    platform_receipts=True,
)
OFFICE = Sender("office", "office system 办公系统", ("eep", "carrier", "csip"))
SENDERS = (PORTAL, APPROVAL, OFFICE)
