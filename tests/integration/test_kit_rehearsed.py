"""A platform's developers rehearse with the kit's samples, as its page tells them to.

1. There is a source for each format. 2. Every sample lies in `.rehearsal/` of its drop folder.
3. Each gets sample answers: both receipts, or a rejection with the code that the kit names.
"""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from daemon.demo.layout import DemoLayout, DemoSettings
from daemon.demo.senders import PORTAL, Sender
from ingest_watch.formats.registry import FORMATS
from tests.appliance import running_appliance, transfers_of
from tests.conftest import PROJECT

WaitUntil = Callable[..., Awaitable[None]]
SENDERS = {name: Sender(f"of-{name}", name, (name,)) for name in FORMATS}
PROGRAM = PROJECT / "ingest_watch/sender_kit/make_samples.py"


async def test_every_sample_of_the_kit_fares_in_rehearsal_as_its_page_says(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    senders = (PORTAL, *SENDERS.values())
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, senders=senders)
    samples = tmp_path / "samples"
    subprocess.run([sys.executable, "-B", PROGRAM, samples], check=True)
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        expected = {
            answer: code
            for name, sender in SENDERS.items()
            for answer, code in _rehearsed(layout, sender, samples / name).items()
        }
        assert len(expected) >= 70
        await wait_until(lambda: all(answer.exists() for answer in expected), 120)
        found = {answer: _codes(answer) for answer in expected}
        assert {
            answer for answer, code in expected.items() if code and code not in found[answer]
        } == set()
        assert transfers_of(layout) == []


def _rehearsed(layout: DemoLayout, sender: Sender, samples: Path) -> dict[Path, str]:
    """Put a format's samples to rehearsal. By the answer that each must get: the code in it."""
    codes = json.loads((samples / "expected.json").read_bytes())
    rehearsal = layout.drop_of(sender) / ".rehearsal"
    rehearsal.mkdir()
    good = [f"good/{path.name}" for path in (samples / "good").iterdir()]
    answers = {}
    for place in {*good, *codes}:
        outcome = "rejected" if place in codes else "stored"
        _, _, name = place.partition("/")
        answer = layout.returned_to(sender) / ".rehearsal" / f"{name}.{outcome}.json"
        answers[answer] = codes.get(place, "")
    for path in [*(samples / "good").iterdir(), *(samples / "bad").iterdir()]:
        path.rename(rehearsal / path.name)
    return answers


def _codes(answer: Path) -> set[str]:
    return {reason["code"] for reason in json.loads(answer.read_bytes()).get("reasons") or ()}
