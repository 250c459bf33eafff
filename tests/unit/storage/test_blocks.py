"""Block roots have RFC 6962's shape, and do not depend on how the bytes came."""

import hashlib
import random

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.blocks import BlockHasher, FileHasher, block_count, leaf, merkle_root
from storage.model import BLOCK_BYTES


def root_as_rfc_6962_writes_it(leaves: list[bytes]) -> bytes:
    """Section 2.1, word for word: split at the largest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left = root_as_rfc_6962_writes_it(leaves[:split])
    right = root_as_rfc_6962_writes_it(leaves[split:])
    return blake3(b"\x01" + left + right).digest()


@given(st.integers(min_value=1, max_value=200))
def test_the_root_has_the_shape_of_rfc_6962(count: int) -> None:
    leaves = [hashlib.sha256(bytes([index])).digest() for index in range(count)]
    assert merkle_root(b"".join(leaves)) == root_as_rfc_6962_writes_it(leaves).hex()


def test_a_leaf_and_a_node_over_the_same_bytes_differ() -> None:
    left, right = leaf(b"a"), leaf(b"b")
    assert merkle_root(left + right) != leaf(left + right).hex()


def test_an_altered_leaf_alters_the_root() -> None:
    leaves = bytearray(b"".join(leaf(bytes([index])) for index in range(7)))
    before = merkle_root(leaves)
    leaves[32 * 4] ^= 1
    assert merkle_root(leaves) != before


@settings(max_examples=20)
@given(st.integers(min_value=0, max_value=3 * BLOCK_BYTES + 2), st.integers(0, 2**32))
def test_leaves_do_not_depend_on_how_the_bytes_are_cut(size_bytes: int, seed: int) -> None:
    content = random.Random(seed).randbytes(size_bytes)
    hasher = BlockHasher()
    cut = random.Random(seed + 1)
    position = 0
    while position < size_bytes:
        step = cut.randint(1, BLOCK_BYTES + 1000)
        hasher.update(memoryview(content)[position : position + step])
        position += step
    blocks = [content[at : at + BLOCK_BYTES] for at in range(0, size_bytes, BLOCK_BYTES)]
    assert hasher.leaves() == b"".join(leaf(block) for block in blocks)


def test_a_file_of_exactly_one_block_has_no_root() -> None:
    hasher = FileHasher()
    hasher.update(bytes(BLOCK_BYTES))
    assert hasher.finish().block_root is None
    assert hasher.finish().leaves == b""
    assert block_count(BLOCK_BYTES) == 0


def test_a_file_one_byte_over_has_a_root_over_two_leaves() -> None:
    content = bytes(BLOCK_BYTES) + b"x"
    hasher = FileHasher()
    hasher.update(content)
    digest = hasher.finish()
    assert digest.sha256 == hashlib.sha256(content).hexdigest()
    assert digest.size_bytes == BLOCK_BYTES + 1
    assert digest.leaves == leaf(content[:BLOCK_BYTES]) + leaf(b"x")
    assert digest.block_root == merkle_root(digest.leaves)
    assert block_count(digest.size_bytes) == 2


def test_block_roots_are_these_for_ever() -> None:
    """Roots are on disks and in receipts: these vectors may never change."""
    hasher = FileHasher()
    hasher.update(bytes(2 * BLOCK_BYTES + 1))
    assert hasher.finish().block_root == (
        "f1ad9d43c13e9fe2da8ef53d2fb7c2baa8458f917694f3856c6a2470bfba9fcc"
    )
