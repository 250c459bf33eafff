"""The intake's part that looks after each source's rehearsals (联调).

docs/formats/answers.md, "Rehearsal". Joins ingest_watch/rehearsal.py to the configuration; decides
nothing itself.
"""

import time

from daemon.config import Source
from daemon.lifecycle import Part
from ingest_watch.desks import Serves
from ingest_watch.rehearsal import Rehearsals, RehearsalSource
from ingest_watch.transfer import IntakeTools


def rehearsal_part(source: Source, scan_s: float, tools: IntakeTools, serves: Serves) -> Part:
    """Looks at `.rehearsal/` of one drop folder as often as the intake rescans."""
    sender = tools.senders[source.name]
    rehearsals = Rehearsals(
        RehearsalSource(
            archive=tools.archive,
            name=source.name,
            unit=sender.unit,
            drop=sender.drop.folder,
            returned=source.return_folder,
            staging=tools.staging,
            state_file=sender.drop.state_file.with_name(f"{source.name}.rehearsal.json"),
            rule=sender.drop.rule,
            profile=sender.profile,
            platform_receipts=source.platform_receipts,
            awaits_registration=sender.awaits_registration,
        ),
        tools.prepare,
        tools.now,
        time.monotonic,
    )

    async def run(part: Part) -> None:
        while True:
            with part.patient("Rehearsing"):
                judged = await rehearsals.look() if await serves(source.name) else 0
            part.beat(f"{judged} rehearsed")
            await part.pause(scan_s)

    return Part(f"rehearsal {source.name}", run)
