"""The appliance under systemd on a real machine: installed, used and troubled."""

import json
import tomllib

import pytest

from daemon.demo.samples import samples
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.fleet.conftest import Fleet
from tests.fleet.deployment import NODES, SENDER, SOURCE, WITH_DISK, deploy, play
from tests.fleet.machine import Machine

# The first run on a host makes the base folder and the wheels, before the first test.
pytestmark = [pytest.mark.needs_machine, pytest.mark.needs_fuse, pytest.mark.timeout(900)]

ROLES = ("ingest", "notary", "keeper", "view", "api")
UNITS = (*(f"lantai-node@{node}" for node in NODES), *(f"lantai-{role}" for role in ROLES))
EXCHANGE = f"/srv/lantai/exchange/{SOURCE}"
VIEW = "/srv/lantai/view"
NOTARY_KEY = "/etc/lantai/keys/notary.signing.pub.pem"
READY_S = 60


def states(machine: Machine) -> dict[str, str]:
    """What systemd says of each unit."""
    lines = machine.ask(f"systemctl is-active {' '.join(UNITS)}").stdout.split()
    return dict(zip(UNITS, lines, strict=True))


def all_well(machine: Machine) -> bool:
    """Every unit active, and every role well by its own account."""
    running = set(states(machine).values()) == {"active"}
    return running and machine.ask("lantai status").returncode == 0


def shown(machine: Machine, unit: str, *properties: str) -> list[str]:
    """Properties of a unit, in the order asked for."""
    listed = machine.run(f"systemctl show --property={','.join(properties)} {unit}")
    values = dict(line.split("=", 1) for line in listed.splitlines())
    return [values[name] for name in properties]


def send(machine: Machine, name: str, target: str) -> None:
    """As the sender would: copy a sample into the drop folder, with the sender's own rights."""
    outgoing = machine.inside(f"/home/{SENDER}/{name}")
    sample = next(each for each in samples() if each.name == name)
    if not outgoing.exists():
        sample.write(outgoing)
    machine.run(f"chown -R {SENDER}: /home/{SENDER}/{name}")
    copy = f"cp -r --no-preserve=mode /home/{SENDER}/{name} {EXCHANGE}/drop/{target}"
    machine.run(f"cd / && runuser -u {SENDER} -- {copy}")


def receipt(name: str) -> str:
    """Where the stored receipt of a package arrives."""
    return f"{EXCHANGE}/return/{name}.stored.json"


def openssl_verifies(machine: Machine, answer: str) -> bool:
    """Judged inside the machine, as the sender, by openssl alone."""
    verdict = machine.ask(
        f"cd / && runuser -u {SENDER} -- openssl pkeyutl -verify -pubin -inkey {NOTARY_KEY} -rawin"
        f" -in {answer} -sigfile {answer}.sig"
    )
    return "Signature Verified Successfully" in verdict.stdout


async def stored(fleet: Fleet, wait_until: WaitUntil, name: str, target: str) -> str:
    """Send a package and wait for its stored receipt; where that is."""
    send(fleet.machine, name, target)
    answer = receipt(target)
    await wait_until(lambda: fleet.machine.inside(answer).exists(), READY_S, f"{answer} arrived")
    return answer


async def test_the_playbook_leaves_every_role_running(fleet: Fleet, wait_until: WaitUntil) -> None:
    await wait_until(lambda: all_well(fleet.machine), READY_S, "every role is well")
    assert fleet.first_run.changed > 0


def test_a_second_run_of_the_playbook_changes_nothing(fleet: Fleet) -> None:
    second = deploy(fleet.machine, fleet.release, fleet.work)
    assert (second.changed, second.failed) == (0, 0), second.output


async def test_a_dropped_package_comes_back_as_a_receipt_that_openssl_verifies(
    fleet: Fleet, wait_until: WaitUntil
) -> None:
    machine = fleet.machine
    answer = await stored(fleet, wait_until, "case-0001", "case-0001")
    assert openssl_verifies(machine, answer)
    altered = machine.inside(answer).read_bytes().replace(b"case-0001", b"case-1001", 1)
    machine.inside(f"/home/{SENDER}/altered").write_bytes(altered)
    machine.run(f"cp {answer}.sig /home/{SENDER}/altered.sig")
    assert not openssl_verifies(machine, f"/home/{SENDER}/altered")


