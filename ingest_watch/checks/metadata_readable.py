"""The metadata in the package can be read.

DA/T 70-2018 item 3-1 (信息包中元数据的可读性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.metadata()


CHECK = Check("3-1", "Metadata can be read", "信息包中元数据的可读性", Property.USABILITY, _examine)
