"""A sender's first day with real processes: it rehearses, mends, sends for good, and is told.

1. A package called after a person lies in `.rehearsal/` of the drop folder, one file altered.
2. It is reported and rejected by a sample; mended, it gets samples of both receipts.
3. Nothing is on record, no node holds anything, the original is where it was.
4. Sent for good, it is stored; the receipt verifies, its page and form lie beside it.
5. The intake's log has neither the package's name nor its file's.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from daemon.demo.layout import NODES, DemoSettings
from daemon.demo.samples import bag, write_folder
from tests.appliance import Sent, expect_kept, running_appliance, transfers_of

WaitUntil = Callable[..., Awaitable[None]]
NAME = "张三-不动产登记"


async def test_a_sender_rehearses_before_it_sends(tmp_path: Path, wait_until: WaitUntil) -> None:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2)
    files = bag({"李四身份证.txt": b"one page"}, NAME)
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        tried, told = layout.drop / ".rehearsal", layout.returned / ".rehearsal"
        write_folder(files | {"data/李四身份证.txt": b"two pages"}, tmp_path / NAME)
        tried.mkdir()
        (tmp_path / NAME).rename(tried / NAME)
        await wait_until((told / f"{NAME}.rejected.json").exists, 60)
        report = json.loads((told / f"{NAME}.report.json").read_bytes())
        assert (report["verdict"], report["package_format"]) == ("rejected", "bagit")

        (tried / NAME / "data/李四身份证.txt").write_bytes(b"one page")
        await wait_until((told / f"{NAME}.stored.json").exists, 60)
        sample = json.loads((told / f"{NAME}.stored.json").read_bytes())
        assert (sample["format"], sample["copies"]) == ("lantai.sample-answer.v1", [])
        assert not list(told.glob("*.sig"))
        assert (tried / NAME).exists()
        assert transfers_of(layout) == []
        for node in NODES:
            assert not list(layout.root(node).glob("*/*/*/inventory.json"))

        (tried / NAME).rename(layout.drop / NAME)
        receipt = layout.returned / f"{NAME}.stored.json"
        await wait_until(lambda: receipt.exists() and not (layout.drop / NAME).exists(), 60)
        expect_kept(layout, Sent(NAME, files))
        log = (layout.logs / "ingest.log").read_text()
    assert "intake.rehearsal.judged" in log
    assert "李四" not in log
    assert "张三" not in log
