"""The table of docs/formats/case-batch.md: batches that are right, and one flaw at a time."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_watch.findings import Severity
from ingest_watch.formats.case_batch import OpenedBatch
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.listing import Listing
from ingest_watch.staging import stage_folder
from tests.bags import ZipPart, write_files, zip_bytes
from tests.case_packages import Batch, case_zip, numbered_case
from tests.judging import all_findings, checks_finding, codes_as, codes_of, report_of_batch

_DIGEST, _BYTES = "digitalSummary", "归档信息包字节数"
Change = Callable[[Batch], None]


def row(number: int, **changed: str | None) -> Change:
    """Change fields of one directory; None leaves one out."""
    return lambda batch: batch.directories[number].update(changed)


def every(**changed: str | None) -> Change:
    def change(batch: Batch) -> None:
        for directory in batch.directories:
            directory.update(changed)

    return change


def head(**changed: str | None) -> Change:
    return lambda batch: batch.header.update(changed)


def another(name: str, content: bytes = b"x") -> Change:
    return lambda batch: batch.others.update({name: content})


def renamed(template: str) -> Change:
    """Rename every zip; the listing stays as it is."""

    def change(batch: Batch) -> None:
        batch.zips = {
            template.format(number=number, name=name): content
            for number, (name, content) in enumerate(batch.zips.items())
        }

    return change


def without_zip(batch: Batch) -> None:
    batch.zips.popitem()


def without_row(batch: Batch) -> None:
    batch.directories.pop()


def same_number(batch: Batch) -> None:
    number = batch.directories[0]["documentNumber"]
    batch.directories[1].update({"documentNumber": number, _BYTES: None})


def other_bytes(batch: Batch) -> None:
    """One zip was packed anew: as many bytes, another digest."""
    name, content = batch.zips.popitem()
    batch.zips[name] = content[:-1] + bytes([content[-1] ^ 1])


def digests(make: Callable[[bytes], str]) -> Change:
    def change(batch: Batch) -> None:
        for directory, content in zip(batch.directories, batch.zips.values(), strict=True):
            directory[_DIGEST] = make(content)

    return change


def hexadecimal(algorithm: str) -> Callable[[bytes], str]:
    return lambda content: hashlib.new(algorithm, content).hexdigest()


def as_base64(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def mixed(batch: Batch) -> None:
    first = next(iter(batch.zips.values()))
    batch.directories[0][_DIGEST] = hashlib.sha256(first).hexdigest()


def sum_of_bytes(extra: int) -> Change:
    def change(batch: Batch) -> None:
        whole = sum(len(content) for content in batch.zips.values()) + extra
        batch.header[_BYTES] = str(whole)

    return change


def both(*changes: Change) -> Change:
    def change(batch: Batch) -> None:
        for each in changes:
            each(batch)

    return change


def nothing(_: Batch) -> None:
    return None


# What it is, the change, and the warnings that it must give: none besides.
GOOD: dict[str, tuple[Change, set[str]]] = {
    "digests of SM3": (nothing, set()),
    "digests of SHA-256": (digests(hexadecimal("sha256")), set()),
    "digests of both": (mixed, set()),
    "digests in capitals": (
        digests(lambda content: hashlib.sha256(content).hexdigest().upper()), set()),
    "digests in base64": (digests(as_base64), set()),
    "digests of SHA-512": (digests(hexadecimal("sha512")), set()),
    "digests of MD5": (digests(hexadecimal("md5")), {"batch-digest-weak"}),
    "digests of SHA-1": (digests(hexadecimal("sha1")), {"batch-digest-weak"}),
    "no bytes stated": (every(**{_BYTES: None}), set()),
    "the sum of bytes stated": (sum_of_bytes(0), set()),
    "zips in a folder below": (renamed("归档信息包/{name}"), set()),
    "zips named by softwareEnvironment": (
        both(renamed("{number}.zip"), row(0, softwareEnvironment="/data/0.zip"),
             row(1, softwareEnvironment="D:\\data\\1.ZIP")), {"batch-zip-other-name"}),
    "a date for a moment": (head(exchangeTime="2021-04-01"), {"batch-time"}),
    "a listing of another name": (
        lambda batch: setattr(batch, "name", "交接单据20210401.XML"), set()),
    "a listing of a name that begins otherwise": (
        lambda batch: setattr(batch, "name", "20210401移交目录.xml"), set()),
    "a listing of any name": (lambda batch: setattr(batch, "name", "catalog.xml"), set()),
    "a root of another name": (lambda batch: setattr(batch, "root", "移交目录"), set()),
    "directories straight below the root": (
        both(lambda batch: setattr(batch, "row", "directories"),
             lambda batch: setattr(batch, "body", "{head}{rows}")), set()),
    "a head and a list of their own": (
        both(sum_of_bytes(0), lambda batch: setattr(
            batch, "body", "<head>{head}</head><list><directories>{rows}</directories></list>")),
        set()),
    "what a system left behind": (another("Thumbs.db"), {"batch-surplus", "system-file"}),
}  # fmt: skip

# What is wrong, the change, the codes it must be rejected for, and the check that says the first.
# A zip too few or too many breaks the count, too: the whole batch is rejected for that.
BROKEN: dict[str, tuple[Change, str, str]] = {
    "a zip missing": (without_zip, "batch-zip-missing batch-count", "2-11"),
    "a case that is not listed": (without_row, "batch-zip-surplus batch-count", "4-3"),
    "as many zips, one of another case": (
        both(without_zip, lambda batch: batch.zips.update({"other.zip": case_zip()})),
        "batch-zip-missing batch-zip-surplus", "2-11"),
    "no case at all": (
        both(lambda batch: batch.zips.clear(), lambda batch: batch.directories.clear()),
        "batch-empty", "1-12"),
    "nothing listed": (
        lambda batch: batch.directories.clear(),
        "batch-empty batch-count batch-zip-surplus", "1-12"),
    "two listings": (another("移交目录2.xml", b"<a/>"), "batch-listing-twice", "1-12"),
    "no name": (head(batchName=None), "batch-header", "1-12"),
    "empty name": (head(batchName=""), "batch-header", "1-12"),
    "nobody who hands over": (head(transactor=None), "batch-header", "1-12"),
    "no moment": (head(exchangeTime=""), "batch-header", "1-12"),
    "no number": (row(0, documentNumber=None), "batch-number-missing", "1-12"),
    "two of one number": (
        # The second directory now means the first zip, and the second zip is left over.
        same_number, "batch-number-twice batch-zip-twice batch-zip-surplus batch-digest-mismatch",
        "1-12"),
    "a field twice": (
        lambda batch: setattr(batch, "repeated", "year"), "batch-field-twice", "1-12"),
    "zips of one name": (
        both(renamed("1/{name}"), lambda batch: batch.zips.update(
            {"2/" + name[2:]: content for name, content in list(batch.zips.items())[:1]})),
        "batch-zip-ambiguous batch-zip-surplus batch-count", "2-11"),
    "a file beside the zips": (another("readme.txt"), "batch-surplus", "4-3"),
    "no digest": (row(0, digitalSummary=None), "batch-digest-missing", "1-1"),
    "empty digest": (row(1, digitalSummary=""), "batch-digest-missing", "1-1"),
    "a digest that is none": (row(0, digitalSummary="abc"), "batch-digest-unclear", "1-1"),
    "a digest of odd length": (row(0, digitalSummary="ab" * 31), "batch-digest-unclear", "1-1"),
    "a digest of another zip": (
        row(0, digitalSummary=hashlib.sha256(b"").hexdigest()), "batch-digest-mismatch", "1-1"),
    "MD5 of another zip": (
        row(0, digitalSummary=hashlib.md5(b"").hexdigest()), "batch-digest-mismatch", "1-1"),
    "a zip changed on the way": (other_bytes, "batch-digest-mismatch", "1-1"),
    "a zip cut short": (
        lambda batch: batch.zips.update({next(iter(batch.zips)): b"PK"}),
        "batch-bytes batch-digest-mismatch", "2-2"),
    "other bytes stated": (row(0, **{_BYTES: "1"}), "batch-bytes", "2-2"),
    "another sum stated": (sum_of_bytes(1), "batch-bytes", "2-2"),
    "bytes with a unit": (row(0, **{_BYTES: "1 KB"}), "batch-bytes-unclear", "2-2"),
}  # fmt: skip

# What is wrong with the listing itself, and the code.
UNREADABLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda content: content[:-5], "xml-not-well-formed"),
    "empty": (lambda content: b"", "xml-not-well-formed"),
    "document type": (
        lambda content: b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + content.partition(b"?>")[2],
        "xml-document-type"),
    "other encoding": (
        lambda content: content.decode().encode("gb18030"), "xml-encoding"),
    "endless value": (
        lambda content: content.replace(b"<year>", b"<year>" + b"1" * 70000, 1), "xml-limit"),
    "countless fields": (
        lambda content: content.replace(b"<year>", b"<a/>" * 2000 + b"<year>", 1), "xml-limit"),
}  # fmt: skip


def batch_folder(tmp_path: Path, change: Change) -> Path:
    batch = Batch()
    change(batch)
    return write_files(tmp_path / "batch", batch.files())


@pytest.mark.parametrize("name", GOOD)
def test_a_good_batch_is_acceptable_and_its_deviations_are_told(tmp_path: Path, name: str) -> None:
    change, warnings = GOOD[name]
    folder = batch_folder(tmp_path, change)
    report = report_of_batch(folder)
    assert codes_of(report) == set()
    assert codes_of(report, Severity.WARNING) == warnings


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_batch_is_rejected_for_its_own_reason(tmp_path: Path, name: str) -> None:
    change, codes, check = BROKEN[name]
    folder = batch_folder(tmp_path, change)
    report = report_of_batch(folder)
    assert codes_of(report) == set(codes.split())
    assert check in checks_finding(report, codes.split()[0])


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_listing_that_cannot_be_read_is_the_only_reason(tmp_path: Path, name: str) -> None:
    change, code = UNREADABLE[name]
    folder = batch_folder(tmp_path, nothing)
    listing = folder / "移交目录.xml"
    listing.write_bytes(change(listing.read_bytes()))
    report = report_of_batch(folder)
    assert codes_of(report) == {code}
    assert checks_finding(report, code) == {"3-1"}


def test_a_digest_of_unnamed_algorithm_says_which_algorithm_it_was(tmp_path: Path) -> None:
    report = report_of_batch(batch_folder(tmp_path, mixed))
    told = {each.message for each in all_findings(report) if each.code == "batch-digest-matched"}
    assert len(told) == 2
    assert any("sm3 matched for 1 of 2" in message for message in told)
    assert any("sha256 matched for 1 of 2" in message for message in told)


def test_the_parts_of_a_batch_are_its_zips_in_the_order_of_the_listing(tmp_path: Path) -> None:
    batch = Batch(count=3)
    batch.directories.reverse()
    folder = write_files(tmp_path / "batch", batch.files())
    staged = stage_folder(folder, tmp_path / "staged", tmp_path / "listing")
    with Listing.open(staged.listing) as listing:
        opened = OpenedBatch(staged.folder, listing)
        parts = list(opened.parts())
        assert [part.identifier for part in parts] == [
            directory["documentNumber"] for directory in batch.directories
        ]
        for part in parts:
            content = batch.zips[part.path]
            assert part.path == f"{part.identifier}.zip"
            assert (part.size_bytes, part.raw_path) == (len(content), None)
            assert part.sha256 == hashlib.sha256(content).hexdigest()
        stated = opened.stated_files()
        assert not isinstance(stated, NotApplicable)
        assert [each.digest.algorithm for each in stated if each.digest] == ["sm3"] * 3
        assert opened.external_identifiers == ("20210401-001",)


def test_a_batch_that_came_as_one_zip_is_a_batch_of_closed_zips(tmp_path: Path) -> None:
    archive = tmp_path / "batch.zip"
    files = {f"batch/{path}": content for path, content in Batch().files().items()}
    archive.write_bytes(zip_bytes(ZipPart(p.encode(), c, method=0) for p, c in files.items()))
    assert codes_of(report_of_batch(archive)) == set()


def test_what_is_in_a_case_is_not_the_batchs_business(tmp_path: Path) -> None:
    batch = Batch()
    name = next(iter(batch.zips))
    hostile = zip_bytes([ZipPart(b"../x")])
    batch.zips[name] = hostile
    batch.directories[0].update({_DIGEST: hashlib.sha256(hostile).hexdigest(), _BYTES: None})
    folder = write_files(tmp_path / "batch", batch.files())
    assert codes_of(report_of_batch(folder)) == set()
    assert codes_as(folder / name, "case") == {"path-traversal"}


def test_a_case_of_a_batch_is_a_case_by_itself(tmp_path: Path) -> None:
    archive = tmp_path / "X-1.zip"
    archive.write_bytes(numbered_case("X-1"))
    assert codes_as(archive, "case") == set()
