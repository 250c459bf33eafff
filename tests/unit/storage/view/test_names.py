"""Identifiers as folder names, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.view.names import folder_name, identifier_of, stored_name, version_folder


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("case-0001", "case-0001"),
        ("案卷 0001-申请", "案卷 0001-申请"),
        ("100%", "100%"),
        ("50%off", "50%off"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_only_what_a_name_cannot_hold_is_escaped(identifier: str, name: str) -> None:
    assert folder_name(identifier) == name.encode()
    assert identifier_of(name.encode()) == identifier


@given(st.text(alphabet=st.one_of(st.sampled_from("%25EFA/.\n0"), st.characters(codec="utf-8"))))
def test_every_identifier_comes_back_from_its_name(identifier: str) -> None:
    name = folder_name(identifier)
    assert identifier_of(name) == identifier
    assert b"/" not in name
    assert name not in {b".", b".."}


@pytest.mark.parametrize("name", [b"a/b", b"%25", b"a%2Eb", b"\xff"])
def test_a_name_that_no_identifier_has_is_nobodys(name: bytes) -> None:
    assert identifier_of(name) is None


def test_names_that_are_utf8_are_stored_as_they_are() -> None:
    assert stored_name("申请%表.pdf".encode()) == "申请%表.pdf"
    assert stored_name(b"\xc9\xea%\n.pdf") == "%C9%EA%25%0A.pdf"


def test_records_lie_beside_their_version() -> None:
    assert version_folder(2, records=False) == b"v2"
    assert version_folder(2, records=True) == b"v2.lantai"
