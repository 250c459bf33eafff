"""E-ARK packages: a good one is accepted, each way to spoil it rejected for its own reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_watch.checks.report import Verdict
from ingest_watch.findings import Severity
from tests.csip_packages import CONTENT, judged_sip, mets, write_csip

FIRST = "representations/rep1/data/申请表.txt"


def test_a_package_that_meets_every_requirement_is_accepted(tmp_path: Path) -> None:
    report = judged_sip(write_csip(tmp_path / "sip-1"))
    assert report.verdict is Verdict.ACCEPTABLE
    assert [finding.code for finding in report.findings(Severity.ERROR)] == []
    assert report.external_identifiers == ("sip-1",)


def replaced(old: str, new: str) -> Callable[[Path], None]:
    def spoil(package: Path) -> None:
        document = (package / "METS.xml").read_text()
        assert old in document, old
        (package / "METS.xml").write_text(document.replace(old, new, 1))

    return spoil


def appended(path: str, data: bytes) -> Callable[[Path], None]:
    def spoil(package: Path) -> None:
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        with (package / path).open("ab") as stream:
            stream.write(data)

    return spoil


def without(path: str) -> Callable[[Path], None]:
    return lambda package: (package / path).unlink()


def extra_file(package: Path) -> None:
    content = CONTENT | {"../../../etc/passwd": b""}
    (package / "METS.xml").write_text(mets(package.name, content))


SPOILED = [
    ("content changed", appended(FIRST, b"!"), {"attribute-size", "csip-checksum"}),
    ("content missing", without(FIRST), {"csip-file-missing", "link-broken"}),
    ("content that nobody lists", appended("representations/rep1/data/x", b""),
     {"csip-unreferenced"}),
    ("reference that climbs out", extra_file, {"path-traversal", "link-broken"}),
    ("reference to the network",
     replaced('xlink:href="metadata/', 'xlink:href="http://127.0.0.1/'),
     {"csip-remote", "link-broken"}),
    ("no OBJID", replaced('OBJID="sip-1"', 'OBJID=""'), {"csip1"}),
    ("unknown category", replaced('TYPE="Mixed"', 'TYPE="Things"'), {"csip2"}),
    ("no PROFILE", replaced("PROFILE=", "LABEL="), {"csip6", "sip2"}),
    ("another PROFILE", replaced("E-ARK-SIP.xml", "E-ARK.xml"), {"sip2"}),
    ("no date", replaced('CREATEDATE="2026-11-22T08:00:00"', ""), {"csip7"}),
    ("no package type", replaced('csip:OAISPACKAGETYPE="SIP"', ""), {"csip9"}),
    ("no software", replaced('OTHERTYPE="SOFTWARE"', 'OTHERTYPE="THING"'), {"csip10"}),
    ("no version", replaced('csip:NOTETYPE="SOFTWARE VERSION"', ""), {"csip16"}),
    ("section without date", replaced('ID="D1" CREATED="2026-11-22T08:00:00"', 'ID="D1"'),
     {"csip19"}),
    ("reference without checksum type", replaced('CHECKSUMTYPE="SHA-256"/>', "/>"), {"csip30"}),
    ("group without USE", replaced('USE="Representations/rep1"', ""), {"csip64", "csip114"}),
    ("file without type", replaced('MIMETYPE="text/plain" ', ""), {"csip68"}),
    ("digest that is none", replaced('CHECKSUMTYPE="SHA-256">', 'CHECKSUMTYPE="TIGER">'),
     {"csip-checksum-type"}),
    ("map of another type", replaced('TYPE="PHYSICAL"', 'TYPE="LOGICAL"'), {"csip81"}),
    ("no map of CSIP", replaced('LABEL="CSIP"', 'LABEL="Other"'), {"csip80"}),
    ("broken schema", replaced("<fptr FILEID", "<fptr SIZE"), {"mets-schema"}),
    ("not METS", replaced('xmlns="http://www.loc.gov/METS/"', 'xmlns="urn:x"'), {"mets-root"}),
    ("document type", replaced("<mets ", "<!DOCTYPE mets><mets "),
     {"xml-document-type", "csip-unreferenced"}),
    ("not XML", replaced("</structMap>", ""), {"xml-not-well-formed", "csip-unreferenced"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "codes"), [each[1:] for each in SPOILED], ids=[each[0] for each in SPOILED]
)
def test_a_spoiled_package_is_rejected_for_its_own_reason(
    spoil: Callable[[Path], None], codes: set[str], tmp_path: Path
) -> None:
    package = write_csip(tmp_path / "sip-1")
    spoil(package)
    report = judged_sip(package)
    assert report.verdict is Verdict.REJECTED
    assert {finding.code for finding in report.findings(Severity.ERROR)} == codes
