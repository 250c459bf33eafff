"""There are as many records as the package states.

DA/T 70-2018 item 2-1 (总件数相符性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, OfPackage, Property, Text


def _examine(examined: Examined) -> Examination:
    return examined.package.counts()


CHECK = Check(
    "2-1",
    Text("Number of records is as stated", "总件数相符性检测"),
    Property.COMPLETENESS,
    Text("records of the package", "信息包中的电子档案"),
    Text("records counted and compared with the number stated", "清点件数并与登记数比对"),
    OfPackage(_examine),
)
