"""Give an accepted package to the nodes, and its sender the receipt, once and only once.

DESIGN.md promise 1 and "Same package twice" (§4); where custody passes at the signed registration,
docs/decisions/0014. The operation is on record before any node hears
of it; the receipt is signed by the notary from the nodes' own answers, and recorded in the
transaction that makes the package stored.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ingest_watch import answers as statements
from ingest_watch.answers import CopyStatement, Reason, TransferFacts
from ingest_watch.later_version import LaterVersions
from ingest_watch.object_builder import CONTENT, FILE_LIST, INVENTORY
from ingest_watch.places import Places
from ingest_watch.preparation import Acceptable
from ingest_watch.progress import Done
from ingest_watch.progress_notes import ProgressNotes
from ingest_watch.signing_desk import SigningDesk
from monitoring.log import get_log
from replication.inventory_fetch import InventoryAway
from replication.staged_source import StagedPutSource
from replication.writer import CopyWriter, PackageToStore, ProvenCopy
from storage.catalogue import answers, copies, packages, transfers
from storage.catalogue.errors import PackageExists
from storage.catalogue.model import (
    AnswerKind,
    Copy,
    CopyState,
    Facts,
    NewAnswer,
    NewPackage,
    Package,
    PackageState,
    Transfer,
    TransferState,
)
from storage.catalogue.transitions import WORKING
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.errors import Refusal
from storage.file_list import RECEIVED_PREFIX, read_file_list
from storage.model import ObjectVersion
from storage.volume.order import StoreOrder

log = get_log(__name__)

# How often a duplicate looks whether the first one has been stored.
_DUPLICATE_WAIT_S = 1.0
# How often a version asks for the inventory that it is built on, where no node gives it.
_INVENTORY_WAIT_S = 5.0
# What came first and is one of these by now was stored since it was looked for.
_STORED = frozenset({TransferState.STORED, TransferState.AWAITING_REGISTRATION})
# Copies of a package that is not stored after so long are put on record one by one.
_NOTE_S = 5.0


class PreparedDifferently(Refusal):
    """Preparing the package again gave another object than the one that is being written."""

    code = "prepared-differently"


class TwinStalled(Refusal):
    """The same package, or the version before it, is on record, and nobody is at work on it."""

    code = "twin-stalled"


class Keeping:
    """Stores packages. One for each intake process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        writer: CopyWriter,
        desk: SigningDesk,
        later: LaterVersions,
        places: Places,
        now: Callable[[], str],
    ) -> None:
        self._catalogue = catalogue
        self._writer = writer
        self._desk = desk
        self._later = later
        self._places = places
        self._copies_wanted = writer.copies
        self._now = now
        self._notes = ProgressNotes(catalogue, now)

    async def same_or_taken(self, package: Acceptable) -> Reason | None:
        """Why the package cannot be kept: its identifier stands for other bytes. None if it can."""
        source, facts = package.source, package.facts
        assert facts.identifier is not None, "an acceptable package has an identifier"
        known = await self._catalogue.look(packages.versions, source, facts.identifier)
        if not known or any(each.identity == facts.identity for each in known):
            return None
        if self._later.may_come_from(source):
            return None
        return Reason(
            "identifier-taken",
            None,
            f"the identifier {facts.identifier!r} already stands for a package with other bytes;"
            " this source may not send new versions",
            "该标识已对应内容不同的信息包;本来源不允许提交新版本。",
        )

    async def keep(
        self,
        transfer: Transfer,
        package: Acceptable,
        facts_of: Callable[[Transfer, Facts], TransferFacts],
    ) -> Reason | None:
        """Return None when the package is stored and its receipt is on record.

        Returns a reason when another package took the identifier meanwhile. Waits for nodes and
        notary as long as it takes; may be repeated at any time.
        """
        while True:
            same = await self._same(package)
            if same is not None and same.transfer_id != transfer.id:
                if same.state is PackageState.STORED:
                    crash_point("duplicate.found")
                    await self._finish_duplicate(transfer, package, same, facts_of)
                    crash_point("duplicate.told")
                    log.info("intake.package.known", transfer=transfer.id, package=same.id)
                    return None
                await self._expect_progress(same)
                await asyncio.sleep(_DUPLICATE_WAIT_S)
                continue
            built = await self._in_order(transfer, package)
            if built is None:
                continue
            try:
                begun = await self._begin(transfer, built)
            except PackageExists:
                taken = await self.same_or_taken(package)
                if taken is not None:
                    return taken
                continue
            await self._store(transfer, built, begun, facts_of(transfer, package.facts))
            return None

    async def _finish_duplicate(
        self,
        transfer: Transfer,
        package: Acceptable,
        same: Package,
        facts_of: Callable[[Transfer, Facts], TransferFacts],
    ) -> None:
        """The first one's receipt. One that was lost with a catalogue is made anew, by the answers
        that the nodes signed then (docs/operations/catalogue-lost.md)."""
        told = await self._catalogue.look(answers.is_given, same.transfer_id, AnswerKind.STORED)
        if told:
            at = self._now()
            await self._catalogue.do(packages.finish_duplicate, transfer.claim, same.id, at)
            return
        kept = await self._catalogue.look(copies.of_package, same.id)
        said = [CopyStatement(copy.node, copy.answer) for copy in kept]
        facts = facts_of(transfer, package.facts)
        body = await asyncio.to_thread(_stored_body, facts, package, same, said)
        receipt = await self._desk.signed(AnswerKind.STORED, body)
        await self._catalogue.do(
            packages.finish_again, transfer.claim, same.id, receipt, self._now()
        )

    async def _in_order(self, transfer: Transfer, package: Acceptable) -> Acceptable | None:
        """The package as the version that it becomes, or already is on record as.

        None after a while when the version before it is not stored yet, or not to be had.
        """
        facts = package.facts
        assert facts.identifier is not None
        known = await self._catalogue.look(packages.versions, package.source, facts.identifier)
        begun = [each for each in known if each.transfer_id == transfer.id]
        earlier = [each for each in known if not begun or each.version < begun[0].version]
        if not earlier or (not begun and not self._later.may_come_from(package.source)):
            return package
        if earlier[-1].state is not PackageState.STORED:
            await self._expect_progress(earlier[-1])
            await asyncio.sleep(_DUPLICATE_WAIT_S)
            return None
        try:
            return await self._later.build(package, earlier)
        except InventoryAway as away:
            log.warning("intake.version.delayed", transfer=transfer.id, reason=str(away))
            await asyncio.sleep(_INVENTORY_WAIT_S)
            return None

    async def _expect_progress(self, twin: Package) -> None:
        """Raise TwinStalled when waiting for `twin` would hold a place that nobody frees."""
        first = await self._catalogue.look(transfers.get, twin.transfer_id)
        if first.state not in WORKING | _STORED:
            raise TwinStalled(
                f"transfer {first.id} began to store the same package, or the version before it, "
                f"and is {first.state}: have that one finished (lantai transfers retry {first.id}),"
                " then this one"
            )

    async def _same(self, package: Acceptable) -> Package | None:
        facts = package.facts
        assert facts.identifier is not None
        assert facts.identity is not None
        return await self._catalogue.look(
            packages.find_same, package.source, facts.identifier, facts.identity
        )

    async def _begin(self, transfer: Transfer, package: Acceptable) -> Package:
        facts, built = package.facts, package.built
        assert facts.identifier is not None
        assert facts.identity is not None
        new = NewPackage(
            source=package.source,
            identifier=facts.identifier,
            identity=facts.identity,
            version=ObjectVersion(
                built.object_id, built.version, built.inventory_sha256,
                built.file_list.file_count, built.file_list.content_bytes,
            ),
            file_list_sha256=built.file_list.sha256,
            op_id=secrets.token_hex(16),
            copies_wanted=self._copies_wanted,
            matter=facts.matter,
            record_class=facts.record_class,
            retention=facts.retention,
        )  # fmt: skip
        begun = await self._catalogue.do(packages.begin_writing, transfer.claim, new, self._now())
        if begun.inventory_sha256 != built.inventory_sha256:
            raise PreparedDifferently(
                f"transfer {transfer.id} was being written as {begun.inventory_sha256} and is now "
                f"{built.inventory_sha256}: its original changed after it was accepted"
            )
        crash_point("intake.writing")
        return begun

    async def _store(
        self, transfer: Transfer, package: Acceptable, begun: Package, facts: TransferFacts
    ) -> None:
        proven: list[ProvenCopy] = []

        async def note(copy: ProvenCopy) -> None:
            proven.append(copy)
            if len(proven) == self._copies_wanted - 1:
                self._places.lacks_one_copy(transfer.id)
            crash_point("intake.copy-proven")

        built = package.built
        lists = built.lists_of(package.work)
        order = _order(begun, package, transfer.claim_epoch)
        written = _Written(order.total_bytes)
        to_store = PackageToStore(
            order=order,
            open_source=partial(
                StagedPutSource, lists / FILE_LIST, lists / INVENTORY, package.work / CONTENT
            ),
            proven=note,
            progress=written.note,
            delayed=written.delay,
            holders=await self._holders(begun),
        )
        async with self._notes.noted(transfer.claim, written.done):
            await self._store_noting(to_store, begun, proven)
        said = [CopyStatement(copy.peer.name, copy.answer) for copy in _by_node(proven)]
        body = await asyncio.to_thread(_stored_body, facts, package, begun, said)
        receipt = await self._desk.signed(AnswerKind.STORED, body)
        crash_point("intake.stored-signed")
        kept = [_copy(begun.id, copy) for copy in proven]
        if facts.awaits_registration:
            told = [*await self._notices(transfer, package, facts), receipt]
            await self._catalogue.do(
                packages.finish_unregistered, transfer.claim, begun.id, told, self._now(), kept
            )
        else:
            await self._catalogue.do(
                packages.finish, transfer.claim, begun.id, receipt, self._now(), kept
            )
        crash_point("intake.stored")
        log.info(
            "intake.package.stored", transfer=transfer.id, package=begun.id,
            content_bytes=built.file_list.content_bytes,
        )  # fmt: skip

    async def _notices(
        self, transfer: Transfer, package: Acceptable, facts: TransferFacts
    ) -> list[NewAnswer]:
        """That the form is there to be signed; none for a part, as people sign for its batch."""
        if transfer.batch_id is not None:
            return []
        body = statements.to_be_registered(facts, package.checks, package.built.version)
        return [await self._desk.signed(AnswerKind.REGISTRATION, body)]

    async def _holders(self, begun: Package) -> frozenset[str]:
        """Who has the version before: they alone can add one to it."""
        before = await self._catalogue.look(
            packages.find_version, begun.object_id, begun.version - 1
        )
        if before is None:
            return frozenset()
        held = await self._catalogue.look(copies.of_package, before.id)
        return frozenset(copy.node for copy in held)

    async def _store_noting(
        self, to_store: PackageToStore, begun: Package, proven: list[ProvenCopy]
    ) -> None:
        """Store; copies go on record with the receipt, or before it when a node is away.

        Nothing rests on the earlier record: a node asked again gives the same signed answer.
        """
        noting = asyncio.create_task(self._note_meanwhile(begun, proven))
        try:
            await self._writer.store(to_store)
        finally:
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)

    async def _note_meanwhile(self, begun: Package, proven: list[ProvenCopy]) -> None:
        noted = 0
        while True:
            await asyncio.sleep(_NOTE_S)
            for copy in proven[noted:]:
                await self._catalogue.do(copies.record, _copy(begun.id, copy))
                noted += 1


