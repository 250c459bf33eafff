"""Attacks through the other formats: E-ARK, EEP, carriers, cases and batches of them.

Rows of the catalogue that a bag cannot have (A47, A48), and those that it has in its own way.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ingest_watch.preparation import Acceptable
from tests.bags import ZipPart, write_files, zip_bytes
from tests.carrier_packages import SECOND, carrier_files, catalogue, record
from tests.case_packages import BASE_INFO, Batch, base_info, case_files, case_parts
from tests.conformance.hostile.attack import MEBIBYTE, Attack, Place
from tests.csip_packages import CONTENT, mets, write_csip
from tests.eep_packages import FILES, Element, modified, original, written

CLIMB = "../../../../outside/secret.txt"
LAUGHS = '<!DOCTYPE x [<!ENTITY l0 "lol">{}]>'.format(
    "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
)
PASSWORDS = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
PAGES = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'


def formatted(
    row: int, format_name: str, title: str, expected: str, make: Callable[[Path], Path]
) -> Attack:
    """An attack on a source that sends this format; `make` returns the entry it made in drop."""

    async def strike(place: Place) -> str:
        return await place.read(place.job(make(place.drop).name, format_name))

    return Attack(row, title, strike, expected)


def declared(document: bytes, declaration: str) -> bytes:
    """The XML document with a document type behind its own declaration."""
    head, end, rest = document.partition(b"?>")
    return head + end + declaration.encode() + rest


def eep(title: str, expected: str, row: int, document: Callable[[], bytes]) -> Attack:
    def make(drop: Path) -> Path:
        (drop / "case.eep").write_bytes(document())
        return drop / "case.eep"

    return formatted(row, "eep", title, expected, make)


def csip(title: str, expected: str, row: int, change: Callable[[str], str]) -> Attack:
    def make(drop: Path) -> Path:
        return write_csip(drop / "case", change(mets("case", CONTENT)))

    return formatted(row, "csip", title, expected, make)


def carrier(title: str, expected: str, row: int, document: Callable[[], bytes]) -> Attack:
    def make(drop: Path) -> Path:
        return write_files(drop / "case", carrier_files({"文件目录.XML": document()}))

    return formatted(row, "carrier", title, expected, make)


def case(title: str, expected: str, row: int, content: Callable[[], bytes]) -> Attack:
    def make(drop: Path) -> Path:
        (drop / "case.zip").write_bytes(content())
        return drop / "case.zip"

    return formatted(row, "case", title, expected, make)


def _href(target: str) -> Callable[[str], str]:
    listed = "representations/rep1/data/申请表.txt"
    return lambda document: document.replace(f'"{listed}"', f'"{target}"')


def _typed(declaration: str) -> Callable[[str], str]:
    return lambda document: declared(document.encode(), declaration).decode()


def _nested(levels: int) -> bytes:
    package: Element = original()
    for layer in range(1, levels + 1):
        package = modified(package, FILES, layer)
    return written(package)


def _bomb_in_case() -> bytes:
    bomb = ZipPart("结果文件/bomb".encode("gbk"), bytes(64 * MEBIBYTE), flags=0)
    return zip_bytes([*case_parts(), bomb])


def _xxe_in_case() -> bytes:
    return zip_bytes(case_parts(case_files({BASE_INFO: declared(base_info(), PASSWORDS)})))


async def _batch_of_bombs(place: Place) -> str:
    """A batch's zips stay closed in it; each is opened as a transfer of its own."""
    batch = Batch(count=1, digest="sha256")
    bomb = _bomb_in_case()
    (name,) = batch.zips
    batch.zips[name] = bomb
    (row,) = batch.directories
    row |= {"digitalSummary": sha256(bomb).hexdigest(), "归档信息包字节数": str(len(bomb))}
    write_files(place.drop / "batch", batch.files())
    assert (await place.read(place.job("batch", "case-batch"))).startswith("accepted")
    whole = place.prepared[-1]
    assert isinstance(whole, Acceptable)
    (part,) = whole.parts
    job = place.job(name, "case")
    return await place.read(
        replace(
            job,
            drop=whole.work / "content" / "received",
            part_of="batch",
            wanted_sha256=part.sha256,
        )
    )


ATTACKS = (
    csip(
        "METS: href with `../`",
        "rejected: csip-unreferenced, link-broken, path-traversal",
        1,
        _href(CLIMB),
    ),
    eep(
        "EEP: a file's name with `../`",
        "rejected: path-traversal",
        1,
        lambda: written(original({CLIMB: b"evil"})),
    ),
    carrier(
        "carrier: a catalogue that names `../`",
        "rejected: carrier-content-outside, carrier-surplus, link-broken",
        1,
        lambda: catalogue((record(1, CLIMB), record(2, SECOND))),
    ),
    csip(
        "METS: absolute href",
        "rejected: csip-unreferenced, link-broken, path-traversal",
        2,
        _href("/etc/passwd"),
    ),
    case("case: bomb among its files", "rejected: ratio", 25, _bomb_in_case),
    Attack(26, "batch: bomb in a case's zip", _batch_of_bombs, "rejected: ratio"),
    csip(
        "METS: billion laughs", "rejected: csip-unreferenced, xml-document-type", 47, _typed(LAUGHS)
    ),
    eep(
        "EEP: billion laughs",
        "rejected: content-unreadable, xml-document-type",
        47,
        lambda: declared(written(original()), LAUGHS),
    ),
    carrier(
        "carrier: billion laughs",
        "rejected: xml-document-type",
        47,
        lambda: declared(catalogue(), LAUGHS),
    ),
    csip(
        "METS: external entity",
        "rejected: csip-unreferenced, xml-document-type",
        48,
        _typed(PASSWORDS),
    ),
    csip(
        "METS: href over the network",
        "rejected: csip-remote, csip-unreferenced, link-broken",
        48,
        _href("http://127.0.0.1:9/x"),
    ),
    eep(
        "EEP: external DTD",
        "rejected: content-unreadable, xml-document-type",
        48,
        lambda: declared(written(original()), PAGES),
    ),
    case("case: external entity", "rejected: xml-document-type", 48, _xxe_in_case),
    eep("EEP: 12 packages in each other", "rejected: eep-nesting", 49, lambda: _nested(12)),
    eep(
        "EEP: 60 packages in each other",
        "rejected: content-unreadable, xml-limit",
        49,
        lambda: _nested(60),
    ),
)
