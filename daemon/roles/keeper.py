"""The role `keeper`: leads while it holds the lease; mends what nodes find; carries out orders.

DESIGN.md §3. Decisions are replication/repair_plan.py's, acts replication/keeper.py's.
"""

import asyncio
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from daemon.config import Config, required
from daemon.config import Keeper as KeeperSettings
from daemon.control import ControlRefused, Request, Verb
from daemon.keys import KeyFolder
from daemon.lifecycle import Opening, Part, Role, Work
from daemon.roles.catalogue_guard import CatalogueGuard
from daemon.roles.keeper_absences import KeeperAbsences
from daemon.roles.keeper_audits import KeeperAudits
from daemon.roles.keeper_comparison import KeeperComparison
from daemon.roles.keeper_membership import KeeperMembership, MembershipTools
from daemon.roles.keeper_reports import KeeperReports, Maker
from daemon.roles.openings import holder_name, open_clients, open_writer, utc_now
from daemon.roles.records import Records
from monitoring.account_metrics import KeeperAccountMetrics
from monitoring.catalogue_metrics import CatalogueMetrics, TellingMetrics
from monitoring.comparison_metrics import ComparisonMetrics
from monitoring.membership_metrics import MembershipMetrics
from monitoring.metrics import AuditMetrics, KeeperMetrics, Totals, new_registry
from replication.hearing import Hearing
from replication.keeper import Keeper, plan_sentence
from replication.layout_keeping import LayoutKeeping
from replication.moving import MoveLimits, Mover
from replication.node_client import NodeClient
from replication.repair import Repair, RepairLimits
from replication.repair_plan import RepairPlan, StormLimits
from replication.sweep_actions import Action, SweepAction
from replication.telling import Teller
from storage.catalogue import figures, orders
from storage.catalogue.model import Actor
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.signing import SigningKey, VerifyKey
from storage.sweep.model import SweepStatus

ROLE = "keeper"
NOTHING_PLANNED = RepairPlan()
# What is not told yet would be missed in a catalogue that must be rebuilt; pages want to be full.
_TELLING_S = 2.0
# What goes on while the catalogue may not be written (catalogue_guard.py).
READING = frozenset(
    {
        "figures",
        "status",
        "sweep-status",
        "audit-status",
        "audit-order",
        "findings",
        "events",
        "nodes",
        "node-show",
    }
)


def build(config: Config) -> Role:
    """Raises ConfigurationError when the file has no [keeper]."""
    settings = required(config.keeper, ROLE)
    registry = new_registry(ROLE, settings.name)
    metrics = KeeperMetrics(registry)
    audit_metrics = AuditMetrics(registry)
    account_metrics = KeeperAccountMetrics(registry)

    async def open_role(opening: Opening) -> Work:
        catalogue = await open_writer(config, opening)
        clients = await open_clients(config, opening, ROLE, settings.name)
        key = KeyFolder(config.site.keys_folder).signing_key(settings.name)
        limits = RepairLimits(settings.repairs_in_flight, storm_limits(settings))
        repair = Repair(catalogue, clients, key, limits, utc_now)
        opening.stack.push_async_callback(repair.close)
        keeper = Keeper(
            catalogue, clients, repair, holder_name(settings.name), settings.lease_s, utc_now
        )
        opening.stack.push_async_callback(keeper.release)
        domains = {peer.name: peer.domain for peer in config.peers}
        absences = KeeperAbsences(catalogue, domains, account_metrics)
        teller, telling = Teller(catalogue, clients, utc_now), TellingMetrics(registry)
        tools = Tools(catalogue, clients, keeper, repair, absences, teller, telling)
        running = RunningKeeper(settings, tools, metrics, ComparisonMetrics(registry))
        audits = KeeperAudits(
            settings.audit, catalogue, clients, audit_metrics, lambda: keeper.leads, running.woken
        )
        maker = Maker(config.site.name, holder_name(settings.name), key, domains)
        hearing = Hearing(catalogue, clients, utc_now)
        reports = KeeperReports(
            maker, settings, catalogue, hearing, account_metrics, lambda: keeper.leads
        )
        work = running.work(audits, reports)
        members, mover = _membership(config, settings, tools, key, MembershipMetrics(registry))
        opening.stack.push_async_callback(mover.close)
        work = Work((*work.parts, *members.parts()), {**work.verbs, **members.verbs()})
        guard = CatalogueGuard(catalogue, clients, CatalogueMetrics(registry))
        return guard.hold(work, READING)

    return Role(ROLE, settings.name, settings.metrics_address, registry, open_role)


