"""What is kept of an EEP: the file as it came, and beside it what staff can open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ingest_watch.format_identification import FormatService, identifier_kind
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Acceptable, Job, Profile
from ingest_watch.reader_kind import reader_kind
from ingest_watch.workers import Workers
from storage.file_list import read_file_list
from tests.certificates import identity, rsa_key
from tests.eep_packages import FILES, original, signature, signed, written


@pytest.fixture
def readers() -> Iterator[PackageReaders]:
    identifier = Workers(1, identifier_kind())
    workers = Workers(1, reader_kind(4), FormatService(identifier).answer)
    yield PackageReaders(workers)
    workers.close()
    identifier.close()


async def test_a_signed_package_is_opened_by_a_confined_process_and_kept_both_ways(
    tmp_path: Path, readers: PackageReaders
) -> None:
    key = rsa_key()
    signer = identity("signer", key)
    sent = written(
        signed(
            original(),
            lambda content: signature(
                key.sign(content, padding.PKCS1v15(), hashes.SHA256()), signer.der
            ),
        )
    )
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/case.eep").write_bytes(sent)
    job = Job(
        archive="馆",
        source="portal",
        name_raw=b"case.eep",
        name="case.eep",
        drop=tmp_path / "drop",
        work=tmp_path / "work",
        received_at="2026-11-22T08:00:00Z",
        profile=Profile(("eep",), "external-identifier"),
    )
    package = await readers.prepare(job)
    assert isinstance(package, Acceptable), package
    content = tmp_path / "work/content"
    assert (content / "received/case.eep").read_bytes() == sent
    assert {name: (content / "content" / name).read_bytes() for name in FILES} == FILES
    listed = {entry.path for entry in read_file_list(tmp_path / "work/content/lantai/files.jsonl")}
    assert listed == {"received/case.eep", *(f"content/{name}" for name in FILES)}
    assert package.facts.identifier == "J001-2021-0001"
    assert b"seal-valid" in b"".join(package.checks)
