"""`make run`, as a newcomer sees it, on a machine with no network but its own loopback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WaitUntil

PROJECT = Path(__file__).parents[2]
DEMO_S_MAX = 240

# A new network namespace has a loopback interface that is down, and nothing else.
OFF_THE_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@pytest.mark.needs_root
@pytest.mark.needs_fuse
def test_the_demo_holds_from_first_drop_to_clean_stop_without_any_network(tmp_path: Path) -> None:
    """1. A namespace with nothing but loopback. 2. The set-up finds nothing left to do.
    3. The demo runs all roles, shows what happened, and ends with 0."""
    steps = f".ci/setup && exec {sys.executable} -m daemon.cli demo --folder {tmp_path}/demo"
    ran = subprocess.run(
        [*OFF_THE_NETWORK, "bash", "-c", steps],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    for told in (
        "✓ stored 已入库      case-0001",
        "✗ rejected 已退回    case-0007.zip",
        "path-traversal",
        "└ 11350100MB0123456X-2021-000004.zip [Y · 工程建设]",
        "case-file-missing",
        "? held 暂存          11350100MB0123456X-2021-000009.zip",
        "scope-outside",
        "eep-digest-mismatch",
        "carrier-content-missing",
        "csip-unreferenced",
        "found by the sweep as: altered",
        "Signature Verified Successfully",
        "gov-portal/case-0001/v1/data/申报文件/申请表.txt",
        'lantai_keeper_repairs_total{outcome="mended"} 1',
        "lantai transfers release",
        "Stopped cleanly",
    ):
        assert told in ran.stdout


@pytest.mark.needs_root
def test_the_namespace_of_that_test_really_reaches_nothing() -> None:
    """The proof above is worth something only if its namespace has no way out."""
    routes = subprocess.run(
        [*OFF_THE_NETWORK, "ip", "route", "show", "table", "all"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "default" not in routes.stdout
    assert "dev lo" in routes.stdout


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "mine.txt"
    kept.write_text("not a demo")
    ran = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "demo", "--folder", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "not empty and not a demo's folder" in ran.stderr
    assert kept.read_text() == "not a demo"


async def test_whatever_ends_the_demo_ends_its_roles_too(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [sys.executable, "-m", "daemon.cli", "demo", "--no-mount", "--folder", str(folder)],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as demo:
        await wait_until(lambda: len(_processes_of(folder)) >= 3, within_s=60)
        demo.kill()
    await wait_until(lambda: not _processes_of(folder), within_s=60, what="the end of all roles")


def _processes_of(folder: Path) -> list[str]:
    """Process ids of the roles whose configuration lies in `folder`."""
    wanted = str(folder / "config").encode()
    return [
        line.parent.name
        for line in Path("/proc").glob("[0-9]*/cmdline")
        if wanted in _read(line) and b"\0run\0" in _read(line)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # the process has ended
