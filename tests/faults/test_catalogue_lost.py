"""The catalogue altered, rolled back, rotten, deleted: noticed, and given back by the nodes.

docs/operations/catalogue-lost.md. The tests run in order on one appliance of real processes, whose
senders send packages of every format: stored, rejected and held ones, a batch, a second version,
and one package twice.
"""

import json
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import NotRunning, ask
from daemon.demo.kit_samples import kit_samples
from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from daemon.demo.samples import Files, bag, samples, write_folder
from daemon.demo.senders import SENDERS
from daemon.demo.story import drop, wait_for_answers
from tests.appliance import Sender, Sent, expect_kept, restart, running_appliance, stored
from tests.conftest import WaitUntil
from tests.fault_page import record_fault

WRITERS = ("ingest", "keeper", "api")
# Bookkeeping that others make anew.
DERIVED = {"counted", "partition"}
INDEX = ("packages", "copies", "tallies")
Rows = list[dict[str, Any]]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """An appliance that has stored, rejected and held packages of every kind."""
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, versions="allow", senders=SENDERS)
    folder = tmp_path_factory.mktemp("lost") / "a"
    with running_appliance(folder, settings) as processes:
        layout = processes.layout
        packages = [*samples(), *kit_samples(folder / "sender-kit")]
        drop(layout, packages)
        wait_for_answers(layout, packages)
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout, seed=27, first=2700)


