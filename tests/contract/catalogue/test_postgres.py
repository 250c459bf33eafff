"""What only PostgreSQL can do to the catalogue: other settings, a restart, a frozen neighbour."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, text

from storage.catalogue import events, postgres, tallies
from storage.catalogue.engine import Catalogue
from storage.catalogue.errors import CatalogueUnavailable
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, NewEvent
from tests.conftest import POSTGRES_BINARIES
from tests.contract.catalogue.story import moment
from tests.postgres_server import EMPTY, OWNER, PostgresServer, running_postgres

IDLE_ENDED = "SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'idle in transaction'"

pytestmark = pytest.mark.needs_postgres


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that may be stopped and badly set."""
    with running_postgres(POSTGRES_BINARIES) as server:
        yield server


@pytest.fixture
def opened(own_server: PostgresServer) -> Iterator[Catalogue]:
    catalogue = Catalogue.open(own_server.emptied_database())
    yield catalogue
    catalogue.close()


def note(connection: Connection, number: int) -> None:
    events.append(connection, NewEvent("test.noted", str(number)), Actor("a", "b"), moment(1))


def outcomes(catalogue: Catalogue) -> list[int]:
    with catalogue.reading() as connection:
        return sorted(int(event.outcome) for event in events.page(connection))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_went_away_is_said_to_be_and_used_again_when_it_is_back(
    own_server: PostgresServer, opened: Catalogue, how: str
) -> None:
    """1. an act 2. the server is stopped, or killed with its children 3. acts are refused, clearly
    4. it is back: the same catalogue goes on, and the first act is there."""
    opened.act(note, 1)
    if how == "stop":
        own_server.stop("fast")
    else:
        own_server.kill()
    for said in ("nothing was changed|whole or not at all", "nothing was changed"):
        with pytest.raises(CatalogueUnavailable, match=said):
            opened.act(note, 2)
        with pytest.raises(CatalogueUnavailable):
            opened.look(events.page)
    own_server.start()
    opened.act(note, 3)
    assert outcomes(opened) == [1, 3]


def test_a_server_that_stops_in_the_middle_of_a_transaction_leaves_no_trace_of_it(
    own_server: PostgresServer, opened: Catalogue
) -> None:
    def interrupted(connection: Connection) -> None:
        note(connection, 1)
        own_server.stop("fast")
        note(connection, 2)

    with pytest.raises(CatalogueUnavailable):
        opened.act(interrupted)
    own_server.start()
    assert outcomes(opened) == []


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_would_lose_what_it_acknowledged_is_refused(
    own_server: PostgresServer, setting: str
) -> None:
    url = own_server.emptied_database()
    catalogue = Catalogue.open(url)
    refused = pytest.raises(CatalogueUnavailable, match=f"{setting} = off, and the catalogue needs")
    with own_server.set_to(setting, "off"), refused:
        catalogue.require_schema()
    catalogue.require_schema()
    catalogue.close()


def test_a_database_of_another_encoding_is_refused(own_server: PostgresServer) -> None:
    own_server.execute(
        f"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER {OWNER}"
    )
    with pytest.raises(CatalogueUnavailable, match="server_encoding = LATIN1"):
        upgrade(own_server.url_of("latin"))


def test_a_server_that_takes_no_writes_is_refused(own_server: PostgresServer) -> None:
    own_server.execute(f"ALTER ROLE {OWNER} SET default_transaction_read_only = on")
    try:
        catalogue = Catalogue.open(own_server.emptied_database())
        with pytest.raises(CatalogueUnavailable, match="takes no writes"):
            catalogue.require_schema()
        catalogue.close()
    finally:
        own_server.execute(f"ALTER ROLE {OWNER} RESET default_transaction_read_only")


def test_commits_wait_for_the_disk_whatever_the_users_own_default_says(
    own_server: PostgresServer,
) -> None:
    own_server.execute(f"ALTER ROLE {OWNER} SET synchronous_commit = off")
    catalogue = Catalogue.open(own_server.emptied_database())
    with catalogue.writing() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
    catalogue.close()
    own_server.execute(f"ALTER ROLE {OWNER} RESET synchronous_commit")


def test_a_look_is_one_moment_and_cannot_write(opened: Catalogue) -> None:
    """What is committed while it looks is not in it."""
    count = text("SELECT count(*) FROM events")
    with opened.reading() as connection:
        assert connection.scalar(count) == 0
        opened.act(note, 1)
        assert connection.scalar(count) == 0
    with pytest.raises(CatalogueUnavailable, match="read-only"), opened.reading() as connection:
        note(connection, 2)


def test_transactions_in_each_others_way_are_asked_again(opened: Catalogue) -> None:
    """Two that change the same two rows in opposite order: PostgreSQL undoes one of them."""
    with opened.writing() as connection:
        for scope in ("a", "b"):
            connection.execute(
                text("INSERT INTO leases VALUES (:scope, 'x', 0, '')"), {"scope": scope}
            )
    raised = text("UPDATE leases SET epoch = epoch + 1 WHERE scope = :scope")
    met = Barrier(2)
    begun: list[str] = []

    def both(connection: Connection, first: str, second: str) -> None:
        connection.execute(raised, {"scope": first})
        begun.append(first)
        if begun.count(first) == 1:
            met.wait(30)  # each has the row that the other one wants
        connection.execute(raised, {"scope": second})

    with ThreadPoolExecutor(2) as threads:
        for done in [
            threads.submit(opened.act, both, "a", "b"),
            threads.submit(opened.act, both, "b", "a"),
        ]:
            done.result(timeout=60)
    with opened.reading() as connection:
        assert connection.scalars(text("SELECT epoch FROM leases")).all() == [2, 2]
    assert len(begun) > 2, "one of them was asked again"


def test_two_processes_make_a_days_first_tally_at_once_and_both_are_counted(
    opened: Catalogue,
) -> None:
    met = Barrier(2)

    def reject(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        met.wait(30)  # both have begun
        tallies.add_rejected(connection, "portal", moment(1))

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(opened.act, reject) for _ in range(2)]:
            done.result(timeout=60)
    found = {each.source: each.rejected for each in opened.look(tallies.holdings)}
    assert found["portal"] == 2


def test_a_frozen_process_loses_its_transaction_before_others_give_up_waiting(
    own_server: PostgresServer, opened: Catalogue
) -> None:
    assert postgres.IDLE_IN_TRANSACTION_S < postgres.LOCK_WAIT_S
    with opened.writing() as connection:
        shown = {
            name: connection.scalar(text(f"SHOW {name}"))
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        }
    assert shown == {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "1min"}

    def frozen(connection: Connection) -> None:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 20"))
        note(connection, 1)
        own_server.wait_for(IDLE_ENDED)
        note(connection, 2)

    with pytest.raises(CatalogueUnavailable, match="idle"):
        opened.act(frozen)
    assert outcomes(opened) == []


def test_several_processes_may_make_the_tables_at_once(own_server: PostgresServer) -> None:
    url = own_server.new_database(EMPTY)
    code = f"from storage.catalogue.migration import upgrade; upgrade({url!r})"
    children = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)
    ]
    said = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], said
