"""Attacks by what a package says of itself: manifests, tag files, XML, names (A1, A2, A41-A51)."""

from collections.abc import Callable
from dataclasses import replace

from ingest_watch.answer_pages import answer_page
from ingest_watch.answers import TransferFacts, read_answer, rejected
from ingest_watch.preparation import Acceptable, Unacceptable
from storage.ocfl.layout import object_folder
from tests.bags import PAYLOAD, bag_files, manifest, write_files
from tests.conformance.hostile.attack import MEBIBYTE, Attack, Place, bag_attack, bag_of_names

NOWHERE = "0" * 64


def _listed(*lines: tuple[str, str]) -> bytes:
    return (
        manifest("sha256", PAYLOAD)
        + "".join(f"{digest}  {path}\n" for digest, path in lines).encode()
    )


def bag(row: int, title: str, expected: str, *, missing: str = "", **made: object) -> Attack:
    """A bag made as `bag_files` is asked to, without the file `missing`."""
    files = bag_files(**made)  # type: ignore[arg-type]  # handed through
    return bag_attack(
        row, title, {path: files[path] for path in files if path != missing}, expected
    )


def manifested(row: int, title: str, expected: str, *lines: tuple[str, str]) -> Attack:
    return bag(row, title, expected, changed={"manifest-sha256.txt": _listed(*lines)})


def fetching(title: str, line: str, expected: str, *, missing: str = "", row: int = 41) -> Attack:
    return bag(row, title, expected, changed={"fetch.txt": f"{line}\n".encode()}, missing=missing)


def info(row: int, title: str, text: bytes, expected: str) -> Attack:
    return bag(row, title, expected, changed={"bag-info.txt": text})


def declared(row: int, title: str, encoding: str, expected: str) -> Attack:
    """A bag that says its tag files have this encoding, and keeps to it where it can."""
    text = f"BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n".encode()
    changed: dict[str, bytes] = {"bagit.txt": text}
    if encoding == "UTF-16":
        changed["bag-info.txt"] = "Label: 申请\n".encode("utf-16")
        changed["manifest-sha256.txt"] = manifest("sha256", PAYLOAD).decode().encode("utf-16")
    return bag(row, title, expected, changed=changed, tag_manifests=False)


def _unlisted_manifest() -> dict[str, bytes]:
    """Its tag manifest knows nothing of the payload manifest."""
    files = bag_files()
    tags = {path: files[path] for path in ("bagit.txt", "bag-info.txt")}
    return files | {"tagmanifest-sha256.txt": manifest("sha256", tags)}


# What a reader is asked, as text, because it cannot import tests.
_READ_XML = """
from ingest_watch.findings import PackageRejected
from ingest_watch.xml_reading import XmlFlaw, xml_events
try:
    with open({path!r}, "rb") as document:
        for _ in xml_events(document, "mets.xml"):
            pass
except XmlFlaw as flaw:
    raise PackageRejected(flaw.finding)
"""


def xml(row: int, title: str, expected: str, text: Callable[[], bytes]) -> Attack:
    """An XML document, read as every format that has XML reads it, in the reader's process."""

    async def strike(place: Place) -> str:
        document = place.staging / "document.xml"
        document.write_bytes(text())
        await place.weigh()
        before_bytes = place.peak_bytes
        outcome = await place.carry_out(_READ_XML.format(path=str(document)))
        assert place.peak_bytes - before_bytes < 64 * MEBIBYTE
        return outcome

    return Attack(row, title, strike, expected)


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{entities}]><x>&l9;</x>'.encode()


def _quadratic() -> bytes:
    blow_up = f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><x>{"&a;" * 50_000}</x>'
    return blow_up.encode()


def _outside(system: str) -> Callable[[], bytes]:
    return f'<!DOCTYPE x [<!ENTITY e SYSTEM "{system}">]><x>&e;</x>'.encode


_POLITE_OUTSIDE = b"""<x xmlns:xi="http://www.w3.org/2001/XInclude"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a http://127.0.0.1:9/a"
 ><xi:include href="file:///etc/passwd" parse="text"/></x>"""


