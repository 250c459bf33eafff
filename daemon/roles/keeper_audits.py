"""The keeper's audits: the part that asks, its figures, and the verbs of `lantai audit`.

docs/wire/audit.md, docs/operations/audit.md. Asks only while this keeper leads; what is asked and
what answers mean is replication/audits.py's.
"""

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from daemon.config import AuditSettings as AuditSection
from daemon.control import ControlRefused, Request, Verb
from daemon.lifecycle import Part
from daemon.roles.openings import holder_name, utc_now
from monitoring.metrics import AuditMetrics, Totals
from replication.audit_orders import AUDIT_START, SAMPLE_MAX, AuditOrders
from replication.audits import AuditedObject, Audits, AuditSettings
from replication.node_client import NodeClient
from storage.audit.framing import NONCE_BYTES
from storage.catalogue import audits, orders, suspects
from storage.catalogue.model import Actor, OrderState
from storage.catalogue.timestamps import to_moment, to_text
from storage.catalogue.writer import CatalogueWriter

_ROLE = "keeper"
_SHOWN_MAX = 100
_OPEN_COUNTED_MAX = 1000


class KeeperAudits:
    """One part and four verbs of the keeper."""

    def __init__(
        self,
        settings: AuditSection,
        catalogue: CatalogueWriter,
        clients: dict[str, NodeClient],
        metrics: AuditMetrics,
        leads: Callable[[], bool],
        doubted: asyncio.Event,
    ) -> None:
        """`doubted` is set when a node has re-checked a copy: it may have found something."""
        self._settings = settings
        self._catalogue = catalogue
        self._leads = leads
        self._doubted = doubted
        self._ordered = asyncio.Event()
        self._audits = Audits(
            catalogue,
            clients,
            AuditSettings(
                settings.percent_per_day / 100, settings.blocks_per_file, settings.in_flight
            ),
            random.SystemRandom(),
            lambda: secrets.token_bytes(NONCE_BYTES),
            utc_now,
        )
        self._orders = AuditOrders(catalogue, self._audits, holder_name(_ROLE), utc_now)
        self._metrics = metrics
        for node in clients:
            metrics.answers_missing.labels(node)
        self._totals = Totals()

    def part(self) -> Part:
        """The part that audits for ever."""
        return Part("audits", self._run)

    def verbs(self) -> dict[str, Verb]:
        """What the control socket answers about audits."""
        return {
            "audit-start": self._start,
            "audit-order": self._order,
            "audit-status": self._status,
            "audit-trust": self._trust,
        }

    async def _run(self, part: Part) -> None:
        while True:
            sentence = "Standing by"
            if self._leads():
                with part.patient("Auditing"):
                    sentence = await self._audit()
            await self._set_figures()
            part.beat(sentence)
            await part.pause(self._settings.cycle_s, self._ordered)

    async def _audit(self) -> str:
        ordered = await self._orders.carry_out()
        audited = await self._audits.audit_due(Actor.of_holder(holder_name(_ROLE)))
        if ordered or any(each.doubted for each in audited):
            self._doubted.set()
        return _sentence(ordered, audited)

    async def _set_figures(self) -> None:
        now = utc_now()
        last_at = await self._catalogue.look(audits.last_at, to_text(now))
        age_s = 0.0 if last_at is None else (now - to_moment(last_at)).total_seconds()
        self._metrics.last_audit_age_seconds.set(max(0.0, age_s))
        listed = await self._catalogue.look(audits.still_open, limit=_OPEN_COUNTED_MAX)
        self._metrics.audits_open.set(len(listed))
        self._metrics.suspect_nodes.set(len(await self._catalogue.look(suspects.all_of)))
        for outcome, total in self._audits.counts.outcomes.items():
            self._totals.raise_to(self._metrics.audits, total, outcome)
        for node, total in self._audits.counts.missing.items():
            self._totals.raise_to(self._metrics.answers_missing, total, node)

    async def _start(self, request: Request) -> dict[str, Any]:
        if "object" in request.arguments:
            arguments: dict[str, Any] = {"object": request.text("object")}
        else:
            sample = request.number("sample", 1)
            if not 1 <= sample <= SAMPLE_MAX:
                raise ControlRefused(f"a sample is 1 to {SAMPLE_MAX} objects")
            arguments = {"sample": sample}
        actor = Actor(request.caller.user_name, "control socket")
        order = await self._catalogue.do(
            orders.place,
            AUDIT_START,
            json.dumps(arguments, ensure_ascii=False),
            actor,
            to_text(utc_now()),
        )
        self._ordered.set()
        return {"order": order.id}

    async def _order(self, request: Request) -> dict[str, Any]:
        order = await self._catalogue.look(orders.get, request.number("order"))
        is_done = order.state is OrderState.DONE
        return {
            "order": order.id,
            "state": order.state.value,
            "result": json.loads(order.result) if is_done else None,
            "message": "" if is_done else order.result,
        }

    async def _status(self, _request: Request) -> dict[str, Any]:
        answer = {
            "leading": self._leads(),
            "percent_per_day": self._settings.percent_per_day,
            "last_audit_at": await self._catalogue.look(audits.last_at, to_text(utc_now())),
            "suspects": await self._catalogue.look(suspects.all_of),
            "open": await self._catalogue.look(audits.still_open, limit=_SHOWN_MAX),
            "recent": await self._catalogue.look(audits.page, limit=_SHOWN_MAX),
            "answers_missing": dict(self._audits.counts.missing),
        }
        shown: dict[str, Any] = msgspec.to_builtins(answer)
        return shown

    async def _trust(self, request: Request) -> dict[str, Any]:
        node, reason = request.text("node"), request.text("reason")
        actor = Actor(request.caller.user_name, "control socket")
        at = to_text(utc_now())
        trusted = await self._catalogue.do(suspects.release, node, reason, actor, at)
        return {"node": node, "was_suspect": trusted}


def _sentence(ordered: int, audited: list[AuditedObject]) -> str:
    loud = [each for each in audited if not each.is_quiet]
    told = f", {len(loud)} not agreed by all" if loud else ""
    return f"{len(audited)} objects audited{told}, {ordered} orders"