async def test_a_deleted_catalogue_comes_back_row_by_row_from_two_nodes_of_three(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    before = stored(layout)
    sent = sender.send(12)
    await wait_until(lambda: stored(layout) == before + 12, 60, "twelve receipts")
    await _send(layout, sent[0].name, sent[0].files, wait_until)
    await _send(layout, sent[0].name, bag({"new.bin": b"other bytes"}, sent[0].name), wait_until)
    await wait_until(lambda: not (layout.drop / sent[0].name).exists(), 60, "a second version")
    await _settled(layout, wait_until)
    assert _check(layout).returncode == 0, _check(layout).stdout
    await _settle_and_stop(appliance, wait_until)
    kept = {table: _rows(layout, table) for table in (*INDEX, "answers", "events", "transfers")}
    for file in layout.folder.glob("catalogue.sqlite*"):
        file.unlink()
    appliance.kill("node-3")
    began_s = time.monotonic()
    made = _lantai(layout, "rebuild", "--json", "--from", "node-1", "--from", "node-2")
    took_s = time.monotonic() - began_s
    assert made.returncode == 0, made.stdout + made.stderr
    for table in INDEX:
        assert _rows(layout, table) == kept[table], table
    assert _without(_rows(layout, "answers"), "written_at") == _without(
        kept["answers"], "written_at"
    )
    assert _rows(layout, "events") == kept["events"]
    told = {row["transfer_id"] for row in kept["events"]} - {None}
    names = [(row["id"], row["source"], row["name_raw"], row["state"]) for row in kept["transfers"]]
    again = _rows(layout, "transfers")
    assert [name for name in names if name[0] in told] == [
        (row["id"], row["source"], row["name_raw"], row["state"]) for row in again
    ]
    states = {row["state"] for row in again}
    assert states >= {"stored", "rejected", "held"}
    assert any(row["version"] == 2 for row in kept["packages"])
    assert any(row["batch_id"] is not None for row in again)
    for name in ("node-3", *WRITERS):
        restart(appliance, name)
    (package,) = sender.send()
    await wait_until(lambda: _is_stored(layout, package), 60, "a receipt after the rebuilding")
    expect_kept(layout, package)
    assert max(row["id"] for row in _rows(layout, "transfers")) > max(told) + 999
    record_fault(
        "F27",
        observed=f"deleted and rebuilt from 2 of 3 nodes: every row of {', '.join(INDEX)} equal",
        figure=f"{len(kept['packages'])} packages in {took_s:.1f} s",
    )


async def test_rows_altered_behind_the_products_back_are_told_and_no_node_is_touched(
    appliance: Processes, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    # The keeper would put the copy's row right before anybody looks.
    await _settle_and_stop(appliance, wait_until, ("keeper",))
    trees = {node: _tree(layout.root(node)) for node in NODES}
    with _database(layout) as database:
        triggers = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='trigger' AND tbl_name='packages'"
        ).fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        was = database.execute("SELECT inventory_sha256 FROM packages WHERE id=1").fetchone()[0]
        database.execute("UPDATE packages SET inventory_sha256=? WHERE id=1", ("0" * 64,))
        database.execute("UPDATE copies SET state='missing' WHERE package_id=2 AND node='node-1'")
    found = json.loads(_check(layout, "--json").stdout)
    places = {(each["table"], each["row"], each["column"]) for each in found["differences"]}
    assert places >= {("packages", "1", "inventory_sha256"), ("copies", "2 node-1", "state")}
    with _database(layout) as database:
        database.execute("UPDATE packages SET inventory_sha256=? WHERE id=1", (was,))
        database.execute("UPDATE copies SET state='committed' WHERE package_id=2")
        for _, text in triggers:
            database.execute(text)
    assert _check(layout).returncode == 0
    assert {node: _tree(layout.root(node)) for node in NODES} == trees
    restart(appliance, "keeper")
    appliance.wait_until_well("keeper")
    record_fault("F26", observed="both rows told by `lantai catalogue check`; nodes untouched")


async def test_yesterdays_catalogue_is_not_written_until_it_is_reconciled(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """1. Backup; five more packages stored. 2. Backup put in place: readable, not written.
    3. Reconciled: the roles go on by themselves, all five are back, none twice."""
    layout = appliance.layout
    backup = layout.folder / "backup"
    _stop(appliance, WRITERS)
    _copy_catalogue(layout.folder, backup)
    for name in WRITERS:
        restart(appliance, name)
    before = stored(layout)
    sent = sender.send(5)
    await wait_until(lambda: stored(layout) == before + 5, 60, "five receipts")
    await _settle_and_stop(appliance, wait_until)
    newest = {table: _rows(layout, table) for table in INDEX}
    receipts = {each.name: _receipt(layout, each) for each in sent}
    _copy_catalogue(backup, layout.folder)
    for name in WRITERS:
        restart(appliance, name)
    await wait_until(lambda: _guard(layout, "ingest").startswith("catalogue-behind"), 30)
    await wait_until(lambda: _guard(layout, "keeper").startswith("catalogue-behind"), 30)
    await wait_until(lambda: _refused_metric(layout, "keeper") == 1.0, 10)
    assert "lantai catalogue reconcile" in _guard(layout, "ingest")
    (late,) = sender.send()
    appliance.wait_until_well("api")
    assert ask(layout.socket("api"), "packages", limit=1)["packages"], "reading goes on"
    began_s = time.monotonic()
    made = _lantai(layout, "reconcile")
    assert made.returncode == 0, made.stdout + made.stderr
    await wait_until(lambda: _is_stored(layout, late), 60, "a receipt without any restart")
    took_s = time.monotonic() - began_s
    for each in sent:
        expect_kept(layout, each)
        assert _receipt(layout, each) == receipts[each.name]
    now = {table: _rows(layout, table) for table in INDEX}
    assert now["packages"][: len(newest["packages"])] == newest["packages"]
    assert len(now["packages"]) == len(newest["packages"]) + 1
    bodies = {row["body"] for row in _rows(layout, "answers") if row["kind"] == "stored"}
    assert bodies >= set(receipts.values())
    record_fault(
        "F54",
        observed="refused for writing, read all the while; reconciled: 5 of 5 back, none twice",
        figure=f"writing again in {took_s:.1f} s",
    )


async def test_a_rotten_catalogue_is_refused_at_the_start_and_rebuilt_whole(
    appliance: Processes, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    await _settle_and_stop(appliance, wait_until)
    kept = {table: _rows(layout, table) for table in INDEX}
    _copy_catalogue(layout.folder, layout.folder / "rotten")
    file = layout.folder / "catalogue.sqlite"
    content = bytearray(file.read_bytes())
    for page in range(4096, len(content), 5 * 4096):
        content[page : page + 64] = b"\xa5" * 64
    file.write_bytes(content)
    restart(appliance, "keeper")
    assert appliance.wait("keeper", 30) == 78
    assert '"code": "catalogue-damaged"' in appliance.log_tail("keeper")
    file.unlink()
    assert _lantai(layout, "rebuild").returncode == 0
    assert {table: _rows(layout, table) for table in INDEX} == kept
    for name in WRITERS:
        restart(appliance, name)
        appliance.wait_until_well(name)
    record_fault("F27", observed="pages turned over: exit 78 and what to do; rebuilt, equal")


async def test_what_was_told_to_nobody_comes_back_and_gets_its_receipt_when_sent_again(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    await _settle_and_stop(appliance, wait_until, ("keeper",))  # who tells the nodes
    sent = sender.send(3)
    await wait_until(lambda: all(_is_stored(layout, each) for each in sent), 60, "receipts")
    _stop(appliance, ("ingest", "api"))
    kept = {table: _rows(layout, table) for table in ("copies", "packages")}
    for file in layout.folder.glob("catalogue.sqlite*"):
        file.unlink()
    made = json.loads(_lantai(layout, "rebuild", "--json").stdout)
    assert made["gathered"]["without_receipt"] == [
        f"lantai:{each.source}/{each.name}" for each in sent
    ]
    again = _rows(layout, "packages")
    assert sorted(map(_signed_for, again)) == sorted(map(_signed_for, kept["packages"]))
    assert len(_rows(layout, "copies")) == len(kept["copies"])
    for name in WRITERS:
        restart(appliance, name)
    for each in sent:
        assert not _has_receipt_row(layout, each)
        await _send(layout, each.name, each.files, wait_until)
        await wait_until(lambda each=each: _has_receipt_row(layout, each), 60, "a receipt anew")
        await wait_until(lambda each=each: _is_stored(layout, each), 60, "put aside")
        expect_kept(layout, each)
    await _settled(layout, wait_until)
    assert _check(layout).returncode == 0, _check(layout).stdout


def test_too_few_nodes_are_refused_and_a_catalogue_in_use_is_not_overwritten(
    appliance: Processes, tmp_path: Path
) -> None:
    layout = appliance.layout
    few = _lantai(layout, "rebuild", "--from", "node-1", "--into", f"sqlite:///{tmp_path}/c.sqlite")
    assert (few.returncode, "2 are needed" in few.stderr) == (3, True), few.stderr
    full = _lantai(layout, "rebuild")
    assert (full.returncode, "not empty" in full.stderr) == (1, True), full.stderr


def test_with_all_daemons_down_mounted_roots_give_the_same(
    appliance: Processes, tmp_path: Path
) -> None:
    layout = appliance.layout
    roots = [word for node in NODES[:2] for word in ("--root", str(layout.root(node)))]
    busy = _lantai(layout, "rebuild", *roots, "--into", f"sqlite:///{tmp_path}/busy.sqlite")
    assert (busy.returncode, "a node runs on" in busy.stderr) == (1, True), busy.stderr
    _stop(appliance, (*WRITERS, *NODES))
    kept = {table: _rows(layout, table) for table in INDEX}
    made = _lantai(layout, "rebuild", *roots, "--into", f"sqlite:///{tmp_path}/catalogue.sqlite")
    assert made.returncode == 0, made.stdout + made.stderr
    assert {table: _rows_of(tmp_path / "catalogue.sqlite", table) for table in INDEX} == kept


def _lantai(layout: DemoLayout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*lantai(), "catalogue", words[0], "--config", str(layout.config), *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _check(layout: DemoLayout, *words: str) -> subprocess.CompletedProcess[str]:
    return _lantai(layout, "check", *words)


def _stop(appliance: Processes, names: tuple[str, ...]) -> None:
    for name in names:
        assert appliance.stop(name) == 0, name


async def _settle_and_stop(
    appliance: Processes, wait_until: WaitUntil, names: tuple[str, ...] = WRITERS
) -> None:
    """Stop them with nothing untold: the keeper may have audited something at the last moment."""
    await _settled(appliance.layout, wait_until)
    _stop(appliance, names)
    while not _is_settled(appliance.layout):
        restart(appliance, "keeper")
        await _settled(appliance.layout, wait_until)
        _stop(appliance, ("keeper",))


async def _settled(layout: DemoLayout, wait_until: WaitUntil) -> None:
    await wait_until(lambda: _is_settled(layout), 60, "a told and settled catalogue")


def _is_settled(layout: DemoLayout) -> bool:
    """Everything is delivered, put away and told to all nodes."""
    with _database(layout) as database:
        (under_way,) = database.execute(
            "SELECT count(*) FROM transfers WHERE closed_at IS NULL"
            " AND state NOT IN ('held', 'rejected')"
        ).fetchone()
        (last,) = database.execute("SELECT max(sequence) FROM events").fetchone()
        told = database.execute("SELECT event_sequence FROM told").fetchall()
    return under_way == 0 and len(told) == len(NODES) and all(each == (last,) for each in told)


async def _send(layout: DemoLayout, name: str, files: Files, wait_until: WaitUntil) -> None:
    """Send under a name that was sent before."""
    await wait_until(lambda: not (layout.drop / name).exists(), 60, "the one before put away")
    write_folder(files, layout.folder / "again")
    (layout.folder / "again").rename(layout.drop / name)


@contextmanager
def _database(layout: DemoLayout) -> Iterator[sqlite3.Connection]:
    file = layout.folder / "catalogue.sqlite"
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        yield database


def _rows(layout: DemoLayout, table: str) -> Rows:
    return _rows_of(layout.folder / "catalogue.sqlite", table)


def _rows_of(file: Path, table: str) -> Rows:
    """Every row of a table, in the order of its first columns."""
    with closing(sqlite3.connect(file, timeout=30)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
    return _without([dict(row) for row in found], *DERIVED)


def _without(rows: Rows, *columns: str) -> Rows:
    return [{name: row[name] for name in row if name not in columns} for row in rows]


def _copy_catalogue(source: Path, target: Path) -> None:
    """As a backup of stopped roles is taken, and put back."""
    target.mkdir(exist_ok=True)
    for file in target.glob("catalogue.sqlite*"):
        file.unlink()
    for file in source.glob("catalogue.sqlite*"):
        shutil.copy2(file, target)


def _is_stored(layout: DemoLayout, package: Sent) -> bool:
    receipt = layout.returned / f"{package.name}.stored.json"
    return receipt.exists() and not (layout.drop / package.name).exists()


def _signed_for(package: dict[str, Any]) -> list[Any]:
    """What the nodes know of a package by themselves; its numbers are the catalogue's."""
    names = ("object_id", "version", "inventory_sha256", "state", "op_id", "copies_committed")
    return [package[name] for name in names]


def _has_receipt_row(layout: DemoLayout, package: Sent) -> bool:
    with _database(layout) as database:
        query = (
            "SELECT count(*) FROM answers JOIN transfers ON transfers.id = answers.transfer_id"
            " WHERE kind = 'stored' AND transfers.name = ? AND written_at IS NOT NULL"
        )
        return bool(database.execute(query, (package.name,)).fetchone()[0])


def _receipt(layout: DemoLayout, package: Sent) -> bytes:
    return (layout.returned / f"{package.name}.stored.json").read_bytes()


def _guard(layout: DemoLayout, name: str) -> str:
    """What a role says about the catalogue; nothing while it starts."""
    try:
        parts = ask(layout.socket(name), "status")["parts"]
    except NotRunning:
        return ""
    return next((str(part["status"]) for part in parts if part["name"] == "catalogue"), "")


def _refused_metric(layout: DemoLayout, name: str) -> float:
    with urllib.request.urlopen(f"http://{layout.addresses[name]}/metrics", timeout=5) as answer:
        found = re.search(r"^lantai_catalogue_refused (\S+)", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _tree(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