async def _nested_json(place: Place) -> str:
    """JSON in a package is payload: nothing reads it."""
    nested = b"[" * 1_000_000 + b"9" * 1_000_000 + b"]" * 1_000_000
    payload = {"data/deep.json": nested, "data/twice.json": b'{"a":1,"a":2}'}
    write_files(place.drop / "case", bag_files(payload))
    return await place.judge()


async def _shown(place: Place) -> str:
    """Names and values that mean something to a page, a spreadsheet or a terminal."""
    names = (
        "<script>alert(1)</script>".replace("/", "∕"),
        "=cmd|' ∕C calc'!A0",
        "\x1b]0;title\x07",
        "a\nb",
    )
    content = bag_of_names(*names, info="Payload-Oxum: \x1b[31m<b>1.1\n")
    write_files(place.drop / "case", content)
    outcome = await place.judge()
    prepared = place.prepared[-1]
    assert isinstance(prepared, Unacceptable)
    facts = TransferFacts("馆", "portal", "case", "1", "2026-11-22T08:00:00Z")
    said = rejected(facts, prepared.checks, prepared.reasons)
    page = answer_page(read_answer(said), said, "case.rejected.json")
    for text in (said, page):
        assert b"\x1b" not in text
        assert b"\x07" not in text
    assert b"<script" not in page.lower()
    return outcome


async def _identifiers(place: Place) -> str:
    """What cannot be an identifier is refused; what can be is a name on the disk and no path."""
    outcomes = set()
    for number, identifier in enumerate(("../../objects/x", "n" * 300, "a\tb", "..")):
        info = f"External-Identifier: {identifier}\n"
        write_files(place.drop / f"case-{number}", bag_files(info=info))
        job = place.job(f"case-{number}")
        outcomes.add(
            await place.read(
                replace(job, profile=replace(job.profile, identifier="external-identifier"))
            )
        )
    assert len(outcomes) == 1
    for name in ("%2e%2e%2fobjects", "...", "~", "CON"):
        write_files(place.drop / name, bag_files())
        assert (await place.judge(name)).startswith("accepted")
        accepted = place.prepared[-1]
        assert isinstance(accepted, Acceptable)
        parts = object_folder(accepted.facts.object_id or "").parts
        assert len(parts) == 3
        assert not {"..", "."} & set(parts)
    return outcomes.pop()


