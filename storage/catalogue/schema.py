"""The tables, one schema for SQLite and PostgreSQL, every column explained (style rule 14).

Kinds (DESIGN.md §6): an *index* table is rebuilt from the nodes, every row equal; a *ledger* is
replayed from the nodes' journals and the objects' `logs/`; a *site* table is backed up.
A row per package, never per file: file lists live in the OCFL inventories. Changing anything here
needs a revision in `migrations/versions`; a test holds the two equal.

Moments are RFC 3339 text in UTC, 27 characters (timestamps.py). Digests are lower-case hexadecimal.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.catalogue import model
from storage.catalogue.chronicle_schema import chronicle_tables
from storage.catalogue.columns import Exact, Moment, Number, Sha256, Word, column, number
from storage.catalogue.dispatch_schema import dispatch_tables
from storage.catalogue.fixity_schema import finding_tables, keeping_tables
from storage.catalogue.membership_schema import membership_tables
from storage.catalogue.tree_schema import tree_tables
from storage.hash_tree.leaf import LeafState, partition_of
from storage.model import VerifyMode

# What `alembic_version` must say for this program to work (migrations/versions).
REVISION = "0002"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _partition(context: Any) -> int:
    return partition_of(context.get_current_parameters()["object_id"])


transfers = Table(
    "transfers",
    metadata,
    number("Our number for what was sent, never used twice; in every receipt."),
    column("source", Exact, "Name of the configured sender."),
    column("name", Exact, "The drop entry's name; percent-escaped when not UTF-8. For people."),
    column("name_raw", LargeBinary, "The same as bytes on disk: what opens it again."),
    column(
        "fingerprint",
        Sha256,
        "Digest of names, sizes, times and inodes of the entry when it settled; compared again "
        "after copying, so that a package that changed meanwhile is not accepted.",
    ),
    column("state", Word(model.TransferState), "See transitions.py; only transfers.py writes it."),
    column("message", Text, "One sentence on where it stands, for operators. May be empty."),
    column(
        "outcome_code",
        String(64),
        "Stable code of why it was rejected, held or failed; NULL when it was not.",
        null=True,
    ),
    column("bytes_done", BigInteger, "Progress of the present state, bytes; 0 on entering one."),
    column("bytes_total", BigInteger, "What bytes_done goes up to; NULL when unknown.", null=True),
    column("bytes_per_second", BigInteger, "Its pace of late; NULL when unknown.", null=True),
    column(
        "claim_holder",
        Text,
        "`instance@host` at work on it; NULL when nobody is. Must be set in every working state, "
        "but for one that a person has just released or retried: the next intake takes it over.",
        null=True,
    ),
    column(
        "claim_epoch",
        BigInteger,
        "Raised by one at each claim or takeover and never lowered; 0 before the first. A worker "
        "with a lower one is refused here, and by nodes.",
    ),
    column(
        "claim_expires_at",
        Moment,
        "After this moment another process may take over. Its holder renews it. NULL with holder.",
        null=True,
    ),
    column("attempts", Integer, "Claims and takeovers so far; a loop shows as a high number."),
    column("identifier", Exact, "What the sender calls it; NULL until judged.", null=True),
    column("identity", Sha256, "Digest over its bytes (package.md); NULL until judged", null=True),
    column("object_id", Exact, "The object it becomes; NULL until judged.", null=True),
    column("file_count", BigInteger, "The sender's files; NULL until staged.", null=True),
    column("content_bytes", BigInteger, "The sender's bytes; NULL until staged.", null=True),
    column("matter", Exact, "Matter code of its records; NULL until judged, or none.", null=True),
    column("record_class", Exact, "Class (类别) of the scope table; NULL likewise.", null=True),
    column("retention", String(8), "Y, D30 or D10 (保管期限); NULL likewise.", null=True),
    column(
        "package_id",
        Number,
        "The object version that holds it, from writing on; of a duplicate, the earlier one.",
        null=True,
    ),
    column(
        "batch_id",
        Number,
        "The transfer that this one is a part of (a case of a batch, batches.py): its bytes are in "
        "the staged batch, and no entry of its own. NULL for a drop entry.",
        null=True,
    ),
    column("created_at", Moment, "When the entry was first noticed."),
    column("updated_at", Moment, "When this row last changed, progress included."),
    column(
        "closed_at",
        Moment,
        "When the original had left the drop folder and nothing remained to do. NULL: open. While "
        "open, no other transfer of this source may have this name, so nothing is taken twice.",
        null=True,
    ),
    Index(
        "ux_transfers_open_name",
        "source",
        "name_raw",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_transfers_open",
        "state",
        "source",
        "id",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index("ix_transfers_state_id", "state", "id"),
    Index(
        "ux_transfers_part",
        "batch_id",
        "name_raw",
        unique=True,
        sqlite_where=text("batch_id IS NOT NULL"),
        postgresql_where=text("batch_id IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
    info={"kind": "ledger"},
)

packages = Table(
    "packages",
    metadata,
    number("Our number for the object version; local to this catalogue, in no receipt."),
    column("object_id", Exact, "OCFL object id, `lantai:<source>/<identifier>`."),
    column("version", Integer, "1, 2, …: the OCFL version."),
    column("source", Exact, "Who sent it. Part of object_id; apart for listing and looking up."),
    column("identifier", Exact, "What the sender calls it. Part of object_id, likewise."),
    column("identity", Sha256, "Says whether two packages are the same bytes (package.md)."),
    column("inventory_sha256", Sha256, "Of the root inventory whose head is this version."),
    column("file_list_sha256", Sha256, "Of the staged file list: a resumed write checks it."),
    column("file_count", BigInteger, "Files below vN/content, as nodes sign it."),
    column("content_bytes", BigInteger, "Bytes below vN/content, as nodes sign it."),
    column(
        "state",
        Word(model.PackageState),
        "`writing` until N copies are proven, then `stored` for ever, in the one transaction that "
        "also puts the stored receipt into the outbox. Listings show stored ones only.",
    ),
    column("op_id", String(32), "The operation as nodes know it; the same at every resumption."),
    column("transfer_id", Number, "What brought it.", ForeignKey("transfers.id")),
    column("copies_wanted", Integer, "N when it was accepted; raised by order of the keeper."),
    column(
        "copies_committed",
        Integer,
        "How many rows of `copies` are `committed`: denormalised, because counting 300 million "
        "rows cannot answer an alarm. copies.py keeps it in the same transaction; "
        "copies.recount repairs it.",
    ),
    column("created_at", Moment, "When writing began."),
    column("stored_at", Moment, "When it became `stored`; NULL before.", null=True),
    column("matter", Exact, "Matter code of its records; NULL: several, or not said.", null=True),
    column("record_class", Exact, "Class (类别) of the scope table; NULL likewise.", null=True),
    column("retention", String(8), "Y, D30, D10: the longest of all; NULL likewise.", null=True),
    Column(
        "partition",
        Integer,
        default=_partition,
        info={"follows_from": "object_id"},
        doc="Of the hash tree, from object_id (docs/wire/tree.md); an insert fills it by itself.",
    ),
    UniqueConstraint("object_id", "version"),
    UniqueConstraint("source", "identifier", "version"),
    Index("ix_packages_partition", "partition", "object_id"),
    Index(
        "ix_packages_below_target",
        "id",
        sqlite_where=text("copies_committed < copies_wanted"),
        postgresql_where=text("copies_committed < copies_wanted"),
    ),
    sqlite_autoincrement=True,
    info={"kind": "index"},
)

copies = Table(
    "copies",
    metadata,
    Column("package_id", Number, ForeignKey("packages.id"), primary_key=True, doc="Which package."),
    Column("node", Exact, primary_key=True, doc="Which node, by its configured name."),
    column("domain", Exact, "The node's failure domain, from our own list of nodes."),
    column(
        "state",
        Word(model.CopyState),
        "`committed`: the node proved it and nothing has been found since. `damaged`, `missing`: a "
        "finding says so, until a repair is committed. The keeper writes these.",
    ),
    column("verify_mode", Word(VerifyMode), "How it was read back (docs/formats/volume.md)."),
    column("committed_at", Moment, "As in the node's signed answer."),
    column(
        "checked_at",
        Moment,
        "When the node last read it whole and found it intact, as far as the keeper has heard; "
        "NULL before the first sweep. The node's own index knows better.",
        null=True,
    ),
    column("answer", LargeBinary, "The node's answer: the exact bytes it signed."),
    column("signature", LargeBinary, "Ed25519 over them, 64 bytes."),
    Column(
        "counted",
        Word(LeafState),
        info={"follows_from": "tree_sums"},
        doc="As what it is in tree_sums; NULL: not at all. Only tree_sums.py writes it.",
    ),
    Index("ix_copies_node", "node", "package_id"),
    info={"kind": "index"},
)

answers = Table(
    "answers",
    metadata,
    number("Order in which answers were given."),
    column("transfer_id", Number, "Whom it answers.", ForeignKey("transfers.id")),
    column("kind", Word(model.AnswerKind), "received, registration, stored, rejected, held."),
    column(
        "body",
        LargeBinary,
        "The exact JSON bytes that were signed. NULL when they are long: then they lie in "
        "answer_pieces, in the same transaction.",
        null=True,
    ),
    column("body_sha256", Sha256, "Of the body, wherever it lies."),
    column("signature", LargeBinary, "The notary's Ed25519 over the body, 64 bytes."),
    column("created_at", Moment, "When it was given: in the transaction of what it says."),
    column(
        "written_at",
        Moment,
        "When the files lay fsynced in the return folder; NULL: in the outbox. Written again from "
        "here after a crash, byte for byte the same.",
        null=True,
    ),
    UniqueConstraint("transfer_id", "kind"),
    Index(
        "ix_answers_outbox",
        "id",
        sqlite_where=text("written_at IS NULL"),
        postgresql_where=text("written_at IS NULL"),
    ),
    sqlite_autoincrement=True,
    info={"kind": "ledger"},
)

answer_pieces = Table(
    "answer_pieces",
    metadata,
    Column("answer_id", Number, ForeignKey("answers.id"), primary_key=True, doc="Of which answer."),
    Column("number", Integer, primary_key=True, autoincrement=False, doc="0, 1, …: in order."),
    column("piece", LargeBinary, "At most 1 MiB of the body: a long one is never held thrice."),
    info={"kind": "ledger"},
)

events = Table(
    "events",
    metadata,
    Column("sequence", Number, primary_key=True, doc="Order of recording. Gaps mean nothing."),
    column("at", Moment, "When it was done."),
    column("who", Text, "Person or role."),
    column("origin", Text, "From where: a host, an address, a socket."),
    column("act", String(64), "What was done, `noun.verb`: `transfer.stored`, `copy.mended`."),
    column("outcome", String(64), "`done`, or a stable code of why not."),
    column("transfer_id", Number, "On which transfer, or NULL.", null=True),
    column("package_id", Number, "On which object version, or NULL.", null=True),
    column("node", Exact, "On which node, or NULL.", null=True),
    column("detail", Text, "A JSON object, or empty. Never personal data."),
    Index("ix_events_transfer", "transfer_id", "sequence"),
    Index("ix_events_package", "package_id", "sequence"),
    Index("ix_events_act", "act", "at"),
    sqlite_autoincrement=True,
    info={"kind": "ledger"},
)

orders = Table(
    "orders",
    metadata,
    number("Order of asking, which is the order of doing."),
    column("verb", String(64), "What is asked: `sweep.start`."),
    column("arguments", Text, "A JSON object, or empty."),
    column("state", Word(model.OrderState), "Only the keeper moves it on from `waiting`."),
    column("requested_by", Text, "The person."),
    column("requested_from", Text, "Host or socket."),
    column("requested_at", Moment, "When it was asked."),
    column("started_by", Text, "The keeper, `role@host`; NULL while waiting.", null=True),
    column("started_at", Moment, "When it began; NULL while waiting.", null=True),
    column("finished_at", Moment, "NULL until done or failed.", null=True),
    column("result", Text, "A JSON object or a sentence; empty until finished."),
    Index("ix_orders_state", "state", "id"),
    sqlite_autoincrement=True,
    info={"kind": "site"},
)

leases = Table(
    "leases",
    metadata,
    Column("scope", Exact, primary_key=True, doc="What it is about: `keeper`, `desk/<source>`."),
    column("holder", Text, "`instance@host` that may act; may have expired."),
    column("epoch", BigInteger, "Raised whenever the holder changes or lapsed; nodes keep it."),
    column("expires_at", Moment, "After this moment anybody may take it."),
    info={"kind": "site"},
)

tallies = Table(
    "tallies",
    metadata,
    Column("source", Exact, primary_key=True, doc="Who sent."),
    Column("day", String(10), primary_key=True, doc="UTC date of the answer, `2026-11-22`."),
    column("packages", BigInteger, "Object versions stored that day; duplicates not counted."),
    column("files", BigInteger, "Their files."),
    column("content_bytes", BigInteger, "Their bytes."),
    column("rejected", BigInteger, "Transfers rejected that day."),
    info={"kind": "index"},
)

findings, sweeps = finding_tables(metadata)
audits, suspects, mends, volumes = keeping_tables(metadata)
dispatch_notes, dispatch_lines = dispatch_tables(metadata)
layouts, members, moves = membership_tables(metadata)
told = chronicle_tables(metadata)
tree_changes, tree_sums = tree_tables(metadata)
