"""The role `ingest`: watches drop folders and leads packages to their answers.

Joins ingest_watch to the catalogue, the nodes and the notary; decides nothing itself.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from daemon.config import Config, Ingest, Source, required
from daemon.control import ControlRefused, Request
from daemon.lifecycle import Opening, Part, Role, Work
from daemon.roles.catalogue_guard import CatalogueGuard
from daemon.roles.ingest_metrics import IngestFigures
from daemon.roles.ingest_readers import LaneReaders, open_lanes
from daemon.roles.ingest_rehearsals import rehearsal_part
from daemon.roles.ingest_tallies import TallyParts
from daemon.roles.openings import holder_name, open_clients, open_writer, peers_of, utc_now
from ingest_watch.arrivals import Arrivals
from ingest_watch.check_profile import named_profile
from ingest_watch.decisions import Decisions
from ingest_watch.delivery import Delivery, SourceFolders
from ingest_watch.desks import Desks
from ingest_watch.drop_folder import DropFolder
from ingest_watch.intake import ClaimTerms, Intake
from ingest_watch.keeping import Keeping
from ingest_watch.lanes import Priority
from ingest_watch.later_version import LaterVersions
from ingest_watch.leftovers import clear_closed, clear_leftovers
from ingest_watch.places import Places
from ingest_watch.preparation import Profile
from ingest_watch.settle import CompleteWhen, Settler, SettleRule
from ingest_watch.signing_desk import SigningDesk
from ingest_watch.transfer import IntakeTools, SenderSettings, TransferLead
from ingest_watch.watch import FolderWatch
from monitoring.catalogue_metrics import CatalogueMetrics
from monitoring.ingest_metrics import IngestMetrics
from monitoring.log import get_log
from monitoring.metrics import new_registry
from replication.inventory_fetch import InventoryFetch
from replication.layout_watch import LayoutWatch
from replication.placements import Placements
from replication.writer import CopyWriter
from storage.catalogue.model import Actor, Transfer
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

log = get_log(__name__)

ROLE = "ingest"
# What goes on while the catalogue may not be written (catalogue_guard.py).
READING = frozenset({"figures", "readers", "membership"})
_DELIVERY_S = 5.0
_LAYOUT_S = 2.0
# After a look at very many files the next one waits so many times as long as this one took.
_LONG_LOOK_S = 1.0
_RESTS_AFTER_LOOK = {"daily": 2.0, "backlog": 10.0}
_STATE_FOLDER = ".sources"
_REASON_CHARACTERS_MAX = 500
_DIGITS_MAX = 18  # a catalogue's numbers have 63 bits


def build(config: Config) -> Role:
    """Raises ConfigurationError when the file has no [ingest]."""
    settings = required(config.ingest, ROLE)
    registry = new_registry(ROLE, settings.name)
    metrics = IngestMetrics(registry)

    async def open_role(opening: Opening) -> Work:
        _make_folders(settings)
        catalogue = await open_writer(config, opening)
        await clear_leftovers(settings.staging_folder, catalogue)
        clients = await open_clients(config, opening, ROLE, settings.name)
        readers = await open_lanes(settings, opening)
        desk = SigningDesk(settings.notary_socket)
        places = Places(settings.packages_waiting_max)
        placements = Placements(peers_of(config), config.site.copies)
        watch = LayoutWatch(catalogue, placements)
        await watch.look()
        writer = CopyWriter(clients, placements)
        later = LaterVersions(catalogue, InventoryFetch(clients), _senders_of_versions(settings))
        tools = IntakeTools(
            archive=config.site.name,
            staging=settings.staging_folder,
            senders={source.name: _sender(settings, source) for source in settings.sources},
            catalogue=catalogue,
            desk=desk,
            keeping=Keeping(catalogue, writer, desk, later, places, _now),
            prepare=readers.prepare,
            take_up=readers.take_up,
            now=_now,
            places=places,
        )
        guard = CatalogueGuard(catalogue, clients, CatalogueMetrics(registry))
        holder = holder_name(settings.name)
        desks = Desks(catalogue, holder, utc_now, time.monotonic, settings.claim_s)
        opening.stack.push_async_callback(desks.release)
        work = RunningIngest(settings, catalogue, tools, readers, metrics, desks).work()
        work = Work((*work.parts, Part("membership", partial(_heed, watch))), work.verbs)
        return guard.hold(work, READING)

    return Role(ROLE, settings.name, settings.metrics_address, registry, open_role)


async def _heed(watch: LayoutWatch, part: Part) -> None:
    while True:
        part.beat(await watch.look())
        await part.pause(_LAYOUT_S)


def _senders_of_versions(settings: Ingest) -> frozenset[str]:
    return frozenset(each.name for each in settings.sources if each.versions == "allow")


class RunningIngest:
    """The intake's loops and its answers to operators."""

    def __init__(
        self,
        settings: Ingest,
        catalogue: CatalogueWriter,
        tools: IntakeTools,
        readers: LaneReaders,
        metrics: IngestMetrics,
        desks: Desks,
    ) -> None:
        self._settings = settings
        self._readers = readers
        self._catalogue = catalogue
        self._answered = asyncio.Event()
        arrivals = {
            priority: [
                _arrivals(settings, source, catalogue)
                for source in settings.sources
                if source.priority == priority
            ]
            for priority in Priority
        }
        self._intake = Intake(
            catalogue, arrivals, TransferLead(tools),
            ClaimTerms(holder_name(settings.name), settings.claim_s), utc_now,
            self._answered.set,
        )  # fmt: skip
        self._decisions = Decisions(tools.archive, catalogue, tools.desk, _now)
        folders = {source.name: _folders(settings, source) for source in settings.sources}
        serves = desks.serves
        self._delivery = Delivery(catalogue, folders, settings.staging_folder, _now, serves)
        self._rehearsing = [
            rehearsal_part(source, settings.scan_s, tools, serves) for source in settings.sources
        ]
        self._tallies = TallyParts(settings.sources, folders, catalogue, _now, serves)
        self._figures = IngestFigures(metrics, catalogue, settings)

    def work(self) -> Work:
        """Parts and verbs."""
        watching = (
            Part(f"source {source.name}", partial(self._watch, source))
            for source in self._settings.sources
        )
        parts = (
            *watching,
            *self._rehearsing,
            Part("packages", self._lead),
            Part("takeover", self._take_over),
            Part("delivery", self._deliver),
            Part("tally", self._tallies.run),
            Part("figures", self._measure),
            Part("readers", self._tell_of_readers),
        )
        verbs: dict[str, Callable[[Request], Awaitable[Any]]] = {
            "release": partial(self._decide, self._decisions.release),
            "reject": partial(self._decide, self._decisions.reject),
            "retry": partial(self._decide, self._decisions.retry),
            "register": partial(self._decide, self._decisions.register),
        } | self._tallies.verbs()
        return Work(parts, verbs)

    async def _watch(self, source: Source, part: Part) -> None:
        settings = self._settings
        quick_s = min(settings.scan_s, source.quiet_s)
        async with FolderWatch(source.drop_folder, polling=source.polling, pause_s=0.2) as watch:
            away = False
            while True:
                began_s = time.monotonic()
                with part.patient("Looking"):
                    look = await self._intake.look(source.name)
                took_s = time.monotonic() - began_s
                self._figures.drop_folder(source.name, available=not look.unavailable)
                if look.unavailable:
                    log.warning("intake.source.unavailable", source=source.name)
                    part.beat(f"Unavailable 不可用: {look.unavailable}")
                elif away:
                    await watch.renew()
                else:
                    part.beat(f"{len(look.ready)} ready, {look.waiting} waiting")
                away = bool(look.unavailable)
                # What is waiting becomes quiet without an event.
                await watch.hint(quick_s if look.waiting else settings.scan_s)
                if took_s > _LONG_LOOK_S:
                    await part.pause(took_s * _RESTS_AFTER_LOOK[source.priority])

    async def _lead(self, part: Part) -> None:
        async with asyncio.TaskGroup() as leading:
            for _ in range(self._settings.packages_in_flight):
                leading.create_task(self._intake.work(Priority.DAILY))
            for _ in range(self._settings.backlog_packages_in_flight):
                leading.create_task(self._intake.work(Priority.BACKLOG))
            while True:
                part.beat(self._intake.sentence())
                await part.pause(2)

    async def _take_over(self, part: Part) -> None:
        while True:
            taken = await self._intake.resume()
            await clear_closed(self._settings.staging_folder, self._catalogue)
            part.beat(f"{taken} taken over" if taken else "Nothing was left behind")
            await part.pause(self._settings.scan_s, self._intake.batch_moved)

    async def _deliver(self, part: Part) -> None:
        while True:
            with part.patient("Delivering answers"):
                delivered = await self._delivery.round()
            part.beat(f"{delivered} answers delivered")
            await part.pause(_DELIVERY_S, self._answered)

    async def _measure(self, part: Part) -> None:
        while True:
            self._figures.scope_tables(self._readers.scopes)
            self._figures.reader_deaths(self._readers.deaths)
            part.beat(await self._figures.measure())
            await part.pause(2)

    async def _tell_of_readers(self, part: Part) -> None:
        while True:
            part.beat(self._readers.status)
            await part.pause(2)

    async def _decide(
        self, decision: Callable[[int, str, Actor], Awaitable[Transfer]], request: Request
    ) -> dict[str, Any]:
        reason = request.text("reason")
        if not reason.strip() or len(reason) > _REASON_CHARACTERS_MAX:
            raise ControlRefused(f"a reason has 1 to {_REASON_CHARACTERS_MAX} characters")
        actor = Actor(request.caller.user_name, "control socket")
        decided = await decision(_number(request.text("transfer")), reason, actor)
        self._answered.set()
        return {"transfer": str(decided.id), "state": decided.state}


