"""Which roles die where, over which stories: each named point of every role in one case at least.

Deaths of one case come one after the other: who died at the first is started with the order for
the next, so that a package is led through many crashes, and recovery is killed as well.
"""

from tests.crash_stories import (
    Again,
    Batched,
    Failed,
    Held,
    KillsReaders,
    LaterVersion,
    Lost,
    Marked,
    NeverWhole,
    Registered,
    Rehearsed,
    Rejected,
    RejectedThenMended,
    Released,
    SentBack,
    Story,
)
from tests.crash_telling import Case, Death
from tests.repair_stories import (
    Audited,
    IndexAhead,
    IndexUnreadable,
    Large,
    Mended,
    MendedForVersion,
    MendFails,
    Missed,
    OrderedSweep,
    PublishedThenRots,
    Storm,
    Stray,
    TornTail,
    VersionPublishedThenRots,
)


def _case(instance: str, story: type[Story], *orders: str) -> Case:
    return Case(story, tuple(Death(instance, order) for order in orders))


INGEST_CASES = (
    *(
        _case("ingest", Story, point)
        for point in (
            "intake.settled", "intake.claimed", "intake.staging", "worker.expecting",
            "intake.prepared", "intake.received-signed", "intake.accepted", "intake.writing",
            "intake.copy-proven", "intake.copy-proven:2", "intake.copy-proven:3",
            "intake.stored-signed", "catalogue.storing", "intake.stored",
            "durable.written", "durable.named", "durable.named:2", "durable.named:3",
            "durable.named:4", "durable.named:5", "durable.named:6", "durable.named:7",
            "delivery.signatures-written", "delivery.written", "delivery.marked",
            "delivery.original-moved", "delivery.staging-removed", "delivery.closed",
        )
    ),
    *(_case("ingest", KillsReaders, f"reader.{step}") for step in ("staged", "judged", "packed")),
    _case("ingest", Rejected, "intake.rejected-signed", "intake.rejected", "leftovers.cleared"),
    _case("ingest", Held, "intake.held-signed", "intake.held"),
    _case("ingest", Released, "decisions.released", "intake.accepted"),
    _case("ingest", SentBack, "decisions.reject-signed", "decisions.rejected"),
    _case("ingest", LaterVersion, "version.fetched", "version.built"),
    _case("ingest", Again, "duplicate.found", "duplicate.told"),
    _case("ingest", Batched, "worker.asking", "batch.divided", "intake.accepted:2"),
    _case("ingest", Batched, "intake.stored", "batch.rejoined"),
    _case("ingest", Batched, "intake.stored:3"),
    _case("ingest", Batched, "delivery.original-moved"),
    _case("ingest", Rehearsed, "rehearsal.judged", "rehearsal.told"),
    _case("ingest", NeverWhole, "intake.put-back"),
    _case("ingest", Marked, "delivery.marker-moved"),
    _case("ingest", RejectedThenMended, "earlier.moved"),
    _case("ingest", Story, "intake.writing", *["intake.taken-over"] * 5),
    _case("ingest", Registered, "catalogue.storing"),
    _case("ingest", Registered, "intake.stored", "decisions.registered"),
    _case("ingest", Story, "intake.copy-proven", "intake.taken-up"),
    _case("ingest", Lost, "intake.accepted", "intake.failed"),
    _case("ingest", Lost, "intake.accepted", "decisions.retried"),
    _case("ingest", Failed, "intake.accepted", "reader.verified"),
)  # fmt: skip

# A package that is led through its whole life with a crash at each step.
INGEST_CHAINS = (
    _case(
        "ingest", Story, "intake.settled", "intake.claimed", "intake.staging", "worker.expecting",
        "intake.prepared", "intake.received-signed", "intake.accepted", "intake.taken-over",
        "intake.taken-up", "intake.writing", "intake.copy-proven:2", "intake.stored-signed",
        "catalogue.storing", "intake.stored", "delivery.signatures-written",
    ),
    _case(
        "ingest", Story, "intake.stored", "durable.written", "durable.named", "durable.named:3",
        "delivery.signatures-written", "delivery.written", "delivery.marked",
        "delivery.original-moved", "delivery.staging-removed", "delivery.closed",
    ),
)  # fmt: skip

_RECOVERY = (
    "recovery.found", "recovery.synced", "recovery.recorded", "recovery.discarded",
    "volume.opened", "wire.answering", "wire.answered",
)  # fmt: skip

