"""Checks of content files: 1-10, 1-11, 2-7, 3-3, 3-4, 3-8."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest_watch.check_profile import AllowedFormat, Content
from ingest_watch.instruments import Identified, Instruments
from ingest_watch.ofd import is_ofd, page_count
from ingest_watch.records import StatedFile
from ingest_watch.stated_values import size_of
from tests.content_samples import encrypted_zip, jpeg, ofd, packed, pdf, png, tiff
from tests.described_packages import TODAY, Trial, codes
from tests.judging import instruments


def of_file(folder: Path, name: str, content: bytes, *allowed: str) -> Trial:
    return Trial(
        folder, {name: content}, instruments=instruments(),
        profile={"content": Content(allowed=allowed)},
    )  # fmt: skip


def stated(path: str | None = "data/a.pdf", **attributes: Any) -> StatedFile:
    return replace(StatedFile("record 1", path, path or "data/gone.pdf"), **attributes)


def described(folder: Path, content: bytes, *files: StatedFile) -> Trial:
    return Trial(folder, {"data/a.pdf": content}, stated=files, instruments=instruments())


READABLE = {
    "a.pdf": pdf(), "a.ofd": ofd(), "a.jpg": jpeg(), "a.png": png(), "a.tif": tiff(),
    "a.xml": b"<a><b/></a>", "a.docx": packed({"[Content_Types].xml": b"<Types/>"}),
    "no-suffix": b"anything", "a.txt": "申请表".encode("gb18030"), "empty.pdf": b"",
}  # fmt: skip
UNREADABLE = {
    "a.pdf": b"not a pdf", "b.pdf": pdf()[:-8], "c.pdf": b"%PDF-1.4\nstartxref\n0\n%%EOF",
    "a.ofd": packed({"OFD.xml": b"<OFD/>"}), "b.ofd": ofd(0), "c.ofd": ofd(missing=True),
    "d.ofd": b"PK", "a.jpg": jpeg()[:12], "b.jpg": jpeg(0), "c.jpg": png(),
    "a.png": png()[:-4], "b.png": png(0), "c.png": png()[:29] + b"bad!" + png()[33:],
    "a.tif": tiff()[:9], "b.tif": b"II*\0\xff\xff\xff\x7f", "a.xml": b"<a>",
    "b.xml": b"<!DOCTYPE a><a/>",
    "a.docx": b"PK\x03\x04 cut short", "photo": b"\xff\xd8\xff\xe0",
}  # fmt: skip


@pytest.mark.parametrize("name", READABLE)
def test_content_that_opens_passes(tmp_path: Path, name: str) -> None:
    result = of_file(tmp_path, f"data/{name}", READABLE[name]).of("3-4")
    assert (result.outcome, result.findings) == ("passed", ())


@pytest.mark.parametrize("name", UNREADABLE)
def test_content_that_does_not_open_fails(tmp_path: Path, name: str) -> None:
    result = of_file(tmp_path, f"data/{name}", UNREADABLE[name]).of("3-4")
    assert (result.outcome, codes(result)) == ("failed", {"content-unreadable"})
    assert result.findings[0].path == f"data/{name}"


@pytest.mark.needs_corpora
def test_every_real_ofd_is_identified_and_opens_with_pages(tmp_path: Path, corpora: Path) -> None:
    files = sorted((corpora / "ofd").glob("*.ofd"))
    assert len(files) == 6
    for number, file in enumerate(files):
        assert is_ofd(file)
        assert page_count(file) > 0
        (tmp_path / str(number)).mkdir()
        trial = of_file(tmp_path / str(number), f"data/{file.name}", file.read_bytes(), "OFD")
        results = trial.all_of("3-3", "3-4", "3-8")[0]
        assert {result.outcome for result in results} == {"passed"}, file.name


@pytest.mark.parametrize(
    ("name", "content", "allowed"),
    [
        ("a.pdf", pdf(), "PDF"), ("a.ofd", ofd(), "OFD"), ("a.png", png(), "PNG"),
        ("a.jpg", jpeg(), "JPEG"), ("a.xml", b"<a/>", "XML"), ("a.txt", b"plain", "text"),
        ("b.txt", "申请表格式不限".encode("gb18030"), "text"),
    ],
)  # fmt: skip
def test_a_format_that_is_allowed_passes(
    tmp_path: Path, name: str, content: bytes, allowed: str
) -> None:
    assert of_file(tmp_path, name, content, allowed).of("3-3").outcome == "passed"


@pytest.mark.parametrize(
    ("content", "code"),
    [(png(), "format-not-allowed"), (b"\x00\x01\x02" * 50, "format-unidentified")],
)
def test_a_format_that_is_not_allowed_fails(tmp_path: Path, content: bytes, code: str) -> None:
    result = of_file(tmp_path, "a.pdf", content, "PDF").of("3-3")
    assert (result.outcome, codes(result)) == ("failed", {code})


def test_a_profile_may_allow_formats_of_its_own(tmp_path: Path) -> None:
    own = AllowedFormat(name="PNG", formats=("fmt/11",))
    trial = of_file(tmp_path, "a.png", png())
    trial.profile = {"content": Content(further=(own,))}
    assert trial.of("3-3").outcome == "passed"


def test_without_an_identifier_no_format_was_told(tmp_path: Path) -> None:
    result = Trial(tmp_path).of("3-3")
    assert (result.outcome, result.consequence) == ("could-not-run", "hold")


class _Failing:
    """An identifier that a reader cannot reach."""

    def identify(self, paths: tuple[Path, ...]) -> tuple[Identified, ...]:
        raise ConnectionError


def test_an_identifier_that_fails_is_never_a_pass(tmp_path: Path) -> None:
    """And costs the checks of formats alone."""
    trial = Trial(
        tmp_path, {"data/a.pdf": pdf()}, stated=[stated(format="PDF")],
        instruments=Instruments(TODAY, _Failing()),
    )  # fmt: skip
    results = {each.check.number: each.outcome for each in trial.all_of("1-10", "3-3", "3-4")[0]}
    assert results == {"1-10": "could-not-run", "3-3": "could-not-run", "3-4": "passed"}


@pytest.mark.parametrize("path", ["data/Thumbs.db", "metadata.bin"])
def test_only_content_is_held_to_content_rules(tmp_path: Path, path: str) -> None:
    trial = of_file(tmp_path, path, b"\x00\x01\x02" * 50, "PDF")
    trial.profile = {"content": Content(files=("data/*",), allowed=("PDF",))}
    assert trial.of("3-3").outcome == "passed"


LOCKED = {
    "a.pdf": (pdf(trailer=b"/Size 2 /Root 1 0 R /Encrypt 5 0 R"), "content-encrypted"),
    "a.zip": (encrypted_zip(), "content-encrypted"),
    "a.ofd": (ofd(more={"Encryptions.xml": b"<Encryptions/>"}), "content-encrypted"),
    "a.docx": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
        "content-encrypted",
    ),
    "a.rar": (b"Rar!\x1a\x07\x01\x00rest", "content-private-compression"),
    "a.7z": (b"7z\xbc\xaf\x27\x1crest", "content-private-compression"),
    "b.zip": (packed({"a": b"x"}, 14), "content-private-compression"),
}


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_locked_fails(tmp_path: Path, name: str) -> None:
    content, code = LOCKED[name]
    result = of_file(tmp_path, f"data/{name}", content).of("3-8")
    assert (result.outcome, codes(result)) == ("failed", {code})


@pytest.mark.parametrize("name", READABLE)
def test_what_is_open_to_all_is_not_taken_for_locked(tmp_path: Path, name: str) -> None:
    assert of_file(tmp_path, f"data/{name}", READABLE[name]).of("3-8").outcome == "passed"


def test_a_pdf_that_only_speaks_of_its_metadata_is_not_encrypted(tmp_path: Path) -> None:
    content = pdf(trailer=b"/Size 2 /Root 1 0 R /EncryptMetadata false")
    assert of_file(tmp_path, "a.pdf", content).of("3-8").outcome == "passed"


@pytest.mark.parametrize(
    "attributes",
    [{"size": str(len(pdf()))}, {"size": "1 KB"}, {"format": "PRONOM，注册ID：fmt/18"},
     {"format": "格式名称：PDF，格式版本：1.4"}, {"format": "不详"}, {}],
)  # fmt: skip
def test_attributes_that_are_as_recorded_pass(tmp_path: Path, attributes: dict[str, str]) -> None:
    result = described(tmp_path, pdf(), stated(**attributes)).of("1-10")
    assert (result.outcome, result.findings) == ("passed", ())


@pytest.mark.parametrize(
    ("content", "attributes", "code"),
    [
        (pdf(), {"size": "7"}, "attribute-size"),
        (pdf(), {"size": "127 KB"}, "attribute-size"),
        (pdf(), {"format": "fmt/95"}, "attribute-format"),
        (pdf(), {"format": "OFD"}, "attribute-format"),
        (png(), {}, "attribute-suffix"),
    ],
)
def test_attributes_that_are_not_as_recorded_fail(
    tmp_path: Path, content: bytes, attributes: dict[str, str], code: str
) -> None:
    result = described(tmp_path, content, stated(**attributes)).of_all("1-10", "3-3")
    assert (result.outcome, codes(result)) == ("failed", {code})


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("127 KB", 130048), ("127 KB", 127000), ("127KB", 130_900), ("1.5 MB", 1_572_864),
     ("1,234", 1234), ("12字节", 12), ("0", 0)],
)  # fmt: skip
def test_a_size_with_a_unit_is_as_coarse_as_it_is_written(text: str, size_bytes: int) -> None:
    size = size_of(text)
    assert size is not None
    assert size.fits(size_bytes)


@pytest.mark.parametrize(("text", "size_bytes"), [("127 KB", 140_000), ("127", 130_048)])
def test_a_size_that_is_another_does_not_fit(text: str, size_bytes: int) -> None:
    size = size_of(text)
    assert size is not None
    assert not size.fits(size_bytes)


@pytest.mark.parametrize("text", ["", "large", "-1", "1.5", "1 PB", "1e9"])
def test_what_states_no_size_is_none(text: str) -> None:
    assert size_of(text) is None


def test_links_that_meet_in_both_directions_pass(tmp_path: Path) -> None:
    assert described(tmp_path, pdf(), stated()).of("1-11").outcome == "passed"


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    result = described(tmp_path, pdf(), stated(), stated(None)).of("1-11")
    assert (result.outcome, codes(result)) == ("failed", {"link-broken"})


def test_content_that_nobody_describes_fails_unless_the_profile_says_otherwise(
    tmp_path: Path,
) -> None:
    for weight, outcome in (("error", "failed"), ("warning", "passed"), ("ignore", "passed")):
        (tmp_path / weight).mkdir()
        trial = described(tmp_path / weight, pdf(), stated())
        trial.files = {**trial.files, "data/other.txt": b"x"}
        trial.profile = {"content": Content(undescribed=weight)}  # type: ignore[arg-type]  # its words
        result = trial.of("1-11")
        assert result.outcome == outcome
        assert codes(result) == ({"file-undescribed"} if weight != "ignore" else set())


def test_records_whose_content_is_there_and_not_empty_pass(tmp_path: Path) -> None:
    assert described(tmp_path, pdf(), stated()).of("2-7").outcome == "passed"


def test_empty_content_fails(tmp_path: Path) -> None:
    result = described(tmp_path, b"", stated()).of("2-7")
    assert (result.outcome, codes(result)) == ("failed", {"content-empty"})


def test_metadata_without_any_content_fail(tmp_path: Path) -> None:
    assert codes(described(tmp_path, pdf()).of("2-7")) == {"content-none"}


@pytest.mark.parametrize("number", ["1-10", "1-11", "2-7"])
def test_a_format_that_describes_no_files_is_not_asked(tmp_path: Path, number: str) -> None:
    assert Trial(tmp_path).of(number).outcome == "not-applicable"
