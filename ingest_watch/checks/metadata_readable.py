"""The metadata in the package can be read.

DA/T 70-2018 item 3-1 (信息包中元数据的可读性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.metadata()


CHECK = Check(
    "3-1",
    Text("Metadata can be read", "信息包中元数据的可读性检测"),
    Property.USABILITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text("documents parsed to their end in their declared encoding", "按声明的编码完整解析"),
    OfPackage(_examine),
)
