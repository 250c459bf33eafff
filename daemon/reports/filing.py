"""A report's files: JSON and page, each with a detached signature, written so that none is half.

docs/formats/fixity-report.md, "Files". The keeper's key signs; whoever writes needs no key. Never
replaces a file.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from daemon.reports.rendering import ReportPage
from replication.fixity_report import FixityReport, encode
from storage.durable import write_whole_file
from storage.signing import SigningKey

_PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file as it is kept, and the signature over exactly these bytes."""

    name: str
    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedReport:
    """Both files of one report."""

    report_id: str
    json: SignedFile
    page: SignedFile

    @property
    def json_sha256(self) -> str:
        """The digest that the page prints and the ledger keeps."""
        return hashlib.sha256(self.json.body).hexdigest()


def sign_report(report: FixityReport, page: ReportPage, key: SigningKey) -> SignedReport:
    """The files of `report`, signed."""
    body = encode(report)
    shown = page.render(report, hashlib.sha256(body).hexdigest())
    name = report.report_id
    return SignedReport(
        name,
        SignedFile(f"{name}.json", body, key.sign(body)),
        SignedFile(f"{name}.html", shown, key.sign(shown)),
    )


def write_report(signed: SignedReport, folder: Path) -> tuple[Path, Path]:
    """Write page and JSON into `folder`, each after its signature; the JSON comes last.

    Raises FileExistsError where a file of that name is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in (signed.page, signed.json):
        signature = folder / f"{file.name}.sig"
        write_whole_file(signature, file.signature, mode=_PUBLIC, replace=False)
        write_whole_file(folder / file.name, file.body, mode=_PUBLIC, replace=False)
    return folder / signed.json.name, folder / signed.page.name
