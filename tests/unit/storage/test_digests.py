"""SHA-256 of files and streams."""

from pathlib import Path

from storage.digests import sha256_of, sha256_of_file

# FIPS 180-4's own example.
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    assert sha256_of_file(file) == SHA256_OF_ABC
    assert sha256_of_file(file, chunk_bytes=2) == SHA256_OF_ABC


def test_the_digest_of_a_stream_is_that_of_its_pieces_together() -> None:
    assert sha256_of([b"a", memoryview(b"bc"), b""]) == SHA256_OF_ABC