def _number(text: str) -> int:
    """A transfer's number. Raises ControlRefused."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise ControlRefused(f"{text!r} is no transfer's number; see `lantai transfers`")
    return int(text)


def _now() -> str:
    return to_text(utc_now())


def _make_folders(settings: Ingest) -> None:
    """Staging is ours alone; the senders' folders are the site's to make."""
    settings.staging_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.staging_folder.chmod(0o700)
    (settings.staging_folder / _STATE_FOLDER).mkdir(exist_ok=True)


def _rule(source: Source) -> SettleRule:
    return SettleRule(
        CompleteWhen(source.complete_when),
        os.fsencode(source.marker),
        source.quiet_s,
        source.patience_hours * 3600,
    )


def _arrivals(settings: Ingest, source: Source, catalogue: CatalogueWriter) -> Arrivals:
    folder = _drop_folder(settings, source)
    return Arrivals(source.name, folder, Settler(folder.rule), catalogue, _now, time.monotonic)


def _drop_folder(settings: Ingest, source: Source) -> DropFolder:
    state_file = settings.staging_folder / _STATE_FOLDER / f"{source.name}.json"
    return DropFolder(source.drop_folder, state_file, _rule(source))


def _sender(settings: Ingest, source: Source) -> SenderSettings:
    checks = None if source.profile is None else named_profile(source.profile)
    profile = Profile(source.formats, source.identifier, source.names_encoding, checks)
    return SenderSettings(
        _drop_folder(settings, source), profile, source.unit, source.custody == "registration"
    )


def _folders(settings: Ingest, source: Source) -> SourceFolders:
    accepted = source.accepted_folder or source.drop_folder.parent / "accepted"
    drop = _drop_folder(settings, source)
    mark = settings.staging_folder / _STATE_FOLDER / f"{source.name}.return-mounted"
    return SourceFolders(
        source.name, drop, source.return_folder, accepted, source.platform_receipts, mark
    )
