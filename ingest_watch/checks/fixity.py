"""Every digest that the package carries for its content holds.

DA/T 70-2018 item 1-1 (固化信息有效性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.fixity()


CHECK = Check(
    "1-1", "Fixity information is valid", "固化信息有效性", Property.AUTHENTICITY, _examine
)