def _membership(
    config: Config,
    settings: KeeperSettings,
    tools: "Tools",
    key: SigningKey,
    metrics: MembershipMetrics,
) -> tuple[KeeperMembership, Mover]:
    catalogue, clients = tools.catalogue, tools.clients
    limits = MoveLimits(settings.moves_in_flight, settings.min_part_hours)
    others = [VerifyKey.from_hex(each) for each in settings.other_verify_keys]
    keeping = LayoutKeeping(catalogue, clients, key, config.site.copies, utc_now, others)
    mover = Mover(catalogue, clients, tools.repair.orders, limits, utc_now)
    of_members = MembershipTools(catalogue, clients, tools.keeper, keeping, tools.repair, mover)
    return KeeperMembership(settings, of_members, metrics), mover


def storm_limits(settings: KeeperSettings) -> StormLimits:
    """[keeper] as the storm guard is told it."""
    return StormLimits(
        settings.mends_per_node_hour_max,
        settings.damaged_share_per_node_hour_max,
        settings.damaged_nodes_per_hour_max,
    )


def sweep_members(node: str, status: SweepStatus | str) -> dict[str, Any]:
    """One node's sweep as docs/operations/control.md has it; a text says why it does not answer."""
    if isinstance(status, str):
        return {"node": node, "message": status}
    return {"node": node, **asdict(status)}


@dataclass(frozen=True, slots=True)
class Tools:
    """What the keeper's loops work with."""

    catalogue: CatalogueWriter
    clients: dict[str, NodeClient]
    keeper: Keeper
    repair: Repair
    absences: KeeperAbsences
    teller: Teller
    telling: TellingMetrics


