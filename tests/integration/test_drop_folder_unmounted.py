"""A drop folder whose share goes away under a running appliance, and comes back.

1. The drop folder lies on a file system of its own. One package is stored, one is half copied, and
   one is on its way to nodes of which one is down.
2. The share is unmounted: the alarm's figure is raised, nothing is taken for withdrawn, and what
   somebody writes into the empty mount point is no package.
3. The node comes back: the package is stored and answered, though its original cannot be moved.
4. The share comes back on another device: the figure is cleared, the half one is finished and
   stored, the originals are moved, and nothing has been ingested twice. The dispatch note that
   names all three is open from the beginning until then.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes
from daemon.demo.samples import Files, bag, write_folder
from ingest_watch.drop_folder import DropFolder
from ingest_watch.settle import CompleteWhen, SettleRule, Unavailable
from storage.ocfl.layout import object_folder
from tests.appliance import restart, transfers_of
from tests.appliance_figures import figure
from tests.conftest import WaitUntil

AVAILABLE = f'lantai_ingest_drop_folder_available{{source="{SOURCE}"}}'
LoopFilesystem = Callable[..., Path]

pytestmark = [pytest.mark.needs_root, pytest.mark.timeout(300)]


class Share:
    """The file system that the drop folder is on, which can be away."""

    def __init__(self, layout: DemoLayout, image: Path) -> None:
        self._image = image
        self._point = layout.drop.parent
        self.accepted = self._point / "accepted"

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self._point)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._point)], check=True)


@pytest.fixture
def share(tmp_path: Path, loop_filesystem: LoopFilesystem) -> Iterator[tuple[DemoLayout, Share]]:
    """A demo laid out over the share; the folder that the share hides is empty and the same."""
    settings = DemoSettings(complete_when="proven", mount=False, allow_unproven=True)
    layout = lay_out(tmp_path / "demo", settings)
    made = loop_filesystem("ext4")
    subprocess.run(["umount", str(made)], check=True)
    share = Share(layout, made.with_suffix(".img"))
    share.mount()
    layout.drop.mkdir()
    share.accepted.mkdir()
    text = layout.config.read_text()
    layout.config.write_text(text.replace(f'"{layout.accepted}"', f'"{share.accepted}"'))
    assert str(share.accepted) in layout.config.read_text()
    yield layout, share
    subprocess.run(["umount", "--lazy", str(layout.drop.parent)], check=False, capture_output=True)


def _bag(name: str) -> Files:
    return bag({"申请表.pdf": name.encode() * 100, "附件.bin": b"x" * 3000}, name)


def _half(files: Files) -> Files:
    return {path: content for path, content in files.items() if "申请表" not in path}


def _send(layout: DemoLayout, files: Files, name: str) -> None:
    outside = layout.drop.parent / f"outside-{name}"
    write_folder(files, outside)
    outside.rename(layout.drop / name)


def _note(layout: DemoLayout, *names: str) -> None:
    folder = layout.drop / ".tally"
    folder.mkdir()
    (folder / "day.csv").write_text("\n".join(("identifier", *names, "")))


def _gap(layout: DemoLayout) -> list[tuple[str, str]] | None:
    """What the answer to the note names; None before there is one."""
    answer = layout.returned / "day.csv.tally.json"
    if not answer.exists():
        return None
    return [(each["kind"], each["identifier"]) for each in json.loads(answer.read_bytes())["gap"]]


def _states(layout: DemoLayout) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for transfer in reversed(transfers_of(layout)):
        found.setdefault(transfer.name, []).append(transfer.state.value)
    return found


async def test_a_share_that_goes_and_comes_back_loses_nothing_and_brings_nothing_twice(
    share: tuple[DemoLayout, Share], loop_filesystem: LoopFilesystem, wait_until: WaitUntil
) -> None:
    layout, drop_share = share
    ingest = layout.addresses["ingest"]

    def answered(name: str, kind: str) -> bool:
        return (layout.returned / f"{name}.{kind}.json").exists()

    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        _note(layout, "stored", "under-way", "half")
        _send(layout, _bag("stored"), "stored")
        await wait_until(lambda: answered("stored", "stored"), 60)
        processes.kill(NODES[0])
        _send(layout, _bag("under-way"), "under-way")
        _send(layout, _half(_bag("half")), "half")
        await wait_until(lambda: _states(layout).get("under-way") == ["writing"], 60)
        await wait_until(lambda: _states(layout).get("half") == ["waiting"], 60)
        await wait_until(lambda: _gap(layout) is not None, 60, "the note's answer")

        drop_share.unmount()
        await wait_until(lambda: figure(ingest, AVAILABLE) == 0, 30, "the alarm")
        _send(layout, _bag("beneath"), "beneath")
        restart(processes, NODES[0])
        processes.wait_until_well(NODES[0])
        await wait_until(lambda: answered("under-way", "stored"), 60)
        assert _states(layout) == {
            "stored": ["stored"], "under-way": ["stored"], "half": ["waiting"],
        }  # fmt: skip

        await wait_until(lambda: _gap(layout) == [("under-way", "half")], 60, "the gap")
        loop_filesystem("ext4")  # takes the device that the share was on
        drop_share.mount()
        await wait_until(lambda: figure(ingest, AVAILABLE) == 1, 30, "the end of the alarm")
        write_folder(_bag("half"), layout.drop / "half")
        await wait_until(lambda: answered("half", "stored"), 60)
        await wait_until(lambda: not list(layout.drop.glob("[!.]*")), 60, "an empty drop folder")
        await wait_until(lambda: not list(layout.drop.glob(".tally/*")), 60, "a closed note")
        assert _gap(layout) == []

    assert _states(layout) == {name: ["stored"] for name in ("stored", "under-way", "half")}
    names = {path.name for path in drop_share.accepted.iterdir()}
    assert names == {*_states(layout), "day.csv"}
    for name in _states(layout):
        for node in NODES:
            versions = layout.root(node) / object_folder(f"lantai:{SOURCE}/{name}")
            assert sorted(path.name for path in versions.glob("v*")) == ["v1"]


def test_a_share_that_is_mounted_from_another_device_shows_the_same_entries(
    tmp_path: Path, loop_filesystem: LoopFilesystem
) -> None:
    """Or every rejected original would be judged and sent back anew after each mount."""
    share = loop_filesystem("ext4")
    write_folder(_bag("case-1"), share / "drop/case-1")
    folder = DropFolder(share / "drop", tmp_path / "identity.json", SettleRule(CompleteWhen.PROVEN))
    before, device = folder.fingerprint(b"case-1"), share.stat().st_dev
    subprocess.run(["umount", str(share)], check=True)
    assert isinstance(folder.scan(), Unavailable)
    loop_filesystem("ext4")
    subprocess.run(["mount", "-o", "loop", str(share.with_suffix(".img")), str(share)], check=True)
    assert share.stat().st_dev != device
    assert folder.fingerprint(b"case-1") == before
