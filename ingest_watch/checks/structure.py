"""The package is laid out as its format asks, and its names are fit to be kept.

DA/T 70-2018 item 1-13 (信息包目录结构规范性). Opening has already refused what is not safe to open;
what it remarked on names is told here.
"""

from itertools import chain

from ingest_watch.checks.check import Check, Examination, Examined, Property
from ingest_watch.formats.package_format import NotApplicable


def _examine(examined: Examined) -> Examination:
    answer = examined.package.structure()
    if isinstance(answer, NotApplicable):
        return answer
    return chain(examined.staged.findings, answer)


CHECK = Check("1-13", "Package structure", "信息包目录结构规范性", Property.AUTHENTICITY, _examine)
