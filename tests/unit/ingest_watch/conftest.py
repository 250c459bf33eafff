"""The intake's world, for every test of this folder that asks for it.

Whatever answers a test has brought about must be as the published schema says.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest_watch.published import SCHEMAS
from tests.conftest import WaitUntil
from tests.intake_world import IntakeWorld, intake_world
from tests.json_schema import faults


@pytest.fixture
async def world(tmp_path: Path, wait_until: WaitUntil) -> AsyncIterator[IntakeWorld]:
    async with intake_world(tmp_path, wait_until) as made:
        yield made
        schemas = {name: json.loads(make()) for name, make in SCHEMAS.items()}
        for path in made.returned.rglob("*.json"):
            schema = schemas[_schema_of(path.name)]
            assert faults(json.loads(path.read_bytes()), schema) == [], path.name


def _schema_of(name: str) -> str:
    special = {".platform.json": "platform-receipt", ".tally.json": "tally"}
    kinds = (kind for ending, kind in special.items() if name.endswith(ending))
    return f"{next(kinds, 'answer')}.schema.json"
