"""E-ARK packages for tests: one that meets every MUST, to be spoiled as each test asks."""

import hashlib
from pathlib import Path

from ingest_watch.checks.report import CheckReport
from tests.judging import report_as

_FILE = """
      <file ID="F{number}" MIMETYPE="text/plain" SIZE="{size}" CREATED="2026-11-22T08:00:00"
            CHECKSUM="{sha256}" CHECKSUMTYPE="SHA-256">
        <FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="{path}"/>
      </file>"""
_METS = """<?xml version="1.0" encoding="UTF-8"?>
<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink"
      xmlns:csip="https://DILCIS.eu/XML/METS/CSIPExtensionMETS" OBJID="{name}" TYPE="Mixed"
      csip:CONTENTINFORMATIONTYPE="MIXED" PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP.xml">
  <metsHdr CREATEDATE="2026-11-22T08:00:00" csip:OAISPACKAGETYPE="SIP">
    <agent ROLE="CREATOR" TYPE="OTHER" OTHERTYPE="SOFTWARE">
      <name>packer</name><note csip:NOTETYPE="SOFTWARE VERSION">1.0</note>
    </agent>
  </metsHdr>
  <dmdSec ID="D1" CREATED="2026-11-22T08:00:00">
    <mdRef LOCTYPE="URL" xlink:type="simple" xlink:href="metadata/descriptive/ead.xml" MDTYPE="EAD"
           MIMETYPE="text/xml" SIZE="{ead_size}" CREATED="2026-11-22T08:00:00"
           CHECKSUM="{ead_sha256}" CHECKSUMTYPE="SHA-256"/>
  </dmdSec>
  <fileSec ID="S1">
    <fileGrp ID="G1" USE="Representations/rep1">{files}
    </fileGrp>
  </fileSec>
  <structMap ID="M1" TYPE="PHYSICAL" LABEL="CSIP">
    <div ID="V1" LABEL="{name}">
      <div ID="V2" LABEL="Metadata" DMDID="D1"/>
      <div ID="V3" LABEL="Representations/rep1"><fptr FILEID="G1"/></div>
    </div>
  </structMap>
</mets>
"""
_EAD = b"<ead/>"
CONTENT = {
    "representations/rep1/data/申请表.txt": "申请".encode(),
    "representations/rep1/data/100% sure.txt": b"certain",
}


def mets(name: str, content: dict[str, bytes]) -> str:
    """Return the METS document of a package with this content."""
    files = "".join(
        _FILE.format(
            number=number,
            path=path.replace("%", "%25").replace(" ", "%20"),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        for number, (path, data) in enumerate(content.items())
    )
    return _METS.format(
        name=name, files=files, ead_size=len(_EAD), ead_sha256=hashlib.sha256(_EAD).hexdigest()
    )


def write_csip(folder: Path, document: str | None = None) -> Path:
    """Write a good package into `folder`, or one with another METS document."""
    files = CONTENT | {"metadata/descriptive/ead.xml": _EAD}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "METS.xml").write_text(document or mets(folder.name, CONTENT))
    return folder


def judged_sip(package: Path) -> CheckReport:
    """What `lantai check --format csip` says of it."""
    return report_as(package, "csip")
