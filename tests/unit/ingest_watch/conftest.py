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
        schema = json.loads(SCHEMAS["answer.schema.json"]())
        for path in made.returned.rglob("*.json"):
            if not path.name.endswith(".platform.json"):
                assert faults(json.loads(path.read_bytes()), schema) == [], path.name
