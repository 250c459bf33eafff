"""The keeper's reports: hears how each node checks, and files the fixity report when it is due.

docs/formats/fixity-report.md. Joins the nodes' accounts (replication/hearing.py), the catalogue and
the keeper's key; what a report says is fixity_assembly.py's to decide.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.config import Keeper as KeeperSettings
from daemon.control import ControlRefused, Request
from daemon.lifecycle import Part
from daemon.reports.filing import SignedReport, sign_report, write_report
from daemon.reports.rendering import ReportPage
from daemon.reports.schedule import due_period
from daemon.roles.openings import utc_now
from monitoring.account_metrics import KeeperAccountMetrics
from monitoring.log import get_log
from replication.fixity_assembly import Heading, NodeHeard, assemble
from replication.fixity_report import LISTED_MAX
from replication.hearing import Hearing
from replication.told import Told
from storage.catalogue import absences, acts, events, fixity
from storage.catalogue.fixity import Period
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.timestamps import to_moment, to_text
from storage.catalogue.writer import CatalogueWriter
from storage.signing import SigningKey

log = get_log(__name__)

FILED = "report.filed"  # in the keeper's own folder, when it was due
MADE = "report.made"  # for a person who asked
_LOOK_S = 60.0


@dataclass(frozen=True, slots=True)
class Maker:
    """In whose name reports are made, and whose key signs them."""

    archive: str
    holder: str  # role@host
    key: SigningKey
    domains: Mapping[str, str]  # node → failure domain, of every node that is configured


class KeeperReports:
    """Two parts and one verb of the keeper."""

    def __init__(
        self,
        maker: Maker,
        settings: KeeperSettings,
        catalogue: CatalogueWriter,
        hearing: Hearing,
        metrics: KeeperAccountMetrics,
        leads: Callable[[], bool],
    ) -> None:
        self._maker = maker
        self._settings = settings
        self._catalogue = catalogue
        self._hearing = hearing
        self._metrics = metrics
        self._leads = leads
        self._page = ReportPage()

    def parts(self) -> tuple[Part, ...]:
        """What runs for ever."""
        return (Part("accounts", self._hear), Part("reports", self._file))

    def verbs(self) -> dict[str, Callable[[Request], Any]]:
        """Verb → what answers it."""
        return {"fixity-report": self._hand_out}

    async def make(self, period: Period) -> SignedReport:
        """Ask every node now, and sign what it and the catalogue say."""
        heard = await self._hearing.hear_all()
        maker, at = self._maker, to_text(utc_now())
        away = {each.node: each for each in await self._catalogue.look(absences.present, at)}
        known = await self._catalogue.look(fixity.facts, period, LISTED_MAX, frozenset(away))
        heading = Heading(maker.archive, at, maker.holder, period)
        nodes = {
            node: NodeHeard(maker.domains[node], answer, away.get(node))
            for node, answer in heard.items()
        }
        report = assemble(heading, known, nodes)
        return await asyncio.to_thread(sign_report, report, self._page, maker.key)

    async def _hear(self, part: Part) -> None:
        while True:
            if self._leads():
                with part.patient("Hearing how the nodes check"):
                    heard = await self._hearing.hear_all()
                domains = dict.fromkeys(self._maker.domains.values(), 0)
                for node, told in heard.items():
                    if isinstance(told, Told):
                        domains[self._maker.domains[node]] += told.state.objects
                for domain, objects in domains.items():
                    self._metrics.domain_objects.labels(domain).set(objects)
            part.beat("Knows how the nodes check" if self._leads() else "Standing by")
            await part.pause(self._settings.cycle_s)

    async def _file(self, part: Part) -> None:
        while True:
            with part.patient("Looking whether a report is due"):
                said = await self._file_what_is_due()
            part.beat(said)
            await part.pause(_LOOK_S)

    async def _file_what_is_due(self) -> str:
        """A sentence on what came of it."""
        folder = self._settings.report_folder
        if folder is None:
            return "No report_folder is configured"
        if not self._leads():
            self._metrics.report_overdue_seconds.set(0)
            return "Standing by"
        period = await self._due()
        said = "No report is due" if period is None else await self._file_one(period, folder)
        self._metrics.report_overdue_seconds.set(_overdue_s(await self._due(), utc_now()))
        return said

    async def _file_one(self, period: Period, folder: Path) -> str:
        """Likewise. A folder that takes no file is no reason to end."""
        signed = await self.make(period)
        try:
            await asyncio.to_thread(write_report, signed, folder)
        except OSError as error:
            log.error("report.not_filed", folder=str(folder), reason=str(error))
            return f"Cannot file the fixity report: {error}"
        await self._record(FILED, signed, period, Actor.of_holder(self._maker.holder))
        log.info("report.filed", report=signed.report_id)
        return f"Filed {signed.report_id}"

    async def _due(self) -> Period | None:
        last = await self._catalogue.look(acts.last, FILED)
        until = None if last is None else acts.details(last).get("to")
        first_at = await self._catalogue.look(acts.first_at)
        return due_period(until, first_at, utc_now(), self._settings.report_every_days)

    async def _hand_out(self, request: Request) -> dict[str, str]:
        """A report for a person: made now, signed, and written by whoever asked."""
        period = _asked_period(request.text("from"), request.text("to"), utc_now())
        signed = await self.make(period)
        actor = Actor(request.caller.user_name, "control socket")
        await self._record(MADE, signed, period, actor)
        return {
            "report_id": signed.report_id,
            "json_base64": _base64(signed.json.body),
            "json_signature_base64": _base64(signed.json.signature),
            "page_base64": _base64(signed.page.body),
            "page_signature_base64": _base64(signed.page.signature),
        }

    async def _record(self, act: str, signed: SignedReport, period: Period, actor: Actor) -> None:
        detail = {
            "report_id": signed.report_id,
            "from": period.start,
            "to": period.end,
            "json_sha256": signed.json_sha256,
        }
        event = NewEvent(act, "done", detail=json.dumps(detail))
        await self._catalogue.do(events.append, event, actor, to_text(utc_now()))


def _overdue_s(due: Period | None, now: datetime) -> float:
    return 0.0 if due is None else (now - to_moment(due.end)).total_seconds()


def _asked_period(start: str, end: str, now: datetime) -> Period:
    """The period between two moments; what has not happened yet is cut off."""
    try:
        first, last = to_moment(start), min(to_moment(end), now)
    except (ValueError, AssertionError) as error:
        raise ControlRefused(f"from and to are RFC 3339 with a time zone: {error}") from error
    if first >= last:
        raise ControlRefused("the period must begin in the past, and before its end 期间无效")
    return Period(to_text(first), to_text(last))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
