"""The database in which a catalogue is put together again: the same tables, and what nodes said.

docs/formats/chronicle.md. On a disk, so that memory stays flat at any size. No index, no foreign
key and no trigger: what the nodes say is judged here before it gets into a catalogue.
"""

from pathlib import Path
from typing import Self

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from storage.catalogue import schema
from storage.catalogue.columns import Exact
from storage.catalogue.engine import Catalogue

# Rows that change: of two images the one made later counts.
IMAGES = ("transfers", "packages", "copies", "answers", "layouts")

metadata = MetaData()


def _like(original: Table, *more: Column[object]) -> Table:
    same = (
        Column(column.name, column.type, primary_key=column.primary_key, autoincrement=False)
        for column in original.c
    )
    return Table(original.name, metadata, *same, *more)


def _images() -> dict[str, Table]:
    return {
        name: _like(schema.metadata.tables[name], Column("as_of", BigInteger, nullable=False))
        for name in IMAGES
    }


images = _images()
events = _like(schema.events)
answer_pieces = _like(schema.answer_pieces)
findings = _like(schema.findings)
sweeps = _like(schema.sweeps)
tallies = _like(schema.tallies)
volumes = _like(schema.volumes)

# Parts of long answers, as they came.
slices = Table(
    "answer_slices",
    metadata,
    Column("answer_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary),
)
# What each node signed for, from its own journal; a mended copy takes the place of the one before.
said_copies = Table(
    "said_copies",
    metadata,
    Column("node", Exact, primary_key=True),
    Column("object_id", Exact, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("inventory_sha256", Text),
    Column("file_list_sha256", Text),
    Column("op_id", Text),
    Column("file_count", BigInteger),
    Column("content_bytes", BigInteger),
    Column("domain", Text),
    Column("verify_mode", Text),
    Column("committed_at", Text),
    Column("answer", LargeBinary),
    Column("signature", LargeBinary),
)
said_findings = Table(
    "said_findings",
    metadata,
    Column("node", Exact, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("path", Text),
    Column("detail", Text),
    Column("evidence", Text),
)
# How far each node came, and the highest epoch of a keeper that it heard.
said_nodes = Table(
    "said_nodes",
    metadata,
    Column("node", Exact, primary_key=True),
    Column("event_sequence", BigInteger),
    Column("answer_id", BigInteger),
    Column("chain", Text),
    Column("epoch", BigInteger),
    Column("records", BigInteger),
)
disagreements = Table(
    "disagreements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text),
    Column("node", Text),
    Column("code", Text),
    Column("detail", Text),
)


class Scratch:
    """One scratch database, new. Close it, then remove its folder."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Make it in `folder`, which has room for as much as the catalogue itself."""
        catalogue = Catalogue.open(f"sqlite:///{folder}/scratch.sqlite")
        with catalogue.writing() as connection:
            metadata.create_all(connection)
        return cls(catalogue)

    def close(self) -> None:
        """Let go of the file."""
        self.catalogue.close()