class RunningKeeper:
    """The keeper's loops and its answers to operators."""

    def __init__(
        self,
        settings: KeeperSettings,
        tools: Tools,
        metrics: KeeperMetrics,
        compared: ComparisonMetrics,
    ) -> None:
        self._settings = settings
        self._catalogue = tools.catalogue
        self._clients = tools.clients
        self._keeper = tools.keeper
        self._repair = tools.repair
        self._absences = tools.absences
        self._teller = tools.teller
        self._telling = tools.telling
        self._metrics = metrics
        self.woken = asyncio.Event()
        self._changed = asyncio.Event()  # something happened that the figures must show
        self._totals = Totals()
        self._plan = NOTHING_PLANNED
        self._comparison = KeeperComparison(
            tools.keeper, tools.repair, 60 * settings.compare_minutes, compared, self._changed
        )

    def work(self, audits: KeeperAudits, reports: KeeperReports) -> Work:
        """Parts and verbs."""
        parts = (
            Part("lease", self._lead, silence_s_max=max(30, 2 * self._settings.lease_s)),
            Part("hearing", self._hear),
            Part("repair", self._mend),
            self._comparison.part(),
            Part("telling", self._tell),
            audits.part(),
            *reports.parts(),
            Part("figures", self._measure),
        )
        verbs: dict[str, Verb] = {
            "status": self._status,
            "sweep-start": partial(self._order_sweep, "start"),
            "sweep-pause": partial(self._order_sweep, "pause"),
            "sweep-resume": partial(self._order_sweep, "resume"),
            "sweep-status": self._sweep_status,
        }
        records = Records(self._catalogue.look)
        verbs |= self._absences.verbs() | audits.verbs()
        return Work(parts, verbs | reports.verbs() | records.verbs())

    async def _lead(self, part: Part) -> None:
        while True:
            leading = await self._keeper.hold_lease()
            self._metrics.leading.set(leading)
            part.beat("Leading" if leading else "Standing by: another keeper leads")
            await part.pause(self._settings.lease_s / 3)

    async def _hear(self, part: Part) -> None:
        while True:
            with part.patient("Hearing the nodes"):
                heard = await self._keeper.hear()
            part.beat("Standing by" if heard is None else heard.sentence())
            if heard is not None and heard.new_findings:
                self._changed.set()
            await part.pause(self._settings.cycle_s, self.woken)

    async def _mend(self, part: Part) -> None:
        while True:
            with part.patient("Mending"):
                plan = await self._keeper.mend()
            # Who stands by knows nothing of its own, least of all what it knew when it led.
            self._plan = plan or NOTHING_PLANNED
            if plan is not None:
                part.beat(plan_sentence(plan))
                if plan.mends:
                    self._changed.set()
            await part.pause(min(5, self._settings.cycle_s))

    async def _tell(self, part: Part) -> None:
        while True:
            if self._keeper.leads:
                with part.patient("Telling the nodes what was done"):
                    told = await self._teller.round()
                self._telling.untold_events.set(told.untold_events)
            part.beat(told.sentence() if self._keeper.leads else "Standing by")
            await part.pause(_TELLING_S)

    def _alone(self) -> list[str]:
        """Objects of which the catalogue says otherwise than all nodes."""
        return sorted({*self._plan.disagreements, *self._comparison.last.catalogue_is_alone})

    async def _measure(self, part: Part) -> None:
        while True:
            await self._set_figures()
            part.beat("Counting copies")
            await part.pause(min(10, self._settings.cycle_s), self._changed)

    async def _set_figures(self) -> None:
        metrics = self._metrics
        away = await self._absences.measure()
        safety = await self._catalogue.look(figures.safety, away)
        metrics.packages.set(safety.packages)
        metrics.copies_below_target.set(safety.below_target)
        metrics.packages_at_risk.set(safety.at_risk)
        metrics.objects_without_good_copy.set(safety.without_good_copy)
        metrics.catalogue_disagreements.set(len(self._alone()))
        metrics.findings_open.set(safety.findings_open)
        self._comparison.measure()
        for state, count in safety.bad_copies.items():
            metrics.bad_copies.labels(state).set(count)
        metrics.mending_stopped.set(bool(self._plan.suspect_nodes))
        for node, client in self._clients.items():
            metrics.node_reachable.labels(node).set(client.is_connected)
        for outcome, total in self._repair.outcomes.items():
            self._totals.raise_to(metrics.repairs, total, outcome)

    async def _status(self, _request: Request) -> dict[str, Any]:
        return {
            "nodes": {name: client.is_connected for name, client in self._clients.items()},
            "away": await self._absences.shown(),
            "suspect_nodes": sorted(self._plan.suspect_nodes),
            "objects_without_a_good_copy": list(self._plan.hopeless),
            "catalogue_disagrees": self._alone(),
            "compared": self._comparison.shown(),
        }

    async def _order_sweep(self, action: Action, request: Request) -> dict[str, Any]:
        actor = Actor(request.caller.user_name, "control socket")
        at = to_text(utc_now())
        node = request.text("node", "")
        if node and node not in self._clients:
            raise ControlRefused(
                f"there is no node {node!r}; there are: {', '.join(self._clients)}"
            )
        wanted = SweepAction.from_members(action, dict(request.arguments))
        arguments = wanted.members() | ({"node": node} if node else {})
        text = json.dumps(arguments, ensure_ascii=False)
        await self._catalogue.do(orders.place, f"sweep.{action}", text, actor, at)
        self.woken.set()
        return await self._sweep_status(request)

    async def _sweep_status(self, _request: Request) -> dict[str, Any]:
        statuses = await self._keeper.sweep_status()
        return {"nodes": [sweep_members(node, status) for node, status in statuses.items()]}
