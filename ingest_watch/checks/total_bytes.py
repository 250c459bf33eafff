"""There are as many bytes as the package states.

DA/T 70-2018 item 2-2 (总字节数相符性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.totals()


CHECK = Check(
    "2-2",
    Text("Total bytes are as stated", "总字节数相符性检测"),
    Property.COMPLETENESS,
    Text("content of the package", "信息包的内容数据"),
    Text("bytes summed and compared with the number stated", "统计字节数并与登记数比对"),
    OfPackage(_examine),
)
