"""The units: systemd accepts them, and each scores within what its role may do.

systemd-analyze(1). The score is a linter's: tests/fleet runs the roles inside these sandboxes.
"""

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UNITS = PROJECT / "systemd"
# In tenths, as --threshold wants it. What each may do, and so cannot score, stands in the unit.
EXPOSURE_MAX = {
    "lantai-node@.service": 12,
    "lantai-ingest.service": 12,
    "lantai-keeper.service": 12,
    "lantai-api.service": 12,
    "lantai-notary.service": 7,
    "lantai-notary-metrics.service": 8,
    "lantai-view.service": 42,
}
ROLES = sorted(set(EXPOSURE_MAX) - {"lantai-notary-metrics.service"})


def lines_of(unit: str) -> list[str]:
    """The unit's settings, comments left out."""
    text = (UNITS / unit).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.needs_machine
@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.glob("lantai*.s*[et]")))
def test_systemd_accepts_the_unit(unit: str) -> None:
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(UNITS / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # The only complaint here: nothing is installed below /opt/lantai.
    complaints = [line for line in judged.stderr.splitlines() if "/opt/lantai/" not in line]
    assert complaints == []


@pytest.mark.needs_machine
@pytest.mark.parametrize("unit", sorted(EXPOSURE_MAX))
def test_a_unit_is_not_exposed_beyond_its_role(unit: str) -> None:
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         f"--threshold={EXPOSURE_MAX[unit]}", str(UNITS / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize("unit", ROLES)
def test_a_role_is_watched_and_comes_back_unless_it_refused(unit: str) -> None:
    lines = lines_of(unit)
    for line in (
        "Type=notify", "WatchdogSec=60", "WatchdogSignal=SIGABRT", "Restart=always",
        "RestartPreventExitStatus=78", "StartLimitIntervalSec=0", "PartOf=lantai.target",
        "WantedBy=lantai.target", "NoNewPrivileges=yes", "UMask=0077", "LimitCORE=0",
    ):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize("unit", ROLES)
def test_memory_files_and_tasks_of_a_role_are_bounded(unit: str) -> None:
    settings = {line.split("=", 1)[0] for line in lines_of(unit)}
    assert {"MemoryHigh", "MemoryMax", "TasksMax", "LimitNOFILE"} <= settings


def test_no_two_roles_share_a_user_and_every_user_is_declared() -> None:
    users: list[str] = []
    for unit in ROLES:
        named = [line.split("=")[1] for line in lines_of(unit) if line.startswith("User=")]
        users += named or re.findall(r"--user (\S+)", (UNITS / unit).read_text())
    declared = re.findall(r"^u (\S+)", (UNITS / "lantai.sysusers.conf").read_text(), re.MULTILINE)
    assert sorted(users) == sorted(set(users)) == sorted(declared)


def test_no_role_is_an_operator() -> None:
    members = re.findall(
        r"^m (\S+)\s+(\S+)", (UNITS / "lantai.sysusers.conf").read_text(), re.MULTILINE
    )
    assert members
    assert [user for user, group in members if group == "lantai-ops"] == []


def test_the_notary_sees_no_network_but_its_own_loopback() -> None:
    lines = lines_of("lantai-notary.service")
    assert "PrivateNetwork=yes" in lines
    assert "RestrictAddressFamilies=AF_UNIX AF_INET" in lines


def test_the_view_has_no_mount_namespace_that_would_hide_its_mount() -> None:
    hiding = ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts",
              "ProtectProc", "ProcSubset", "ProtectKernelTunables", "ProtectControlGroups",
              "ReadWritePaths", "BindPaths", "InaccessiblePaths", "RootDirectory")  # fmt: skip
    settings = {line.split("=", 1)[0] for line in lines_of("lantai-view.service")}
    assert settings.isdisjoint(hiding)
