"""There are as many bytes as the package states.

DA/T 70-2018 item 2-2 (总字节数相符性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.totals()


CHECK = Check("2-2", "Total bytes are as stated", "总字节数相符性", Property.COMPLETENESS, _examine)