NODE_CASES = (
    _case(
        "node-1", Story, "volume.staging-made", "volume.announced", "volume.bytes-written",
        "volume.version-received", "volume.sealed", "volume.group-synced",
        "volume.group-read-back", "volume.tuples-made", "volume.published", *_RECOVERY,
    ),
    _case("node-1", Story, "volume.publication-synced", *_RECOVERY),
    _case("node-1", Story, "journal.written", "recovery.found", "journal.written"),
    _case("node-1", Story, "journal.synced", "journal.synced", "recovery.discarded"),
    _case("node-1", Story, "index.taking-in", "index.taking-in", "recovery.discarded"),
    _case("node-1", Story, "volume.recorded", "recovery.found", "recovery.discarded"),
    _case("node-1", Story, "volume.cleared", "wire.answered"),
    _case(
        "node-1", LaterVersion, "volume.announced", "recovery.version-withdrawn", "volume.sealed",
        "recovery.version-withdrawn", "volume.version-published", "recovery.root-file-made",
        "recovery.version-finished", *_RECOVERY,
    ),
    _case("node-1", LaterVersion, "volume.root-file-replaced", "recovery.version-finished"),
    _case("node-1", LaterVersion, "volume.root-file-replaced:2", "recovery.version-finished"),
    _case(
        "node-1", Mended, "sweep.pass-recorded", "sweep.judged", "sweep.found", "sweep.recorded",
        "mender.begun", "mender.received", "volume.exchanged", "volume.set-aside",
        "recovery.synced", "recovery.recorded",
    ),
    _case("node-1", Mended, "volume.set-aside", "recovery.found", "recovery.recorded"),
    _case("node-1", Mended, "mender.mended"),
    _case("node-1", MendedForVersion, "mender.begun", "mender.received", "mender.mended"),
    _case("node-1", MendedForVersion, "volume.exchanged", "recovery.synced"),
    _case("node-1", Stray, "sweep.found", "volume.set-aside", "sweep.pass-recorded"),
    _case("node-1", Stray, "sweep.stray-aside"),
    _case("node-1", TornTail, "volume.recorded", "journal.tail-kept", "volume.opened"),
    _case("node-1", IndexUnreadable, "volume.published", "index.put-aside", "volume.opened"),
    _case("node-1", IndexAhead, "volume.publication-synced", "index.cleared", "recovery.synced"),
    _case("node-1", PublishedThenRots, "volume.published", "recovery.quarantined"),
    _case(
        "node-1", VersionPublishedThenRots, "volume.version-published", "recovery.quarantined",
        "recovery.discarded",
    ),
    _case("node-1", Large, *["volume.part-synced"] * 3),
    Case(
        Story, (Death("ingest", "intake.writing"), Death("node-1", "volume.epoch-recorded"))
    ),
    Case(
        Story,
        (
            Death("node-1", "volume.group-synced"), Death("node-2", "volume.published"),
            Death("node-3", "journal.written"), Death("ingest", "intake.copy-proven"),
        ),
    ),
)  # fmt: skip

KEEPER_CASES = (
    _case("keeper", Story, "keeper.volume-met", "keeper.lease-held"),
    _case(
        "keeper", Mended, "keeper.findings-heard", "keeper.finding-recorded", "keeper.planned",
        "keeper.mend-ordering", "keeper.mend-answered", "keeper.mend-recorded",
    ),
    _case(
        "keeper", MendedForVersion, "keeper.findings-heard", "keeper.finding-recorded",
        "keeper.planned", "keeper.mend-ordering", "keeper.mend-answered", "keeper.mend-recorded",
    ),
    _case("keeper", MendFails, "keeper.mend-failed"),
    _case("keeper", Stray, "keeper.finding-settled"),
    _case(
        "keeper", OrderedSweep, "keeper.order-begun", "keeper.order-carried-out",
        "keeper.order-finished", "keeper.sweep-recorded",
    ),
    _case("keeper", Audited, "keeper.audit-answered", "keeper.audit-recorded"),
    _case("keeper", Missed, "keeper.copy-missed", "keeper.mend-recorded"),
    _case("keeper", Missed, "keeper.compared"),
    _case("keeper", Missed, "keeper.mend-answered"),
)  # fmt: skip

NOTARY_CASES = (
    _case("notary", Story, "notary.examined", "notary.signed", "notary.examined:2"),
    _case("notary", Rejected, "notary.signed", "notary.examined"),
)

# Where power is cut a reader dies once, and the package is read again.
INGEST_CUTS = (
    *INGEST_CHAINS,
    *(case for case in INGEST_CASES if not any(death.is_readers for death in case.deaths)),
    _case("ingest", Story, "reader.staged", "reader.judged", "reader.packed"),
    _case("ingest", Story, "intake.accepted", "reader.verified"),
)
NODE_CUTS = (
    _case("node-1", Story, "wire.answering", "wire.answered"),
    _case("node-1", Mended, "mender.begun", "mender.received", "mender.mended"),
    _case("node-1", Mended, "sweep.found", "volume.exchanged", "volume.set-aside"),
    _case("node-1", Story, "volume.published", "journal.written", "volume.recorded"),
    _case("node-1", LaterVersion, "volume.version-published", "volume.root-file-replaced"),
    Case(
        Story, (Death("ingest", "intake.writing"), Death("node-1", "volume.epoch-recorded"))
    ),
)  # fmt: skip

# Passed where no role of an appliance comes by; the volume in a process of its own does.
IN_PROCESS_ONLY = frozenset({"journal.segment-made"})
# Only for an appliance that stops mending early (tests/faults/test_role_crash_points.py).
STORM_CASE = _case("keeper", Storm, "keeper.node-suspected", "keeper.planned")
IN_A_STORM = frozenset({"keeper.node-suspected"})

ALL_CASES = (*INGEST_CASES, *INGEST_CHAINS, *NODE_CASES, *KEEPER_CASES, *NOTARY_CASES)
