"""The tables of findings, sweeps, audits and mends, apart from schema.py, which takes them in.

docs/operations/sweep.md. What their functions promise is said in findings.py, sweeps.py, audits.py,
suspects.py and repairs.py.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.catalogue.columns import Exact, Moment, Number, column, number


def finding_tables(metadata: MetaData) -> tuple[Table, Table]:
    """The tables `findings` and `sweeps`."""
    findings = Table(
        "findings",
        metadata,
        number("Order of recording here."),
        column(
            "node",
            Exact,
            "Whose copy or disk it is of; found by the node itself, or by the keeper.",
        ),
        column("sequence", BigInteger, "The node's own number; negative: the keeper's. Unique."),
        column("found_at", Moment, "By the node's clock."),
        column("recorded_at", Moment, "By ours."),
        column("object_id", Exact, "NULL when it belongs to no object (a stray file).", null=True),
        column("kind", String(32), "altered, truncated, missing, … (storage/sweep)."),
        column("path", Text, "Relative to the object, or to the root when object_id is NULL."),
        column("detail", Text, "Expected and found, in words."),
        column("evidence", Text, "JSON: digests, bad range, errno, device; empty where unknown."),
        column(
            "mended_at", Moment, "When a proven copy stood in its place; NULL: open.", null=True
        ),
        column("outcome", Text, "What became of it, in words; empty while open."),
        UniqueConstraint("node", "sequence"),
        Index("ix_findings_object", "object_id"),
        Index("ix_findings_found", "found_at"),
        Index(
            "ix_findings_open",
            "id",
            sqlite_where=text("mended_at IS NULL"),
            postgresql_where=text("mended_at IS NULL"),
        ),
        sqlite_autoincrement=True,
        info={"kind": "ledger"},
    )

    sweeps = Table(
        "sweeps",
        metadata,
        Column(
            "node", Exact, primary_key=True, doc="Whose disk was swept, by its configured name."
        ),
        Column(
            "cycle", BigInteger, primary_key=True, autoincrement=False, doc="The node's number."
        ),
        column("started_at", Moment, "By the node's clock."),
        column(
            "finished_at", Moment, "NULL: it runs, or another was begun before its end.", null=True
        ),
        column("checked_objects", BigInteger, "Objects looked at; as far as heard, and at least."),
        column("read_bytes", BigInteger, "Bytes read from the medium, likewise."),
        column("damaged_objects", BigInteger, "Objects with a finding, likewise."),
        Index("ix_sweeps_finished", "finished_at"),
        info={"kind": "ledger"},
    )

    return findings, sweeps


def keeping_tables(metadata: MetaData) -> tuple[Table, Table, Table, Table]:
    """The tables `audits`, `suspects`, `mends` and `volumes`: what the keeper knows besides."""
    audits = Table(
        "audits",
        metadata,
        Column(
            "package_id", Number, ForeignKey("packages.id"), primary_key=True, doc="Which package."
        ),
        column(
            "audited_at", Moment, "When its holders were last asked; earlier audits are events."
        ),
        column("outcome", String(16), "replication/audit_plan.py: agreed, located, suspect, …"),
        Index("ix_audits_at", "audited_at"),
        Index(
            "ix_audits_open",
            "package_id",
            sqlite_where=text("outcome IN ('suspect', 'undecided')"),
            postgresql_where=text("outcome IN ('suspect', 'undecided')"),
        ),
        info={"kind": "site"},
    )

    suspects = Table(
        "suspects",
        metadata,
        Column("node", Exact, primary_key=True, doc="A node that audits found to answer wrongly."),
        column("since", Moment, "When it was first found so."),
        column("reason", Text, "What it did, for the person who must look."),
        info={"kind": "site"},
    )
    mends = Table(
        "mends",
        metadata,
        Column("node", Exact, primary_key=True, doc="Whose copy is bad."),
        Column("object_id", Exact, primary_key=True, doc="Of which object."),
        column("attempts", Integer, "Mends tried in vain so far; each asked another source."),
        column("not_before", Moment, "No further try before this moment; the pause grows."),
        column("reason", Text, "Why the last one failed, in words."),
        info={"kind": "site"},
    )
    volumes = Table(
        "volumes",
        metadata,
        Column("node", Exact, primary_key=True, doc="A node, by its configured name."),
        column("node_uuid", String(36), "Its volume when it was last asked (node-identity)."),
        column("since", Moment, "When that volume was first met under this name."),
        column(
            "findings_before", BigInteger, "Added to its numbers: findings of the disks before it."
        ),
        column(
            "cycles_before",
            BigInteger,
            "Added to the numbers of its sweeps likewise; NULL: nothing.",
            null=True,
        ),
        info={"kind": "site"},
    )
    return audits, suspects, mends, volumes
