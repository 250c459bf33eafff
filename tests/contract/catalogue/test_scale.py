"""No query reads a table from end to end: there will be 100 million packages (DESIGN.md §8)."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from storage.catalogue import (
    absences,
    answers,
    audits,
    copies,
    events,
    figures,
    findings,
    held,
    orders,
    packages,
    tallies,
    transfer_lists,
    transfers,
    tree_sums,
    verdicts,
)
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import CopyState, OrderState, TransferState
from tests.contract.catalogue.story import Story, arrival, moment
from tests.contract.catalogue.test_keeping import PERSON, finding

# Small for ever: a row per source and day, and a row per lease.
SMALL = {"tallies", "leases"}

on_postgres = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.needs_postgres)], indirect=True
)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@contextmanager
def statements_of(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Every statement that is executed, with the last values it had."""
    seen: dict[str, Any] = {}

    def note(
        _connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool
    ) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            seen[statement] = values[0] if many else values

    event.listen(catalogue._engine, "before_cursor_execute", note)
    yield seen
    event.remove(catalogue._engine, "before_cursor_execute", note)


def _everything(connection: Connection) -> None:
    story = Story(connection)
    package = story.stored()
    transfer = transfers.get(connection, package.transfer_id)
    (answer,) = answers.outbox(connection)
    answers.note_delivered(connection, [answer.id], moment(89))
    assert answers.note_delivered(connection, [answer.id], moment(90)) == 1
    answers.mark_written(connection, [answer.id], moment(90))
    answers.of_transfer(connection, transfer.id)
    transfers.close(connection, transfer.id, moment(91))
    noted = transfers.note_waiting(connection, arrival("other"), "", moment(92))
    transfers.withdraw(connection, noted.id, moment(93))
    for look in _LOOKS:
        look(connection)
    copies.mark(connection, package.id, "node-1", CopyState.DAMAGED)
    copies.mark_object(connection, package.object_id, "node-1", CopyState.COMMITTED)
    copies.checked(connection, package.id, "node-1", moment(94))
    copies.of_package(connection, package.id)
    findings.record(connection, finding(1), moment(95))
    findings.close(connection, "node-1", 1, "mended", moment(96))
    order = orders.place(connection, "sweep.start", "", PERSON, moment(97))
    orders.start_next(connection, "keeper@one", moment(98), orders.ALL_OTHERS)
    orders.finish(connection, order.id, OrderState.DONE, "", moment(99))


_LOOKS: list[Callable[[Connection], object]] = [
    transfer_lists.page,
    lambda connection: transfer_lists.page(
        connection, states=[TransferState.REJECTED], before=1000
    ),
    transfer_lists.unfinished,
    lambda connection: transfer_lists.to_be_moved(connection, "portal"),
    lambda connection: verdicts.open_of_source(connection, "portal"),
    transfer_lists.counts_of_open,
    lambda connection: packages.versions(connection, "portal", "case-0001"),
    lambda connection: packages.versions_of_object(connection, "lantai:portal/case-0001"),
    lambda connection: held.stored_after(connection, "", None, 10),
    lambda connection: held.stored_after(connection, "", "portal", 10),
    lambda connection: held.stored_in_partition(connection, 1, "", 10),
    lambda connection: copies.standings(connection, [1, 2]),
    lambda connection: tree_sums.take_in(connection, 10),
    lambda connection: tree_sums.recount(connection, "node-1", 1),
    lambda connection: tree_sums.partitions(connection, "node-1"),
    lambda connection: packages.of_source(connection, "portal", after=("case", 1)),
    packages.page,
    packages.below_target,
    lambda connection: copies.on_node(connection, "node-1"),
    events.page,
    lambda connection: events.page(connection, transfer_id=1),
    lambda connection: events.page(connection, package_id=1),
    lambda connection: findings.last_sequence(connection, "node-1"),
    findings.still_open,
    findings.page,
    lambda connection: findings.page(connection, object_id="lantai:portal/case-0001"),
    orders.page,
    lambda connection: orders.running(connection, orders.ALL_OTHERS),
    audits.highest_number,
    lambda connection: audits.auditable(connection, [1, 2]),
    lambda connection: audits.last_at(connection, moment(99)),
    audits.page,
    audits.still_open,
    tallies.holdings,
    lambda connection: absences.present(connection, moment(1)),
    lambda connection: figures.safety(connection, frozenset({"node-1"})),
]


@on_sqlite
def test_every_query_finds_its_rows_by_an_index(catalogue: Catalogue) -> None:
    with statements_of(catalogue) as seen:
        catalogue.act(_everything)
    assert len(seen) > 40
    scans = []
    with catalogue.reading() as connection:
        for statement, values in seen.items():
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
            scans += [
                f"{row.detail}: {statement}" for row in plan if _reads_all(row.detail, statement)
            ]
    assert not scans, "\n\n".join(scans)


@on_postgres
def test_no_query_must_read_a_whole_table_on_postgresql_either(catalogue: Catalogue) -> None:
    """Few rows are read from end to end whatever there is: the planner is told not to."""
    with statements_of(catalogue) as seen:
        catalogue.act(_everything)
    scans = []
    with catalogue.writing() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, values in seen.items():
            plan = connection.exec_driver_sql("EXPLAIN " + statement, values).scalars()
            read = re.findall(r"Seq Scan on (\w+)", "\n".join(plan))
            scans += [f"{name}: {statement}" for name in read if name not in SMALL]
    assert not scans, "\n\n".join(scans)


def _reads_all(detail: str, statement: str) -> bool:
    """A scan in the order of a page is cut off by its LIMIT; any other reads every row.

    A page that is sorted first is not cut off either, unless what it sorts is the few transfers
    under way, or the few answers to one transfer.
    """
    table = re.fullmatch(r"SCAN (\w+)", detail)
    if table is not None:
        return table[1] not in SMALL and "LIMIT" not in statement
    few = "closed_at IS NULL" in statement or "LIMIT" not in statement
    return "USE TEMP B-TREE FOR ORDER BY" in detail and not few


@on_sqlite
def test_what_is_open_is_found_among_the_open_ones_only(catalogue: Catalogue) -> None:
    """Not by way of the hundred million that are stored and closed."""
    with statements_of(catalogue) as seen:
        catalogue.act(_everything)
    used = set()
    with catalogue.reading() as connection:
        for statement, values in seen.items():
            if statement.startswith("SELECT") and "closed_at IS NULL" in statement:
                plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
                used |= {row.detail for row in plan if " transfers " in row.detail}
    assert len(used) >= 3
    # By state is as good for states that only open transfers have (transfer_lists.unfinished).
    by_working_state = "SEARCH transfers USING INDEX ix_transfers_state_id (state=? AND id>?)"
    assert not [one for one in used - {by_working_state} if "_open" not in one]


@on_sqlite
def test_the_check_itself_notices_a_scan(catalogue: Catalogue) -> None:
    query = "SELECT * FROM packages WHERE op_id = 'x'"
    with catalogue.reading() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN " + query))
        assert any(_reads_all(row.detail, query) for row in plan)
