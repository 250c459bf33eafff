"""Every digest, signature and timestamp that the package carries holds.

DA/T 70-2018 item 1-1 (固化信息有效性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from itertools import chain

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text
from ingest_watch.formats.package_format import NotApplicable


def _examine(examined: Examined) -> Examination:
    answers = (examined.package.fixity(), examined.package.seals())
    found = [answer for answer in answers if not isinstance(answer, NotApplicable)]
    return chain(*found) if found else answers[0]


CHECK = Check(
    "1-1",
    Text("Fixity information is valid", "固化信息有效性检测"),
    Property.AUTHENTICITY,
    Text("digests, signatures and timestamps of the package", "信息包的摘要、电子签名和时间戳"),
    Text(
        "digests computed anew and compared; signatures and timestamps verified",
        "重新计算摘要并比对，验证电子签名和时间戳",
    ),
    OfPackage(_examine),
)
