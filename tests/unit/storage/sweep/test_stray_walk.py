"""What lies in a root and belongs to nobody."""

import os
from pathlib import Path, PurePosixPath

from storage.sweep.stray_walk import strays_of_root, strays_of_tuple, tuple_folders

OWNED = {"0=ocfl_1.1", "extensions", "abc/def/lantai%3as%2fx"}


def owns(path: PurePosixPath) -> bool:
    assert str(path).isascii(), "the volume is asked of possible objects only"
    return str(path) in OWNED


def strays(root: Path) -> set[str]:
    found = {stray.path for stray in strays_of_root(root, owns)}
    for name in tuple_folders(root):
        found |= {stray.path for stray in strays_of_tuple(root, name, owns)}
    return found


def test_what_is_owned_is_no_stray_and_objects_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "abc/def/lantai%3as%2fx/v1/content").mkdir(parents=True)
    (tmp_path / "extensions/0003").mkdir(parents=True)
    (tmp_path / "0=ocfl_1.1").write_bytes(b"")
    (tmp_path / "fff").mkdir()
    assert strays(tmp_path) == set()


def test_everything_else_is_a_stray_at_every_level(tmp_path: Path) -> None:
    planted = {
        "x.txt",
        "Abc",
        "abcd",
        "abc/x.txt",
        "abc/xyz",
        "abc/def/file",
        "abc/def/folder",
        "abc/def/012",
        os.fsdecode(b"abc/def/\xc9\xea"),
    }
    for path in planted:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if "x" in path or path.endswith("file"):
            (tmp_path / path).write_bytes(b"")
        else:
            (tmp_path / path).mkdir()
    (tmp_path / "abc/link").symlink_to("/")
    (tmp_path / "123").symlink_to("abc")
    assert strays(tmp_path) == {*planted, "abc/link", "123"}


def test_a_file_in_the_place_of_an_object_is_a_stray(tmp_path: Path) -> None:
    (tmp_path / "abc/def").mkdir(parents=True)
    (tmp_path / "abc/def/lantai%3as%2fx").write_bytes(b"")
    assert strays(tmp_path) == {"abc/def/lantai%3as%2fx"}
