"""Each rule about a storage root, broken by itself in a root that is otherwise good."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.ocfl.validate import RootExamination, kind_of, validate_root
from tests.ocfl_objects import write_good_object, write_good_root

EXTENSION = "0003-hash-and-id-n-tuple-storage-layout"
Act = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_good_root(tmp_path / "root")


def an_object(root: Path) -> Path:
    return next(root.glob("*/urn%3aone"))


def write(path: str, text: str) -> Act:
    def act(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    return act


def declare_1_0(root: Path) -> None:
    (root / "0=ocfl_1.1").unlink()
    (root / "0=ocfl_1.0").write_text("ocfl_1.0\n")


ROWS: list[tuple[str, Act]] = [
    ("E069", lambda root: (root / "0=ocfl_1.1").unlink()),
    ("E069 E079", lambda root: (root / "0=ocfl_1.1").rename(root / "0=ocfl_2.0")),
    ("E069 E078", lambda root: (root / "0=ocfl_1.1").rename(root / "1=ocfl_1.1")),
    ("E069 E077", lambda root: (root / "0=ocfl_1.1").rename(root / "x=ocfl_1.1")),
    ("E076", write("0=ocfl_1.0", "ocfl_1.0\n")),
    ("E080", write("0=ocfl_1.1", "ocfl_1.1")),
    ("E070", write("ocfl_layout.json", "{")),
    ("E070", write("ocfl_layout.json", "[]")),
    ("E070", write("ocfl_layout.json", json.dumps({"extension": EXTENSION}))),
    ("E070", write("ocfl_layout.json", json.dumps({"extension": 3, "description": "d"}))),
    ("E071", write("ocfl_layout.json", json.dumps({"extension": "ours", "description": "d"}))),
    ("E071", write("ocfl_layout.json", json.dumps({"extension": "initial", "description": "d"}))),
    ("E071", write(f"extensions/{EXTENSION}/config.json", json.dumps({"tupleSize": 0}))),
    ("E072 E084 E085 E088", write("stray/notes.txt", "")),
    ("E072 E084", lambda root: (an_object(root).parent / "notes.txt").write_text("")),
    ("E073", lambda root: (root / "empty").mkdir()),
    ("E073", lambda root: (an_object(root).parent / "empty/emptier").mkdir(parents=True)),
    ("E081", declare_1_0),
    ("E083", lambda root: an_object(root).rename(an_object(root).parent / "other")),
    ("E090", lambda root: (root / "link").symlink_to("README.txt")),
    ("E090", lambda root: (an_object(root).parent / "link").symlink_to("urn%3aone")),
    ("E112", write("extensions/notes.txt", "")),
    ("E092", lambda root: (an_object(root) / "v1/content/a.txt").write_text("changed")),
    ("E003", lambda root: (an_object(root) / "0=ocfl_object_1.1").unlink()),
    ("W016", lambda root: (root / "extensions/our-own").mkdir()),
]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_root_that_the_rows_change_is_good(tmp_path: Path, version: str) -> None:
    report = validate_root(write_good_root(tmp_path / "root", version))
    assert (report.findings, report.objects) == ((), 2)


@pytest.mark.parametrize(("codes", "act"), ROWS)
def test_a_broken_rule_is_found(root: Path, codes: str, act: Act) -> None:
    act(root)
    report = validate_root(root)
    assert set(codes.split()) <= report.codes
    assert report.valid == ("E" not in codes)


def test_other_files_in_the_root_are_nobodys_business(root: Path) -> None:
    (root / "README.txt").write_text("How to read this")
    (root / "ocfl_1.1.md").write_text("the specification")
    (root / "node-identity").write_text("…")
    assert validate_root(root).findings == ()


def test_extensions_of_a_1_0_root_follow_the_rules_of_1_0(tmp_path: Path) -> None:
    root = write_good_root(tmp_path / "root", "1.0")
    (root / "extensions/our-own").mkdir()
    (root / "extensions/notes.txt").write_text("")
    assert validate_root(root).codes == {"E086", "W013"}


def test_an_object_of_1_0_may_lie_in_a_root_of_1_1(tmp_path: Path) -> None:
    root = write_good_root(tmp_path / "root", "1.0")
    (root / "0=ocfl_1.0").unlink()
    (root / "0=ocfl_1.1").write_text("ocfl_1.1\n")
    assert validate_root(root).findings == ()


def test_findings_of_objects_are_told_with_their_place_in_the_root(root: Path) -> None:
    (an_object(root) / "v1/content/a.txt").write_text("changed")
    (finding,) = validate_root(root).findings
    place = an_object(root).relative_to(root)
    assert finding.path == f"{place}/v1/content/a.txt"


def test_without_a_layout_ids_must_still_be_unique(root: Path) -> None:
    (root / "ocfl_layout.json").unlink()
    shutil.copytree(an_object(root), an_object(root).parent / "copy")
    assert validate_root(root).codes == {"E037"}


def test_a_layout_that_cannot_be_computed_here_is_taken_at_its_word(root: Path) -> None:
    layout = {"extension": "0011-direct-clean-path-layout", "description": "d"}
    (root / "ocfl_layout.json").write_text(json.dumps(layout))
    assert validate_root(root).findings == ()


def test_objects_at_the_top_and_below_are_two_patterns(root: Path) -> None:
    (root / "ocfl_layout.json").unlink()
    write_good_object(root / "top", object_id="urn:top")
    assert validate_root(root).codes == {"W015"}
    (root / "top").rename(an_object(root).parent / "deeper")
    (an_object(root).parent / "deeper").rename(root / "deeper")
    shutil.move(root / "deeper", an_object(root).parent / "one/deeper")
    assert validate_root(root).codes == {"W014"}


def test_an_empty_root_is_valid(tmp_path: Path) -> None:
    (tmp_path / "0=ocfl_1.1").write_text("ocfl_1.1\n")
    assert validate_root(tmp_path).findings == ()


def test_progress_tells_how_far_it_is(root: Path) -> None:
    told: list[int] = []
    examination = RootExamination(root, progress=lambda objects, path: told.append(objects))
    assert list(examination.findings()) == []
    assert (told, examination.objects) == ([0, 1], 2)


def test_a_folder_is_recognised_by_what_it_declares_or_holds(root: Path, tmp_path: Path) -> None:
    assert kind_of(root) == "root"
    assert kind_of(an_object(root)) == "object"
    (root / "0=ocfl_1.1").unlink()
    (root / "ocfl_layout.json").unlink()
    assert kind_of(root) == "root"
    (an_object(root) / "0=ocfl_object_1.1").unlink()
    assert kind_of(an_object(root)) == "object"
    (tmp_path / "empty").mkdir()
    assert kind_of(tmp_path / "empty") == "object"
