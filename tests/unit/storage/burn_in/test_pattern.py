"""Blocks that tell where they belong."""

from storage.burn_in.pattern import BLOCK_BYTES, Pattern

PATTERN = Pattern()
LENGTH = 4 * BLOCK_BYTES


def block(position: int, generation: int) -> bytes:
    return PATTERN.piece(position, generation, BLOCK_BYTES)


def judged(blocks: list[bytes]) -> str | None:
    return PATTERN.difference(b"".join(blocks), 100, 2)


def test_what_was_written_is_no_difference() -> None:
    assert PATTERN.difference(PATTERN.piece(100, 2, LENGTH), 100, 2) is None


def test_no_two_blocks_are_alike() -> None:
    blocks = {block(position, generation) for position in range(500) for generation in (1, 2)}
    assert len(blocks) == 1000


def test_an_old_generation_is_a_lost_write() -> None:
    said = judged([block(100, 2), block(101, 1), block(102, 2), block(103, 2)])
    assert said == "lost write: block 101 holds generation 1, not 2"


def test_another_position_is_a_misdirected_write() -> None:
    said = judged([block(100, 2), block(101, 2), block(400, 2), block(103, 2)])
    assert said == "misdirected write: block 102 holds what was written to 400"


def test_one_flipped_bit_is_another_content() -> None:
    bad = bytearray(block(103, 2))
    bad[2000] ^= 1
    said = judged([block(100, 2), block(101, 2), block(102, 2), bytes(bad)])
    assert said == "block 103 holds other bytes than were written"


def test_zeros_of_another_run_are_another_content() -> None:
    assert judged([bytes(BLOCK_BYTES)]) == "block 100 holds other bytes than were written"


def test_a_block_that_ends_too_early_is_seen() -> None:
    assert judged([block(100, 2)[:-1]]) == "block 100 ends after 4095 bytes"
