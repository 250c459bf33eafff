"""Damage, a sweep, a mend; and then the ledger, the findings and a signed report say so.

1. Two packages are stored by an appliance of real processes; one byte of one copy is flipped.
2. One sweep finds and mends it: `lantai findings` and `lantai events` tell the same story.
3. `lantai report fixity` writes a report; openssl verifies both files with the keeper's public key.
4. A report with one byte changed does not verify.
5. With a node killed, the next report is one with exceptions, and claims nothing of that node.
"""

import json
import random
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, lantai
from daemon.demo.samples import bag, case_files, write_folder
from replication.fixity_report import FixityReport, decode
from storage.catalogue.premis_xml import PREMIS
from storage.ocfl.layout import object_folder
from tests.appliance_figures import figure

WaitUntil = Callable[..., Awaitable[None]]
OBJECT_ID = f"lantai:{SOURCE}/件-0"

pytestmark = [pytest.mark.needs_fuse, pytest.mark.timeout(300)]


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Processes]:
    with Processes(lay_out(tmp_path / "a", DemoSettings())) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        yield processes


def run(layout: DemoLayout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*lantai(), *words, "--config", str(layout.config)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def verifies(layout: DemoLayout, file: Path) -> bool:
    key = layout.keys / "keeper.signing.pub.pem"
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin"]
    files = ["-in", str(file), "-sigfile", f"{file}.sig"]
    return subprocess.run([*command, *files], check=False, capture_output=True).returncode == 0


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def report_since(
    layout: DemoLayout, folder: Path, first_day: str
) -> tuple[int, FixityReport, Path]:
    period = ["--from", first_day, "--to", today()]
    done = run(layout, "report", "fixity", *period, "--output", str(folder), "--json")
    assert done.stderr == ""
    file = Path(json.loads(done.stdout)["json"])
    return done.returncode, decode(file.read_bytes()), file


def store_two(layout: DemoLayout, folder: Path) -> None:
    for number in range(2):
        name = f"件-{number}"
        write_folder(bag(case_files(random.Random(number)), name, "sha256"), folder / name)
        (folder / name).rename(layout.drop / name)


def flip_a_byte(layout: DemoLayout, node: str) -> None:
    folder = layout.root(node) / object_folder(OBJECT_ID)
    victim = folder / "v1/content/received/data/base_info.xml"
    victim.chmod(0o640)
    content = bytearray(victim.read_bytes())
    content[10] ^= 1
    victim.write_bytes(content)


def has_mended(layout: DemoLayout) -> bool:
    found = ask(layout.socket("keeper"), "findings")
    return bool(found) and all(each["mended_at"] for each in found)


def sweeps_told(layout: DemoLayout) -> set[str]:
    """Nodes of which a finished sweep that looked at both objects is on record."""
    told = json.loads(run(layout, "events", "--limit", "1000", "--json").stdout)
    return {
        each["event"]["node"]
        for each in told
        if each["event"]["act"] == "sweep.finished"
        and json.loads(each["event"]["detail"])["checked_objects"] >= 2
    }


async def test_a_report_tells_of_damage_and_its_mending_and_openssl_verifies_it(
    appliance: Processes, tmp_path: Path, wait_until: WaitUntil
) -> None:
    layout, first_day = appliance.layout, today()
    store_two(layout, tmp_path)
    await wait_until(lambda: len(list(layout.returned.glob("*.stored.json"))) == 2, within_s=60)
    flip_a_byte(layout, "node-2")
    ask(layout.socket("keeper"), "sweep-start")
    await wait_until(lambda: has_mended(layout), within_s=60)
    await wait_until(lambda: sweeps_told(layout) == set(NODES), within_s=60)
    await wait_until(
        lambda: all(counted_objects(layout, node) == 2 for node in NODES), within_s=180
    )

    _findings_are_shown(layout)
    _ledger_is_premis(layout)

    code, report, file = report_since(layout, tmp_path / "reports", first_day)
    assert code == 0, report.remarks
    assert report.conclusion == "no-exceptions"
    (found,) = report.findings.listed
    assert (found.node, found.object_id, found.kind) == ("node-2", OBJECT_ID, "altered")
    assert found.mended_at is not None
    assert report.repairs.mended == 1
    assert {sweep.node for sweep in report.sweeps} == set(NODES)
    assert all(sweep.read_bytes > 0 for sweep in report.sweeps if sweep.checked_objects)
    assert [node.deadline for node in report.nodes] == ["kept"] * len(NODES)
    assert [sum_of(node.ages) for node in report.nodes] == [2, 2, 2], report.nodes
    assert [(each.domains, each.packages) for each in report.packages.by_domains] == [(3, 2)]
    _forecasts_leave_room(report)

    page = file.with_suffix(".html")
    assert verifies(layout, file)
    assert verifies(layout, page)
    assert "固定性检查报告" in page.read_text("utf-8")
    _tampered_does_not_verify(layout, file)
    _tampered_does_not_verify(layout, page)

    appliance.kill("node-3")
    code, second, _ = report_since(layout, tmp_path / "reports", first_day)
    assert code == 1
    assert second.conclusion == "exceptions"
    away = next(node for node in second.nodes if node.node == "node-3")
    assert (away.answered, away.deadline) == (False, "not-known")


def _forecasts_leave_room(report: FixityReport) -> None:
    """Each node gives one for the only class there is, by its own reckoning."""
    for node in report.nodes:
        (forecast,) = node.forecasts
        assert (forecast.name, forecast.deadline_days) == ("default", node.deadline_days)
        assert forecast.slack_s > 0
        assert report.made_at < forecast.finish_at
        assert forecast.left_bytes > 0


def counted_objects(layout: DemoLayout, node: str) -> float:
    """Objects as the node last counted them by age; a mended one counts as never swept."""
    name = "lantai_node_checked_age_objects"
    buckets = ("under_1_day", "never")
    return sum(
        figure(layout.addresses[node], f'{name}{{bucket="{each}"}}') or 0 for each in buckets
    )


def sum_of(ages: object) -> int:
    return sum(getattr(ages, name) for name in ages.__struct_fields__)  # type: ignore[attr-defined]  # a msgspec struct


def _findings_are_shown(layout: DemoLayout) -> None:
    shown = run(layout, "findings", "--package", OBJECT_ID)
    assert shown.returncode == 0, shown.stderr
    assert "node-2" in shown.stdout
    assert "altered" in shown.stdout
    assert "evidence" in shown.stdout
    assert run(layout, "findings", "--open").stdout.startswith("no findings")
    assert run(layout, "findings", "--node", "node-1", "--json").stdout.strip() == "[]"


def _ledger_is_premis(layout: DemoLayout) -> None:
    document = run(layout, "events", "--package", OBJECT_ID, "--premis").stdout
    types = [each.text for each in ET.fromstring(document).iter(f"{{{PREMIS}}}eventType")]
    assert {"ingestion", "fixity check", "recovery"} <= set(types)
    lines = run(layout, "events", "--package", OBJECT_ID, "--premis", "--json").stdout
    acts = [json.loads(line) for line in lines.splitlines()]
    # Audits go on meanwhile, and add to the ledger.
    assert [act["eventType"] for act in acts][: len(types)] == types
    (recovery,) = [act for act in acts if act["eventType"] == "recovery"]
    assert recovery["businessAct"] == "修复"
    assert recovery["eventOutcome"] == "success"


def _tampered_does_not_verify(layout: DemoLayout, file: Path) -> None:
    genuine = file.read_bytes()
    file.chmod(0o640)
    file.write_bytes(genuine.replace(b"node-2", b"node-1", 1))
    assert not verifies(layout, file)
    file.write_bytes(genuine)
    assert verifies(layout, file)
