"""What senders are given: it packs, checks and verifies, with nothing but an older Python."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

from daemon.cli.main import run
from ingest_watch.formats.registry import FORMATS
from ingest_watch.published import SCHEMAS
from storage.catalogue.model import AnswerKind
from tests.answer_samples import FACTS, NOTARY, body_of
from tests.bags import errors_of, judged
from tests.judging import codes_as

# As it lies in Debian: without this project and what is installed for it.
SYSTEM_PYTHON = "/usr/bin/python3"
OLDEST = (3, 8)
SAMPLE_MODULES = ("bags", "carriers", "cases", "csip", "eep", "files")
# Methods and arguments that came after it.
YOUNGER = frozenset({"removeprefix", "removesuffix", "is_relative_to", "readlink", "with_stem"})


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kits") / "kit"
    assert run(["sender-kit", str(folder), "--config", str(folder / "absent")]) == 0
    return folder


def python(kit: Path, script: str, *arguments: str | Path) -> tuple[int, str]:
    command = [SYSTEM_PYTHON, "-B", str(kit / script), *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def test_the_kit_has_its_page_its_programs_and_every_schema(kit: Path) -> None:
    assert {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()} == {
        "README.md",
        "lantai_sender.py",
        "make_samples.py",
        *(f"sample_packages/{name}.py" for name in SAMPLE_MODULES),
        *(f"schemas/{name}" for name in SCHEMAS),
    }


def test_a_folder_that_is_not_empty_is_left_alone(kit: Path) -> None:
    before = sorted(kit.rglob("*"))
    assert run(["sender-kit", str(kit)]) == 1
    assert sorted(kit.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    [
        "lantai_sender.py",
        "make_samples.py",
        *(f"sample_packages/{name}.py" for name in SAMPLE_MODULES),
    ],
)
def test_a_program_of_the_kit_needs_nothing_younger_than_python_3_8(kit: Path, name: str) -> None:
    tree = ast.parse((kit / name).read_text("utf-8"), feature_version=OLDEST)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert attributes & YOUNGER == set()
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert keywords & {"strict", "newline", "slots", "kw_only"} == set()
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= {
        *("__future__", "argparse", "base64", "collections.abc", "dataclasses", "datetime"),
        *("hashlib", "json", "os", "pathlib", "re", "shutil", "struct", "subprocess", "sys"),
        *("xml.sax.saxutils", "zlib"),
        *(f"sample_packages.{name}" for name in SAMPLE_MODULES),
    }


def test_what_the_kit_packs_is_acceptable_and_marked_when_it_is_whole(
    kit: Path, tmp_path: Path
) -> None:
    source, bag = tmp_path / "原件", tmp_path / "drop" / "case-1"
    for name in ("a.txt", "过程/100%.txt", "line\nbreak.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    bag.parent.mkdir()
    status, text = python(
        kit, "lantai_sender.py", "pack", source, "--to", bag, "--identifier", "电-0001",
        "--marker", ".done",
    )  # fmt: skip
    assert status == 0, text
    assert {path.name for path in bag.parent.iterdir()} == {"case-1", "case-1.done"}
    assert errors_of(bag) == set()
    assert judged(bag).external_identifiers == ("电-0001",)
    status, text = python(kit, "lantai_sender.py", "pack", source, "--to", bag, "--identifier", "x")
    assert (status, "已存在" in text) == (1, True)


def test_a_folder_with_a_link_is_not_packed(kit: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").symlink_to("/etc/passwd")
    status, text = python(
        kit, "lantai_sender.py", "pack", tmp_path / "source", "--to", tmp_path / "bag",
        "--identifier", "x",
    )  # fmt: skip
    assert status == 1
    assert "link" in text
    assert not (tmp_path / "bag").exists()


@pytest.fixture(scope="module")
def samples(kit: Path) -> Path:
    folder = kit.parent / "samples"
    assert python(kit, "make_samples.py", folder) == (0, "")
    return folder


def expected(samples: Path, name: str) -> dict[str, str]:
    """The code of every bad sample of a format, by its path."""
    codes: dict[str, str] = json.loads((samples / name / "expected.json").read_bytes())
    return codes


def test_the_kit_has_samples_of_every_format_that_is_known(samples: Path) -> None:
    assert {path.name for path in samples.iterdir()} == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_sample_is_accepted_and_a_bad_one_rejected_for_its_own_code(
    samples: Path, name: str
) -> None:
    """A batch is taken whatever lies in its zips: a bad one is told of, and sent back alone."""
    codes = expected(samples, name)
    for good in (samples / name / "good").iterdir():
        of_parts = {code for path, code in codes.items() if path.startswith(f"good/{good.name}/")}
        assert codes_as(good, name) == of_parts, good
    for path, code in codes.items():
        of_part = path.startswith("good/")
        assert code in codes_as(samples / name / path, "case" if of_part else name), path
    bad = {f"bad/{path.name}" for path in (samples / name / "bad").iterdir()}
    assert bad == {path for path in codes if path.startswith("bad/")}
    assert len(bad) >= 7


def test_the_kits_page_tells_every_code_that_its_samples_are_rejected_for(
    kit: Path, samples: Path
) -> None:
    page = (kit / "README.md").read_text("utf-8")
    codes = {code for name in FORMATS for code in expected(samples, name).values()}
    assert {code for code in codes if f"`{code}`" not in page} == set()


def test_the_checker_of_the_kit_agrees_on_bags(kit: Path, samples: Path) -> None:
    for name in expected(samples, "bagit"):
        status, _ = python(kit, "lantai_sender.py", "check", samples / "bagit" / name)
        assert status == 1, name
    for good in (samples / "bagit" / "good").iterdir():
        if good.is_dir():
            assert python(kit, "lantai_sender.py", "check", good)[0] == 0


def test_the_kit_verifies_an_answer_and_says_why_it_was_sent_back(
    kit: Path, tmp_path: Path
) -> None:
    body = body_of(AnswerKind.REJECTED)
    receipt, key = tmp_path / "case-1.rejected.json", tmp_path / "key.pem"
    receipt.write_bytes(body)
    NOTARY.verify_key.save(key)
    receipt.with_name(f"{receipt.name}.sig").write_bytes(NOTARY.sign(body))
    status, text = python(kit, "lantai_sender.py", "verify", receipt, "--key", key)
    assert status == 0
    assert "[digest-mismatch]" in text
    receipt.write_bytes(body.replace(b"case-1", b"case-2"))
    status, text = python(kit, "lantai_sender.py", "verify", receipt, "--key", key)
    assert (status, "签名无效" in text) == (1, True)
    receipt.with_name(f"{receipt.name}.sig").unlink()
    assert python(kit, "lantai_sender.py", "verify", receipt, "--key", key)[0] == 2
    page = tmp_path / "case-1.rejected.html"
    assert python(kit, "lantai_sender.py", "verify", page, "--key", key)[0] == 2


def test_the_kit_compares_a_stored_receipt_with_what_was_sent(kit: Path, tmp_path: Path) -> None:
    body = body_of(AnswerKind.STORED)
    receipt, key, sent = tmp_path / "case-1.stored.json", tmp_path / "key.pem", tmp_path / "sent"
    receipt.write_bytes(body)
    NOTARY.verify_key.save(key)
    receipt.with_name(f"{receipt.name}.sig").write_bytes(NOTARY.sign(body))
    sent.mkdir()
    (sent / "a.txt").write_bytes(b"abc")
    assert FACTS.file_count == 1
    verify = ("lantai_sender.py", "verify", receipt, "--key", key, "--package", sent)
    assert python(kit, *verify)[0] == 0
    (sent / "a.txt").write_bytes(b"abd")
    (sent / "b.txt").write_bytes(b"")
    status, text = python(kit, *verify)
    assert status == 1
    assert "2 problem(s)" in text
