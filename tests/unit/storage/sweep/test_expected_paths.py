"""A million paths in a few megabytes, and none of them wrong."""

import os

from storage.sweep.expected_paths import ExpectedPaths


def test_files_and_the_folders_above_them_are_expected_and_nothing_else() -> None:
    paths = ExpectedPaths()
    for path in ("v1/content/a/b.txt", "v1/content/a/c.txt", "inventory.json", "v1/x"):
        paths.add_file(path)
    paths.seal()
    assert paths.has_file("v1/content/a/b.txt")
    assert paths.has_file("inventory.json")
    assert paths.has_folder("v1/content/a")
    assert paths.has_folder("v1")
    for path in ("v1/content/a", "v1/content/a/b", "", "v2"):
        assert not paths.has_file(path)
    for path in ("v1/content/a/b.txt", "", "inventory.json"):
        assert not paths.has_folder(path)


def test_a_name_that_is_not_utf_8_can_be_asked_for() -> None:
    paths = ExpectedPaths()
    paths.seal()
    assert not paths.has_file(os.fsdecode(b"\xc9\xea"))


def test_nothing_is_expected_of_nothing() -> None:
    paths = ExpectedPaths()
    paths.seal()
    assert not paths.has_file("x")