ATTACKS = (
    manifested(
        1,
        "`../` in a bag's manifest",
        "rejected: path-traversal",
        (NOWHERE, "data/../../outside/x"),
    ),
    manifested(
        2, "absolute path in a manifest", "rejected: path-traversal", (NOWHERE, "/etc/passwd")
    ),
    fetching(
        "http, missing here",
        "http://127.0.0.1:9/x - data/scan/1.txt",
        "rejected: fetch-not-allowed",
        missing="data/scan/1.txt",
    ),
    fetching(
        "file:///etc/passwd",
        "file:///etc/passwd - data/scan/1.txt",
        "rejected: fetch-not-allowed",
        missing="data/scan/1.txt",
    ),
    fetching(
        "link-local, by FTP and gopher",
        "gopher://169.254.169.254/ - data/scan/1.txt",
        "rejected: fetch-not-allowed",
        missing="data/scan/1.txt",
    ),
    fetching(
        "not in a manifest either",
        "ftp://10.0.0.1/x 10 data/other",
        "rejected: fetch-not-allowed, fetch-unlisted",
    ),
    fetching("fetched to outside", "http://a/b - ../outside/x", "rejected: path-traversal", row=42),
    fetching(
        "fetched beside the payload",
        "http://a/b - bag-info.txt",
        "rejected: fetch-outside-payload",
        row=42,
    ),
    fetching(
        "listed to be fetched, and here",
        "http://127.0.0.1:9/x - data/scan/1.txt",
        "accepted",
        row=42,
    ),
    manifested(
        43,
        "one file, two digests",
        "rejected: digest-mismatch, listed-twice-differently",
        (NOWHERE, "data/scan/1.txt"),
    ),
    bag_attack(
        43, "file in no manifest", bag_files() | {"data/extra": b"x"}, "rejected: payload-unlisted"
    ),
    bag(
        43,
        "manifests that differ",
        "rejected: manifests-differ",
        changed={
            "manifest-md5.txt": manifest("md5", {"data/scan/1.txt": PAYLOAD["data/scan/1.txt"]})
        },
    ),
    bag(43, "MD5 only", "accepted: algorithm-weak", algorithms=("md5",)),
    bag(
        43,
        "the same line twice (BagIt 1.0)",
        "rejected: listed-twice",
        changed={"manifest-sha256.txt": manifest("sha256", PAYLOAD) * 2},
    ),
    bag(
        43,
        "the same line twice (before 1.0)",
        "accepted: listed-twice",
        version="0.97",
        changed={"manifest-sha256.txt": manifest("sha256", PAYLOAD) * 2},
    ),
    info(44, "wrong Payload-Oxum", b"Payload-Oxum: 1.1\n", "rejected: payload-oxum-mismatch"),
    info(
        44,
        "line of 100 MB",
        b"Label: " + b"a" * 100_000_000 + b"\n",
        "rejected: tag-file-unreadable",
    ),
    info(44, "byte order mark", b"\xef\xbb\xbfLabel: a\n", "rejected: byte-order-mark"),
    info(44, "keys that repeat", b"Label: a\nLabel: b\n", "accepted"),
    declared(44, "UTF-16, as declared", "UTF-16", "accepted"),
    declared(44, "UTF-7", "UTF-7", "rejected: tag-encoding-unsupported"),
    bag_attack(
        45,
        "tag manifest without the manifest",
        _unlisted_manifest(),
        "rejected: tag-manifest-incomplete",
    ),
    bag(
        46,
        "`SHA-256` for sha256",
        "rejected: manifest-name",
        changed={"manifest-sha256.txt": None, "manifest-SHA-256.txt": manifest("sha256", PAYLOAD)},
    ),
    bag(
        46,
        "unknown algorithm alone",
        "rejected: algorithm-unknown",
        algorithms=(),
        changed={"manifest-crc32.txt": b"00  data/scan/1.txt\n" + "00  data/申请表.pdf\n".encode()},
    ),
    bag(
        46,
        "unknown algorithm beside a strong one",
        "accepted: algorithm-unknown",
        changed={"manifest-crc32.txt": b"00  data/scan/1.txt\n" + "00  data/申请表.pdf\n".encode()},
    ),
    xml(47, "billion laughs", "rejected: xml-document-type", _laughs),
    xml(47, "quadratic blow-up", "rejected: xml-document-type", _quadratic),
    xml(48, "external entity, file", "rejected: xml-document-type", _outside("file:///etc/passwd")),
    xml(
        48,
        "external entity, network",
        "rejected: xml-document-type",
        _outside("http://127.0.0.1:9/x"),
    ),
    xml(
        48,
        "external DTD",
        "rejected: xml-document-type",
        lambda: b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x"><x/>',
    ),
    xml(48, "XInclude and schemaLocation", "read: nothing is fetched", lambda: _POLITE_OUTSIDE),
    xml(49, "100 000 levels of XML", "rejected: xml-limit", lambda: b"<a>" * 100_000),
    xml(49, "XML of 65 MiB", "rejected: xml-limit", lambda: b"<a>" + b"text " * (13 * MEBIBYTE)),
    xml(
        49, "attribute of 32 MiB", "rejected: xml-limit", lambda: b'<a b="' + b"9" * (32 * MEBIBYTE)
    ),
    Attack(49, "JSON nested a million deep", _nested_json, "accepted"),
    Attack(
        50,
        "names and values for pages, spreadsheets and terminals",
        _shown,
        "rejected: payload-oxum-invalid",
    ),
    Attack(51, "identifiers that are paths", _identifiers, "rejected: identifier-unusable"),
)
