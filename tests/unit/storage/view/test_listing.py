"""A file list read as a tree of folders."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import VerificationFailed
from storage.view.listing import FileListing, ListedFile, ListedFolder, NameListing

DIGEST = "a" * 64
LINE_A = b'{"path":"a","size_bytes":1,"sha256":"x","block_root":null}\n'
LINE_B = b'{"path":"b","size_bytes":1,"sha256":"x","block_root":null}\n'


def listing(*paths: str) -> FileListing:
    lines: list[dict[str, object]] = [
        {"path": path, "size_bytes": number, "sha256": DIGEST, "block_root": None}
        for number, path in enumerate(sorted(paths, key=str.encode))
    ]
    return FileListing(_lines(lines))


def _lines(lines: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def names(files: FileListing, folder: str, start: int = 0) -> list[str]:
    return [child.name for child in files.children(folder, start)]


SAMPLE = (
    "received/a",
    "received/data-1/x",
    "received/data.txt",
    "received/data/申请表.pdf",
    "received/data/子/b",
    "received/data/子/c",
    "received/data0",
    "received/two\nlines",
)


def test_a_folder_lists_each_entry_once_in_byte_order() -> None:
    files = listing(*SAMPLE)
    expected = ["a", "data-1", "data.txt", "data", "data0", "two\nlines"]
    assert names(files, "received") == expected
    assert names(files, "received/data") == ["子", "申请表.pdf"]
    assert names(files, "received/data/子") == ["b", "c"]


def test_files_and_folders_are_told_apart() -> None:
    files = listing(*SAMPLE)
    assert isinstance(files.find("received/data.txt"), ListedFile)
    assert isinstance(files.find("received/data"), ListedFolder)
    assert isinstance(files.find("received"), ListedFolder)


@pytest.mark.parametrize("path", ["received/dat", "received/data/", "received/data/子/bb", "z", ""])
def test_a_path_that_is_not_there_is_not_found(path: str) -> None:
    assert listing(*SAMPLE).find(path) is None


def test_an_empty_list_has_nothing_in_it() -> None:
    files = listing()
    assert files.find("received") is None
    assert names(files, "received") == []


def test_a_listing_goes_on_after_any_cookie() -> None:
    files = listing(*SAMPLE)
    children = list(files.children("received"))
    for number, child in enumerate(children):
        rest = [following.name for following in children[number + 1 :]]
        assert names(files, "received", child.cookie) == rest


def test_offset_and_depth_lead_back_to_the_same_place() -> None:
    files = listing(*SAMPLE)
    for path in ("received", "received/data", "received/data/子", "received/data/子/c"):
        found = files.find(path)
        assert found is not None
        assert files.at(found.offset, path.count("/") + 1) == found


# A small alphabet around "/" in byte order, so that neighbours and prefixes are common.
_NAME = st.text(alphabet="-./0aé", min_size=1, max_size=3).filter(
    lambda name: "/" not in name and name not in {".", ".."}
)
_PATHS = st.lists(st.lists(_NAME, min_size=1, max_size=4).map("/".join), max_size=25)


@given(_PATHS)
@settings(max_examples=150)
def test_it_shows_the_tree_that_the_paths_make(paths: list[str]) -> None:
    """Any set of files that a file system could hold, against a tree built from dictionaries."""
    tree: dict[str, object] = {}
    kept = [path for path in dict.fromkeys(f"r/{path}" for path in paths) if _add(tree, path)]
    files = listing(*kept)
    files.check()
    _compare(files, "r", tree.get("r", {}))


def _add(tree: dict[str, object], path: str) -> bool:
    *folders, name = path.split("/")
    for folder in folders:
        below = tree.setdefault(folder, {})
        if not isinstance(below, dict):
            return False
        tree = below
    if name in tree:
        return False
    tree[name] = None
    return True


def _compare(files: FileListing, folder: str, expected: object) -> None:
    assert isinstance(expected, dict)
    children = list(files.children(folder))
    assert [child.name for child in children] == list(dict.fromkeys(c.name for c in children))
    assert {child.name for child in children} == set(expected)
    for child in children:
        path = f"{folder}/{child.name}"
        assert files.find(path) == child.listed
        assert isinstance(child.listed, ListedFolder) == (expected[child.name] is not None)
        if expected[child.name] is not None:
            _compare(files, path, expected[child.name])


@pytest.mark.parametrize(
    "broken",
    [
        LINE_B + LINE_A,
        LINE_A + LINE_A,
        LINE_A[:-1],
        b'{"path":"a","size_bytes":1,"sha256":"x"}\n',
        b'{"path":"../a","size_bytes":1,"sha256":"x","block_root":null}\n',
        b"\xff\n",
        b"\n",
    ],
    ids=["unsorted", "twice", "cut off", "no root", "climbs out", "not text", "empty line"],
)
def test_a_list_that_could_hide_a_file_is_refused(broken: bytes) -> None:
    with pytest.raises(VerificationFailed):
        FileListing(broken).check()


def raw_names(*raw: bytes) -> NameListing:
    lines: list[dict[str, object]] = [
        {"path": path, "raw_base64": base64.b64encode(bytes_).decode()}
        for path, bytes_ in sorted(
            ("".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in one), one) for one in raw
        )
    ]
    return NameListing(_lines(lines))


def test_escaped_names_get_their_bytes_back_and_others_are_left_alone() -> None:
    listed = raw_names(b"received/\xc9\xea/a", b"received/\xc9\xea/\xb1\xed.pdf")
    assert listed.raw_name("received/%C9%EA/%B1%ED.pdf") == b"\xb1\xed.pdf"
    assert listed.raw_name("received/%C9%EA") == b"\xc9\xea"
    assert listed.raw_name("received/%C9%EA/a") == b"a"
    assert listed.raw_name("received") == b"received"
    assert listed.raw_name("received/%C9") == b"%C9"
    assert NameListing(b"").raw_name("received/%C9%EA") == b"%C9%EA"
