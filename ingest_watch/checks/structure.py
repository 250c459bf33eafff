"""The package is laid out as its format asks, and its names are fit to be kept.

DA/T 70-2018 item 1-13 (信息包目录结构规范性). Opening has already refused what is not safe to open;
what it remarked on names is told here.
"""

from itertools import chain

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text
from ingest_watch.formats.package_format import NotApplicable


def _examine(examined: Examined) -> Examination:
    answer = examined.package.structure()
    if isinstance(answer, NotApplicable):
        return answer
    return chain(examined.staged.findings, answer)


CHECK = Check(
    "1-13",
    Text("Package structure", "信息包目录结构规范性检测"),
    Property.AUTHENTICITY,
    Text("folders and names of the package", "信息包的目录结构和文件名"),
    Text("layout and names against the rules of the format", "依据格式规范检测目录结构和文件名"),
    OfPackage(_examine),
)
