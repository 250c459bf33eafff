"""Audits that a person orders: from a row of the catalogue to a result that can be shown.

docs/operations/audit.md. Carried out by whoever leads, one order after the other, apart from all
other orders, because one may take hours.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from replication.audits import AuditedObject, Audits, ObjectNotStored
from storage.catalogue import orders
from storage.catalogue.model import Actor, Order, OrderState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

AUDIT_START = "audit.start"
SAMPLE_MAX = 10_000
# Objects that a result lists one by one.
_LISTED_MAX = 100


class AuditOrders:
    """Takes orders to audit and puts down what came of them."""

    def __init__(
        self, catalogue: CatalogueWriter, audits: Audits, holder: str, now: Callable[[], datetime]
    ) -> None:
        self._catalogue = catalogue
        self._audits = audits
        self._holder = holder
        self._now = now

    async def carry_out(self) -> int:
        """Carry out every order that waits; how many there were. Call only while leading."""
        # Those that are running were begun by a keeper that ended: an audit may be repeated.
        under_way = await self._catalogue.look(orders.running, orders.AUDITS)
        done = 0
        while order := under_way.pop(0) if under_way else await self._next():
            state, result = await self._audit(order)
            at = to_text(self._now())
            await self._catalogue.do(orders.finish, order.id, state, result, at)
            done += 1
        return done

    async def _next(self) -> Order | None:
        at = to_text(self._now())
        return await self._catalogue.do(orders.start_next, self._holder, at, orders.AUDITS)

    async def _audit(self, order: Order) -> tuple[OrderState, str]:
        if order.verb != AUDIT_START:
            return OrderState.FAILED, f"unknown order {order.verb!r}"
        arguments = json.loads(order.arguments)
        actor = Actor(order.requested_by, order.requested_from)
        try:
            if "object" in arguments:
                audited = [await self._audits.audit_object(arguments["object"], actor)]
            else:
                audited = await self._audits.audit_sample(arguments["sample"], actor)
        except ObjectNotStored as refusal:
            return OrderState.FAILED, str(refusal)
        return OrderState.DONE, json.dumps(_result(audited), ensure_ascii=False)


def _result(audited: list[AuditedObject]) -> dict[str, Any]:
    told = audited if len(audited) == 1 else [each for each in audited if not each.is_quiet]
    return {
        "audited": len(audited),
        "read_bytes": sum(each.read_bytes for each in audited),
        "outcomes": Counter(each.outcome.value for each in audited),
        "objects": [asdict(each) for each in told[:_LISTED_MAX]],
    }
