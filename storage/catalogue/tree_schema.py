"""The tables of the hash tree's sums, apart from schema.py, which takes them in.

docs/wire/tree.md. What their functions promise is said in tree_sums.py.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table

from storage.catalogue.columns import Exact, Number, Word, column
from storage.hash_tree.leaf import LeafState


def tree_tables(metadata: MetaData) -> tuple[Table, Table]:
    """The tables `tree_changes` and `tree_sums`."""
    changes = Table(
        "tree_changes",
        metadata,
        Column("id", Number, primary_key=True, doc="Given by the database; says no order."),
        column(
            "node",
            Exact,
            "On which node a copy came, went or changed its state, or has a new finding.",
        ),
        column("package_id", Number, "Of which package. Triggers write this table."),
        column("was", Word(LeafState), "`counted` of a row that is gone; NULL else.", null=True),
        info={"kind": "index"},
    )
    sums = Table(
        "tree_sums",
        metadata,
        Column("node", Exact, primary_key=True, doc="Whose copies."),
        Column(
            "partition",
            Integer,
            primary_key=True,
            autoincrement=False,
            doc="0 to 4095: the first 12 bits of SHA-256 over the object id.",
        ),
        column("objects", BigInteger, "Leaves in it: copies counted on, as of `counted`."),
        column("sum", LargeBinary, "Over these leaves, 512 bytes."),
        info={"kind": "index"},
    )
    return changes, sums
