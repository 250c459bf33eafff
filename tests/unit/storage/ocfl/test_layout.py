"""Layout 0003 as nodes use it, and what its configuration may say."""

import json
from pathlib import PurePosixPath

import pytest

from storage.ocfl.layout import (
    HASH_AND_ID_LAYOUT,
    HASHED_LAYOUT,
    LANTAI_LAYOUT,
    HashAndIdLayout,
    LayoutConfigurationError,
    layout_configuration_document,
    layout_document,
    layout_from_configuration,
    object_folder,
)


def test_an_object_lies_below_two_tuples_of_its_ids_digest() -> None:
    expected = "d6c/358/lantai%3aagov-portal%2fcase-0001"
    assert object_folder("lantai:agov-portal/case-0001") == PurePosixPath(expected)


def test_every_byte_that_is_not_plain_is_escaped_in_lower_case() -> None:
    assert object_folder("..Hor/rib:lè-$id").name == "%2e%2eHor%2frib%3al%c3%a8-%24id"


@pytest.mark.parametrize(("length", "cut"), [(100, False), (101, True)])
def test_a_long_id_is_cut_and_made_unique_by_its_digest(length: int, cut: bool) -> None:
    name = HashAndIdLayout().object_folder("a" * length).name
    assert name.startswith("a" * 100)
    assert (len(name) == 100 + 1 + 64) == cut


def test_a_folder_name_is_never_longer_than_a_disk_allows() -> None:
    assert len(object_folder("lantai:门户/" + "案" * 60).name) <= 255


def test_the_documents_on_the_disk_describe_the_layout_in_use() -> None:
    declared = json.loads(layout_document())["extension"]
    configuration = json.loads(layout_configuration_document())
    assert configuration["extensionName"] == declared == HASH_AND_ID_LAYOUT
    assert layout_from_configuration(declared, configuration) == LANTAI_LAYOUT


def test_another_extension_is_none_of_ours() -> None:
    assert layout_from_configuration("0002-flat-direct-storage-layout", {}) is None


@pytest.mark.parametrize("extension", [HASH_AND_ID_LAYOUT, HASHED_LAYOUT])
@pytest.mark.parametrize(
    "configuration",
    [
        {"digestAlgorithm": "crc32"},
        {"digestAlgorithm": "size"},
        {"digestAlgorithm": 256},
        {"tupleSize": -1},
        {"tupleSize": 33},
        {"tupleSize": 0},
        {"numberOfTuples": 0},
        {"numberOfTuples": "3"},
        {"numberOfTuples": True},
        {"tupleSize": 3, "numberOfTuples": 22},
    ],
)
def test_a_configuration_that_the_extension_forbids_is_refused(
    extension: str, configuration: dict[str, object]
) -> None:
    with pytest.raises(LayoutConfigurationError):
        layout_from_configuration(extension, configuration)


def test_a_short_object_root_needs_digits_that_are_left_over() -> None:
    whole = {"tupleSize": 32, "numberOfTuples": 2, "shortObjectRoot": True}
    with pytest.raises(LayoutConfigurationError):
        layout_from_configuration(HASHED_LAYOUT, whole)
