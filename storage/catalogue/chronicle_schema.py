"""The table of what the nodes have been told, apart from schema.py, which takes it in.

docs/formats/chronicle.md. What its functions promise is said in chronicle.py.
"""

from sqlalchemy import BigInteger, Column, MetaData, Table

from storage.catalogue.columns import Exact, Moment, Sha256, column


def chronicle_tables(metadata: MetaData) -> Table:
    """The table `told`."""
    return Table(
        "told",
        metadata,
        Column("node", Exact, primary_key=True, doc="Who was told, by its configured name."),
        column(
            "event_sequence",
            BigInteger,
            "Every event up to this one lies in its journal. The node knows better, and is asked.",
        ),
        column("answer_id", BigInteger, "Every answer up to this one, likewise."),
        column("chain", Sha256, "Chain hash behind that event: a common past has the same."),
        column("told_at", Moment, "When it was told last."),
        info={"kind": "site"},
    )
