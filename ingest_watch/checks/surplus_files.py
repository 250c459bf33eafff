"""There is nothing besides what the package says it holds.

DA/T 70-2018 item 4-3 (载体中多余文件).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.surplus()


CHECK = Check("4-3", "No surplus files", "载体中多余文件", Property.SAFETY, _examine)