async def test_the_sandboxed_self_test_proves_the_disk(fleet: Fleet, wait_until: WaitUntil) -> None:
    answer = await stored(fleet, wait_until, "case-0002.zip", "case-0002.zip")
    copies = json.loads(fleet.machine.inside(answer).read_text())["copies"]
    assert [copy["node"] for copy in copies] == list(NODES)
    assert {copy["verify_mode"] for copy in copies} <= {"direct", "evicted"}, copies


async def test_another_user_reads_the_view_and_cannot_write(
    fleet: Fleet, wait_until: WaitUntil
) -> None:
    machine = fleet.machine
    await stored(fleet, wait_until, "case-0005", "case-0005")
    path = f"{VIEW}/{SOURCE}/case-0005/v1/data/base_info.xml"
    as_sender = f"cd / && runuser -u {SENDER} --"
    await wait_until(lambda: machine.ask(f"{as_sender} test -e {path}").returncode == 0, READY_S)
    sent = machine.inside(f"/home/{SENDER}/case-0005/data/base_info.xml").read_text()
    assert machine.run(f"{as_sender} cat {path}") == sent
    assert machine.ask(f"touch {path}").returncode != 0
    assert machine.ask(f"{as_sender} touch {VIEW}/new").returncode != 0


def test_a_new_disk_was_tried_before_its_node_started(fleet: Fleet) -> None:
    said = json.loads(fleet.machine.run(f"cat /srv/lantai/{WITH_DISK}/root/node-burn-in"))
    assert (said["node"], said["outcome"]) == (WITH_DISK, "passed")
    assert said["tested_bytes"] > 50_000_000


def test_a_role_has_the_sections_that_the_inventory_gives_it(fleet: Fleet) -> None:
    configured = tomllib.loads(fleet.machine.run("cat /etc/lantai/lantai.toml"))
    assert configured["keeper"]["audit"] == {"percent_per_day": 0.5}
    assert configured["peers"][0]["weight"] == 1


