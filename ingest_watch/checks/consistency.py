"""The package itself, and not only its content, is as it was sent.

DA/T 70-2018 item 1-14 (信息包一致性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.consistency()


CHECK = Check(
    "1-14",
    Text("Package is consistent", "信息包一致性检测"),
    Property.AUTHENTICITY,
    Text("the package as a whole", "信息包整体"),
    Text("digests of the package against those sent with it", "比对信息包与随附的摘要"),
    OfPackage(_examine),
)
