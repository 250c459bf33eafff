"""Sample packages of the further formats, made by the sender's kit as a sender's developers would.

`lantai sender-kit` ships the program; what it makes is put into the drop folders as it is. Judges
nothing.
"""

import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from daemon.demo.samples import Sample
from daemon.demo.senders import APPROVAL, OFFICE, Sender

_PROGRAM = Path(str(files("ingest_watch") / "sender_kit" / "make_samples.py"))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A sample of the kit: where it is, and as what it is sent."""

    sender: Sender
    place: str
    name: str
    shows: str
    shows_zh: str
    expected: str = "stored"


_CASES = "11350100MB0123456X-2021-"
_CHOSEN = (
    _Chosen(APPROVAL, "case-batch/good/20210401-002", "20210401-002",
            "a batch, an object for each case", "办件批次，每件单独入库"),
    _Chosen(APPROVAL, f"case/good/{_CASES}000001.zip", f"{_CASES}000001.zip",
            "one case, names in GBK", "单个办件"),
    _Chosen(APPROVAL, f"case/good/{_CASES}000009.zip", f"{_CASES}000009.zip",
            "a matter outside the scope table", "事项不在归档范围内", "held"),
    _Chosen(OFFICE, "eep/good/通知-0001.eep", "通知-0001.eep", "EEP, files inside", "嵌入式封装包"),
    _Chosen(OFFICE, "eep/good/通知-0002", "通知-0002", "EEP, files beside", "分离式封装包"),
    _Chosen(OFFICE, "eep/bad/altered-file", "通知-0003", "an altered file",
            "文件被改动", "rejected"),
    _Chosen(OFFICE, "carrier/good/载体-0002", "载体-0002", "two carriers", "并列的两张载体"),
    _Chosen(OFFICE, "carrier/bad/missing-file", "载体-0003", "a listed file is missing",
            "目录所列文件缺失", "rejected"),
    _Chosen(OFFICE, "csip/good/sip-0001", "sip-0001", "E-ARK SIP", "E-ARK 信息包"),
    _Chosen(OFFICE, "csip/bad/unlisted-file", "sip-0002", "a file that METS does not know",
            "METS 未列的文件", "rejected"),
)  # fmt: skip


def kit_samples(folder: Path) -> list[Sample]:
    """Have the kit write all its samples into `folder`, which is new; return the demo's choice.

    Each is moved from there when it is written.
    """
    subprocess.run([sys.executable, "-B", str(_PROGRAM), str(folder)], check=True)
    return [
        Sample(each.name, each.shows, each.shows_zh, each.expected, (folder / each.place).rename,
               each.sender)
        for each in _CHOSEN
    ]  # fmt: skip
