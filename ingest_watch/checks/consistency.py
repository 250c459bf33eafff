"""The package itself, manifests and metadata included, is as it was sent.

DA/T 70-2018 item 1-14 (信息包一致性).
The format answers it: ingest_watch/formats/package_format.py.
"""

from ingest_watch.checks.check import Check, Examination, Examined, Property


def _examine(examined: Examined) -> Examination:
    return examined.package.consistency()


CHECK = Check(
    "1-14", "The package is as it was sent", "信息包一致性", Property.AUTHENTICITY, _examine
)
