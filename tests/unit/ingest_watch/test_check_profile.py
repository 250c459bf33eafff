"""Profiles: the shipped ones, and what is refused in a site's own."""

from pathlib import Path

import pytest

from ingest_watch.check_profile import (
    SHIPPED,
    ProfileRefused,
    named_profile,
    profile_of_format,
    read_profile,
    shipped_profile,
)
from ingest_watch.checks.all_checks import CHECKS
from ingest_watch.formats.registry import FORMATS

HEAD = 'title = "T"\ntitle_zh = "测"\nformats = ["bagit"]\n'


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_asks_only_for_checks_that_there_are(name: str) -> None:
    assert shipped_profile(name).checks.keys() <= {check.number for check in CHECKS}
    assert shipped_profile(name).title_zh


def test_every_format_has_a_shipped_profile() -> None:
    for name in FORMATS:
        assert name in profile_of_format(name).formats


def test_every_check_stands_in_some_shipped_profile() -> None:
    asked = {number for name in SHIPPED for number in shipped_profile(name).checks}
    assert asked == {check.number for check in CHECKS}


def test_a_site_names_a_profile_of_its_own_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(HEAD + '[checks]\n1-1 = { failed = "hold" }\n', encoding="utf-8")
    profile = named_profile(str(path))
    assert profile.consequence("1-1", failed=True) == "hold"
    assert profile.consequence("1-1", failed=False) == "hold"
    assert named_profile("case") is shipped_profile("case")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[checks", "not TOML"),
        (HEAD, "checks"),
        (HEAD + "[checks]\n", "checks"),
        (HEAD + "[checks]\n9-1 = {}\n", "checks"),
        (HEAD + "colour = 1\n[checks]\n1-1 = {}\n", "colour"),
        (HEAD + '[checks]\n1-1 = { failed = "explode" }\n', "checks"),
        (HEAD + '[checks]\n1-1={}\n[[rules]]\nfield="a"\nobligation="条件选"\n', r"rules\[0\]"),
        (HEAD + '[checks]\n1-1={}\n[[rules]]\nfield="a"\nwhen="b:c"\n', r"rules\[0\]"),
        (HEAD + '[checks]\n1-1={}\n[[rules]]\nfield="a"\npattern="("\n', r"rules\[0\].pattern"),
        (HEAD + '[checks]\n1-1={}\n[archival_code]\npattern="("\n', "archival_code.pattern"),
        (HEAD + '[checks]\n1-1={}\n[archival_code]\npattern="a"\nsame_as={b="c"}\n', "same_as"),
        (HEAD + '[checks]\n1-1={}\n[content]\nallowed=["Word"]\n', "content.allowed"),
    ],
)
def test_a_profile_with_a_mistake_is_refused_by_file_and_place(text: str, place: str) -> None:
    with pytest.raises(ProfileRefused, match=f"own.toml: .*{place}"):
        read_profile(text, "own.toml")


@pytest.mark.parametrize("name", ["nonsense", "../case.toml", "/nonexistent.toml"])
def test_a_profile_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ProfileRefused, match=r"profile|read"):
        named_profile(name)
