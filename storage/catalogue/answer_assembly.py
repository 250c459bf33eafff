"""Put long answers together from their slices, and keep them as the catalogue does.

docs/formats/chronicle.md ("Page"); the columns are schema.py's. One piece is held at a time.
"""

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, insert, select, update

from storage.catalogue import scratch
from storage.catalogue.answers import PIECE_BYTES, ROW_BYTES_MAX
from storage.catalogue.replay import disagree
from storage.catalogue.scratch import Scratch

_answers = scratch.images["answers"]


def assemble(target: Scratch) -> None:
    """Give every answer its body; one whose slices do not have its digest is a disagreement."""
    query = select(_answers.c.id, _answers.c.transfer_id, _answers.c.body_sha256)
    with target.catalogue.writing() as connection:
        for row in connection.execute(query.where(_answers.c.body.is_(None))).all():
            if not _assemble_one(connection, row.id, row.body_sha256):
                subject = f"answer to transfer {row.transfer_id}"
                disagree(connection, subject, "", "answer-incomplete", "not all slices are there")


def _assemble_one(connection: Connection, answer_id: int, sha256: str) -> bool:
    digest, length = hashlib.sha256(), 0
    pieces = scratch.answer_pieces
    connection.execute(pieces.delete().where(pieces.c.answer_id == answer_id))
    piece = b""
    for number, piece in enumerate(_pieces(connection, answer_id)):
        digest.update(piece)
        length += len(piece)
        values = {"answer_id": answer_id, "number": number, "piece": piece}
        connection.execute(insert(pieces), values)
    if length <= ROW_BYTES_MAX:
        connection.execute(pieces.delete().where(pieces.c.answer_id == answer_id))
        connection.execute(update(_answers).where(_answers.c.id == answer_id).values(body=piece))
    return digest.hexdigest() == sha256


def _pieces(connection: Connection, answer_id: int) -> Iterator[bytes]:
    """The body in pieces as the catalogue has them; it ends where a slice is missing."""
    slices = scratch.slices
    reached, gathered = 0, bytearray()
    while True:
        query = select(slices.c.body).where(
            slices.c.answer_id == answer_id, slices.c.offset == reached
        )
        body = connection.scalar(query)
        if not body:
            break
        reached += len(body)
        gathered += body
        while len(gathered) >= PIECE_BYTES:
            yield bytes(gathered[:PIECE_BYTES])
            del gathered[:PIECE_BYTES]
    if gathered:
        yield bytes(gathered)
