"""The catalogue's contract runs on every database it may live in.

SQLite always; PostgreSQL when LANTAI_TEST_POSTGRES_URL names an empty database for tests.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from tests.contract.catalogue.story import Story

POSTGRES_URL = os.environ.get("LANTAI_TEST_POSTGRES_URL")
DATABASES = ["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        assert POSTGRES_URL
        return POSTGRES_URL
    return f"sqlite:///{tmp_path}/catalogue.sqlite"


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    upgrade(url)
    opened = Catalogue.open(url)
    yield opened
    opened.close()


@pytest.fixture
def story(catalogue: Catalogue) -> Iterator[Story]:
    with catalogue.writing() as connection:
        yield Story(connection)
