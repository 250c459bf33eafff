"""E-ARK 信息包样例 · Samples of E-ARK packages: a folder with METS.xml, or a zip of one.

E-ARK CSIP and SIP 2.2.0, METS 1.12: the requirements that carry MUST, each file with its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sample_packages.files import (  # type: ignore[import-not-found]  # lies in the same folder
    Sample,
    below,
    changed,
    replaced,
    zipped,
)

_METS = "METS.xml"
_FIRST = "representations/rep1/data/申请表.txt"
_CONTENT = {
    _FIRST: "申请表（样例）\n".encode(),
    "representations/rep1/data/100% sure.txt": b"certain\n",
}
_DESCRIPTION = {"metadata/descriptive/ead.xml": b"<ead/>\n"}
_AT = 'CREATED="2026-11-22T08:00:00"'
_FILE = """
      <file ID="F{number}" MIMETYPE="text/plain" {described}>
        <FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="{path}"/>
      </file>"""
_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink"
      xmlns:csip="https://DILCIS.eu/XML/METS/CSIPExtensionMETS" OBJID="{name}" TYPE="Mixed"
      csip:CONTENTINFORMATIONTYPE="MIXED" PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP.xml">
  <metsHdr CREATEDATE="2026-11-22T08:00:00" csip:OAISPACKAGETYPE="SIP">
    <agent ROLE="CREATOR" TYPE="OTHER" OTHERTYPE="SOFTWARE">
      <name>sample packer</name><note csip:NOTETYPE="SOFTWARE VERSION">1.0</note>
    </agent>
  </metsHdr>
  <dmdSec ID="D1" CREATED="2026-11-22T08:00:00">
    <mdRef LOCTYPE="URL" xlink:type="simple" xlink:href="metadata/descriptive/ead.xml" MDTYPE="EAD"
           MIMETYPE="text/xml" {description}/>
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


def csip() -> Iterable[Sample]:
    """Every sample."""
    yield Sample("sip-0001", _package("sip-0001"))
    yield Sample("sip-0002.zip", zipped(below("sip-0002", _package("sip-0002"))))
    for name, code, changes in (
        ("altered-file", "csip-checksum", {_FIRST: "申请表（改动）\n".encode()}),
        ("missing-file", "csip-file-missing", {_FIRST: None}),
        ("unlisted-file", "csip-unreferenced", {"representations/rep1/data/x.txt": b"x\n"}),
        ("no-mets", "csipstr4", {_METS: None}),
    ):
        yield Sample(name, changed(_package(name), changes), code)
    for name, code, old, new in (
        ("no-identifier", "csip1", 'OBJID="no-identifier"', 'OBJID=""'),
        ("no-profile", "csip6", "PROFILE=", "LABEL="),
        ("unknown-algorithm", "csip-checksum-type", '"SHA-256"', '"CRC32"'),
        ("path-outside", "path-traversal", 'href="representations', 'href="../representations'),
        ("on-the-network", "csip-remote", 'href="metadata', 'href="https://example.org/metadata'),
        ("not-mets", "mets-root", "http://www.loc.gov/METS/", "http://example.org/METS/"),
    ):
        files = _package(name)
        yield Sample(name, changed(files, {_METS: replaced(files[_METS], old, new)}), code)


def _package(name: str) -> dict[str, bytes]:
    return {_METS: _mets(name).encode(), **_DESCRIPTION, **_CONTENT}


def _mets(name: str) -> str:
    (ead,) = _DESCRIPTION.values()
    return _DOCUMENT.format(name=name, files=_listed(_CONTENT), description=_described(ead))


def _listed(files: Mapping[str, bytes]) -> str:
    return "".join(
        _FILE.format(
            number=number,
            path=path.replace("%", "%25").replace(" ", "%20"),
            described=_described(content),
        )
        for number, (path, content) in enumerate(files.items())
    )


def _described(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f'SIZE="{len(content)}" {_AT} CHECKSUM="{digest}" CHECKSUMTYPE="SHA-256"'
