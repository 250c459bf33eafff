"""The list of an object's earlier versions says each of them once, in order, or is refused."""

from pathlib import Path

import pytest

from storage.version_list import VersionListInvalid, encode_version_list, read_version_list

FIRST, SECOND = "a1" * 32, "b2" * 32


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    listed = tmp_path / "versions.jsonl"
    listed.write_bytes(encode_version_list([FIRST, SECOND]))
    assert listed.read_text().splitlines()[0] == f'{{"version":1,"inventory_sha256":"{FIRST}"}}'
    assert read_version_list(listed, 3) == [FIRST, SECOND]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        encode_version_list([FIRST]),
        encode_version_list([FIRST, SECOND, FIRST]),
        encode_version_list([FIRST, SECOND]).replace(b'"version":2', b'"version":1'),
        encode_version_list([FIRST, SECOND]).replace(b'"version":1', b'"version":0'),
        encode_version_list([FIRST, "short"]),
        encode_version_list([FIRST, SECOND]) + b"{}\n",
        b'{"version":1,"inventory_sha256":"' + b"a" * 10_000,
        b"\xff\n",
    ],
)
def test_a_list_that_is_not_of_the_versions_before_this_one_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    listed = tmp_path / "versions.jsonl"
    listed.write_bytes(content)
    with pytest.raises(VersionListInvalid):
        read_version_list(listed, 3)
