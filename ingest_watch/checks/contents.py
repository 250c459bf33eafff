"""Every file is there that the package says it holds.

DA/T 70-2018 item 2-11 (信息包内容数据完整性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.contents()


CHECK = Check(
    "2-11",
    Text("Content is complete", "信息包内容数据完整性检测"),
    Property.COMPLETENESS,
    Text("content of the package", "信息包的内容数据"),
    Text(
        "files present compared with those that the metadata list", "比对实有文件与元数据所列文件"
    ),
    OfPackage(_examine),
)
