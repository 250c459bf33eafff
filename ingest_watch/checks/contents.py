"""Every file is there that the package says it holds.

DA/T 70-2018 item 2-11 (信息包内容数据完整性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.contents()


CHECK = Check(
    "2-11", "Content is complete", "信息包内容数据完整性", Property.COMPLETENESS, _examine
)
