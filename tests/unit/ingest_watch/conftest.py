"""The intake's world, for every test of this folder that asks for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import WaitUntil
from tests.intake_world import IntakeWorld, intake_world


@pytest.fixture
async def world(tmp_path: Path, wait_until: WaitUntil) -> AsyncIterator[IntakeWorld]:
    async with intake_world(tmp_path, wait_until) as made:
        yield made
