"""说明文件 and 目录文件 are as the format asks.

DA/T 70-2018 item 1-12 (说明文件和目录文件规范性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.descriptions()


CHECK = Check(
    "1-12",
    Text("Descriptions and directories follow their rules", "说明文件和目录文件规范性检测"),
    Property.AUTHENTICITY,
    Text("the files that describe the package", "说明文件和目录文件"),
    Text(
        "their names, elements and encoding against the format",
        "依据格式规范检测其名称、数据项和编码",
    ),
    OfPackage(_examine),
)