class _Written:
    """What the slowest node has written of one object, and which nodes do not take it now."""

    def __init__(self, total_bytes: int) -> None:
        self._done = Done(0, total_bytes)
        self._delays: dict[str, str] = {}

    def note(self, written_bytes: int) -> None:
        self._done = replace(self._done, bytes_done=written_bytes)

    def delay(self, node: str, reason: str) -> None:
        self._delays[node] = reason
        told = (f"{node}: {why}" for node, why in sorted(self._delays.items()) if why)
        self._done = replace(self._done, waits_for="; ".join(told))

    def done(self) -> Done:
        return self._done


def _stored_body(
    facts: TransferFacts, package: Acceptable, begun: Package, said: list[CopyStatement]
) -> bytes:
    files = (
        entry
        for entry in read_file_list(package.work / FILE_LIST)
        if entry.path.startswith(RECEIVED_PREFIX)
    )
    return statements.stored(facts, package.checks, begun.object_version, files, said)


def _by_node(proven: list[ProvenCopy]) -> list[ProvenCopy]:
    return sorted(proven, key=lambda copy: copy.peer.name)


def _copy(package_id: int, copy: ProvenCopy) -> Copy:
    return Copy(
        package_id=package_id,
        node=copy.peer.name,
        domain=copy.peer.domain,
        state=CopyState.COMMITTED,
        verify_mode=copy.said.verify_mode,
        committed_at=copy.said.committed_at,
        checked_at=None,
        answer=copy.answer,
    )


def _order(begun: Package, package: Acceptable, epoch: int) -> StoreOrder:
    built = package.built
    return StoreOrder(
        op_id=begun.op_id,
        object_id=built.object_id,
        version=built.version,
        epoch=epoch,
        file_list_bytes=built.file_list.list_bytes,
        inventory_bytes=built.inventory_bytes,
        content_bytes=built.file_list.content_bytes,
        file_count=built.file_list.file_count,
        file_list_sha256=built.file_list.sha256,
        inventory_sha256=built.inventory_sha256,
    )
