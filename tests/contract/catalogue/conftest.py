"""The catalogue's contract runs on every database it may live in: SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from tests.contract.catalogue.story import Story
from tests.postgres_server import EMPTY, PostgresServer

SQLITE = "sqlite"
DATABASES = [SQLITE, pytest.param("postgresql", marks=pytest.mark.needs_postgres)]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Which kind of database."""
    return str(request.param)


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if database == SQLITE:
        return f"sqlite:///{tmp_path}/catalogue.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database(EMPTY)


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the tables of this program."""
    if database == SQLITE:
        url = f"sqlite:///{tmp_path}/catalogue.sqlite"
        upgrade(url)
        return url
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.emptied_database()


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    opened = Catalogue.open(url)
    yield opened
    opened.close()


@pytest.fixture
def story(catalogue: Catalogue) -> Iterator[Story]:
    with catalogue.writing() as connection:
        yield Story(connection)
