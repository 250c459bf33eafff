"""The tables of a node's index, column by column.

docs/formats/volume.md: everything here is made from the journal, except the two times of
checking in `objects` and how far the passes in `sweep_cycles` are.
Holds no queries.
"""

SCHEMA_VERSION = 3

SCHEMA = """
BEGIN;

-- One row for each object that is kept here. Written from `committed` and `mended` records.
CREATE TABLE objects (
    object_id        TEXT PRIMARY KEY,
    source           TEXT NOT NULL,     -- its part of the object id; empty if it has none
    head             INTEGER NOT NULL,  -- newest version
    inventory_sha256 TEXT NOT NULL,     -- of the root inventory with that head
    file_count       INTEGER NOT NULL,  -- of all versions, as the next
    content_bytes    INTEGER NOT NULL,
    -- RFC 3339 UTC. When this copy was last read whole and found intact: at its commit, later by
    -- the sweep. Not in the journal: after a rebuild it is the time of the commit, which is too
    -- old and therefore safe.
    checked_at       TEXT NOT NULL,
    -- When a sweep last looked at it, intact or not; at first the time of the commit. Never
    -- smaller than checked_at. Not in the journal either.
    swept_at         TEXT NOT NULL,
    segment          INTEGER NOT NULL,  -- where the record stands that committed this copy
    offset           INTEGER NOT NULL,
    -- Folder below the root, only where its name was cut and does not tell the object id.
    folder           TEXT,
    -- Sweeps that read it whole and found it intact since it was committed here. Not in the
    -- journal: after a rebuild it is 0, as if none had, which is safe.
    sweeps           INTEGER NOT NULL DEFAULT 0,
    partition        INTEGER NOT NULL DEFAULT 0  -- of the hash tree, from its object id
) WITHOUT ROWID;
CREATE INDEX objects_by_age ON objects (source, checked_at, object_id);
CREATE INDEX objects_never_swept ON objects (checked_at) WHERE sweeps = 0;
CREATE INDEX objects_by_partition ON objects (partition, object_id);
CREATE UNIQUE INDEX objects_by_cut_folder ON objects (folder) WHERE folder IS NOT NULL;

-- Totals of `objects` by source, so that a class of sources is known without counting.
CREATE TABLE sources (
    source        TEXT PRIMARY KEY,
    objects       INTEGER NOT NULL,
    files         INTEGER NOT NULL,
    content_bytes INTEGER NOT NULL
) WITHOUT ROWID;

-- One row for each partition of the hash tree that ever had a leaf (docs/wire/tree.md).
CREATE TABLE tree (
    partition INTEGER PRIMARY KEY,
    objects   INTEGER NOT NULL,         -- leaves in it
    sum       BLOB NOT NULL             -- over them, 512 bytes
);

-- One row for each operation that was answered, so that asking again gets the same answer.
CREATE TABLE operations (
    op_id            TEXT PRIMARY KEY,
    object_id        TEXT NOT NULL,
    version          INTEGER NOT NULL,
    inventory_sha256 TEXT NOT NULL,
    file_list_sha256 TEXT NOT NULL,
    segment          INTEGER NOT NULL,
    offset           INTEGER NOT NULL
) WITHOUT ROWID;

-- Baselines are append-only (docs/decisions/0009): a version of an object keeps its digest for
-- ever, whatever a later record or a stranger's statement says.
CREATE TRIGGER objects_digest_never_updated BEFORE UPDATE OF inventory_sha256 ON objects
WHEN OLD.inventory_sha256 IS NOT NEW.inventory_sha256 AND OLD.head >= NEW.head
BEGIN SELECT RAISE(ABORT, 'baselines are append-only'); END;
CREATE TRIGGER objects_digest_never_replaced BEFORE INSERT ON objects
WHEN EXISTS (SELECT 1 FROM objects WHERE object_id = NEW.object_id AND head >= NEW.head
             AND inventory_sha256 IS NOT NEW.inventory_sha256)
BEGIN SELECT RAISE(ABORT, 'baselines are append-only'); END;
CREATE TRIGGER operations_never_updated BEFORE UPDATE ON operations
BEGIN SELECT RAISE(ABORT, 'baselines are append-only'); END;

-- Damage found, for ever; mended_at is null until a good copy took the place of the bad one.
CREATE TABLE findings (
    sequence  INTEGER PRIMARY KEY,      -- of the journal record
    found_at  TEXT NOT NULL,
    object_id TEXT NOT NULL,            -- empty for a stray
    kind      TEXT NOT NULL,
    path      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    evidence  TEXT NOT NULL,            -- JSON: digests expected and observed, bad range, errno
    mended_at TEXT
);
CREATE INDEX findings_open ON findings (object_id) WHERE mended_at IS NULL;

-- Highest epoch seen; a scope without a row has seen epoch 1 at most.
CREATE TABLE epochs (
    scope TEXT PRIMARY KEY,             -- 'keeper', or an op_id
    epoch INTEGER NOT NULL
) WITHOUT ROWID;

-- Passes of the sweep, from `sweep-cycle` records.
CREATE TABLE sweep_cycles (
    number      INTEGER PRIMARY KEY,
    started_at  TEXT NOT NULL,
    finished_at TEXT,                   -- null while it runs
    checked_objects INTEGER NOT NULL,   -- at least; what was done so far
    read_bytes      INTEGER NOT NULL,
    damaged_objects INTEGER NOT NULL,
    kind        TEXT NOT NULL,          -- storage.sweep.model.PassKind
    scope       TEXT NOT NULL,          -- PassScope
    subject     TEXT NOT NULL,          -- of the scope: a class, a source, an object id, a share
    reason      TEXT NOT NULL           -- Reason
);
CREATE INDEX sweep_cycles_unfinished ON sweep_cycles (number) WHERE finished_at IS NULL;

-- How far a pass is, over all restarts. Not in the journal: what is lost here is read twice.
CREATE TABLE sweep_progress (
    number        INTEGER PRIMARY KEY,
    objects       INTEGER NOT NULL,
    files         INTEGER NOT NULL,
    content_bytes INTEGER NOT NULL,
    cursor        TEXT NOT NULL         -- quick passes: looked at up to this object id
);

-- One row: the last `opened` record, and whether `closed` followed.
CREATE TABLE opening (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    closed   INTEGER NOT NULL,
    kernel   TEXT NOT NULL,             -- empty where it could not be read, as the next two
    device   TEXT NOT NULL,
    software TEXT NOT NULL
);

-- One row: the last journal record taken in, and the totals then.
CREATE TABLE reached (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    sequence      INTEGER NOT NULL,
    segment       INTEGER NOT NULL,
    offset        INTEGER NOT NULL,
    objects       INTEGER NOT NULL,
    content_bytes INTEGER NOT NULL
);
INSERT INTO reached VALUES (1, 0, 1, 0, 0, 0);

PRAGMA user_version = 3;
COMMIT;
"""

# From version 2, whose objects were in no partition.
FROM_VERSION_2 = """
ALTER TABLE objects ADD COLUMN partition INTEGER NOT NULL DEFAULT 0;
UPDATE objects SET partition=partition_of(object_id);
CREATE INDEX objects_by_partition ON objects (partition, object_id);
CREATE TABLE tree (
    partition INTEGER PRIMARY KEY,
    objects   INTEGER NOT NULL,
    sum       BLOB NOT NULL
);
PRAGMA user_version = 3;
"""

# Apart, because indexes without it were made before there was anything to be told: no record of
# theirs is missing here, and making them anew would forget when each object was checked.
CHRONICLE = """
-- One row: how far this node has been told of the catalogue's ledger; none: not at all.
CREATE TABLE IF NOT EXISTS chronicle (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    event_sequence INTEGER NOT NULL,
    answer_id      INTEGER NOT NULL,
    chain          TEXT NOT NULL        -- hash behind that event
);
"""