def test_no_role_holds_a_privilege(fleet: Fleet) -> None:
    for unit in UNITS:
        process, user = shown(fleet.machine, unit, "MainPID", "User")
        status = fleet.machine.run(f"cat /proc/{process}/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        assert facts["NoNewPrivs"] == "1", unit
        assert facts["CapEff"] == facts["CapPrm"] == facts["CapAmb"] == "0" * 16, unit
        assert "0" not in facts["Uid"].split(), f"{unit} runs as root ({user})"


def test_a_secret_key_is_its_own_roles_alone(fleet: Fleet) -> None:
    keys = [f"{role}.{kind}" for role in ROLES for kind in ("curve", "signing.pem")]
    listed = fleet.machine.run(f"cd /etc/lantai/keys && stat -c '%n %a %U' {' '.join(keys)}")
    expected = [f"{key} 400 lantai-{key.partition('.')[0]}" for key in keys]
    assert listed.splitlines() == expected
    for key in keys:
        stolen = f"runuser -u lantai-node -- cat /etc/lantai/keys/{key}"
        assert fleet.machine.ask(stolen).returncode != 0, key


def test_only_operators_may_ask_a_role(fleet: Fleet) -> None:
    ask = f"cd / && runuser -u {SENDER} -- lantai status"
    assert fleet.machine.ask(ask).returncode != 0
    fleet.machine.run("useradd --groups lantai-ops duty")
    assert fleet.machine.ask("cd / && runuser -u duty -- lantai status").returncode == 0


def test_the_notarys_figures_leave_its_private_network(fleet: Fleet) -> None:
    fetch = (
        "python3 -c 'import urllib.request as u;"
        ' print(u.urlopen("http://127.0.0.1:9412/metrics").read().decode())\''
    )
    assert "lantai_notary_signatures_total" in fleet.machine.run(fetch)
    process = shown(fleet.machine, "lantai-notary", "MainPID")[0]
    devices = fleet.machine.run(f"nsenter --net=/proc/{process}/ns/net ip -brief link").split("\n")
    assert [line.split()[0] for line in devices if line] == ["lo"]


async def test_receipts_and_roles_outlive_a_restart(fleet: Fleet, wait_until: WaitUntil) -> None:
    machine = fleet.machine
    answer = await stored(fleet, wait_until, "case-0003.tar", "case-0003.tar")
    before = shown(machine, "lantai-notary", "MainPID")
    machine.run("systemctl restart lantai.target")
    await wait_until(lambda: all_well(machine), READY_S, "every role is well again")
    assert shown(machine, "lantai-notary", "MainPID") != before
    assert openssl_verifies(machine, answer)
    later = await stored(fleet, wait_until, "case-0004.tar.gz", "case-0004.tar.gz")
    assert openssl_verifies(machine, later)


async def test_a_blocked_loop_is_killed_and_comes_back(fleet: Fleet, wait_until: WaitUntil) -> None:
    machine = fleet.machine
    drop_in = machine.inside("/etc/systemd/system/lantai-keeper.service.d/90-quick.conf")
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[Service]\nWatchdogSec=4\nRestartSec=1\n")
    machine.run("systemctl daemon-reload && systemctl restart lantai-keeper")
    before = shown(machine, "lantai-keeper", "MainPID")
    machine.run("lantai block-loop keeper")
    await wait_until(
        lambda: shown(machine, "lantai-keeper", "NRestarts", "ActiveState") == ["1", "active"],
        READY_S,
        "the keeper was started again",
    )
    assert shown(machine, "lantai-keeper", "MainPID") != before
    said = machine.run("journalctl --unit lantai-keeper --output cat")
    assert "Watchdog timeout" in said
    assert "time.sleep" in said or "Current thread" in said, "the log says where it stood"
    drop_in.unlink()
    machine.run("systemctl daemon-reload && systemctl restart lantai-keeper")
    record_fault("F40", observed="killed by systemd, well again, and the log says where it stood")


async def test_a_killed_view_is_mounted_again(fleet: Fleet, wait_until: WaitUntil) -> None:
    machine = fleet.machine
    machine.run("systemctl kill --signal=SIGKILL lantai-view")
    await wait_until(lambda: all_well(machine), READY_S, "the view is back")
    assert machine.run(f"ls {VIEW}").split() == [SOURCE]
    assert machine.run("findmnt --noheadings --types fuse.lantai").count("\n") == 1


async def test_a_clean_stop_ends_every_role_with_zero(fleet: Fleet, wait_until: WaitUntil) -> None:
    machine = fleet.machine
    await wait_until(lambda: all_well(machine), READY_S)
    machine.run("systemctl stop lantai.target")
    await wait_until(
        lambda: set(states(machine).values()) == {"inactive"}, READY_S, "every unit stopped"
    )
    ends = {unit: shown(machine, unit, "ExecMainStatus", "Result") for unit in UNITS}
    assert ends == {unit: ["0", "success"] for unit in UNITS}
    assert machine.ask("findmnt --types fuse.lantai").stdout == ""
    machine.run("systemctl start lantai.target")
    await wait_until(lambda: all_well(machine), READY_S)


async def test_a_configuration_that_cannot_be_used_stays_down(
    fleet: Fleet, wait_until: WaitUntil
) -> None:
    machine = fleet.machine
    config = machine.inside("/etc/lantai/node-3.toml")
    kept = config.read_text()
    config.write_text(kept.replace('root = "/srv/lantai/node-3/root"', 'rot = "/srv"'))
    try:
        machine.ask("systemctl restart lantai-node@node-3")
        unit = "lantai-node@node-3"
        assert shown(machine, unit, "ActiveState", "ExecMainStatus") == ["failed", "78"]
    finally:
        config.write_text(kept)
    machine.run("systemctl start lantai-node@node-3")
    await wait_until(lambda: all_well(machine), READY_S)


async def test_a_volume_is_never_begun_where_no_disk_is_mounted(
    fleet: Fleet, wait_until: WaitUntil
) -> None:
    machine, volume = fleet.machine, "/srv/lantai/node-2"
    machine.run(f"systemctl stop lantai-node@node-2 && mv {volume} {volume}.away")
    try:
        only = ["--tags", "volume", "--extra-vars", '{"lantai_volume_without_disk": false}']
        refused = play(machine, fleet.release, fleet.work, *only)
        assert refused.returncode != 0
        assert f"No disk is mounted at {volume}" in refused.stdout
        assert machine.ask("systemctl start lantai-node@node-2").returncode != 0
        ended = shown(machine, "lantai-node@node-2", "ActiveState", "ExecMainStatus")
        assert ended == ["failed", "78"]
        assert not machine.inside(f"{volume}/root").exists()
    finally:
        machine.run(f"rm -rf {volume} && mv {volume}.away {volume}")
    machine.run("systemctl start lantai-node@node-2")
    await wait_until(lambda: all_well(machine), READY_S)
