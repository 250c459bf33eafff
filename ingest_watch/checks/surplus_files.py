"""There is nothing besides what the package says it holds.

DA/T 70-2018 item 4-3 (载体中多余文件).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.surplus()


CHECK = Check(
    "4-3",
    Text("No surplus files", "载体中多余文件检测"),
    Property.SAFETY,
    Text("all files of the package", "信息包中的全部文件"),
    Text("files present without being described", "检测未被描述的文件"),
    OfPackage(_examine),
)
