"""What tests ask of a running appliance: its folders, its answers, its copies, its catalogue."""

import hashlib
import json
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.config import load_config
from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Instance, Processes, instances
from daemon.demo.samples import Files, bag, write_folder
from daemon.receipt_check import judge_receipt
from daemon.roles.notary import known_nodes
from ingest_watch.answer_files import made_from, place_of
from storage.catalogue import transfer_lists
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Transfer
from storage.ocfl.layout import object_folder
from storage.signing import VerifyKey

_LEADS_S_MAX = 60.0


@contextmanager
def running_appliance(folder: Path, settings: DemoSettings) -> Iterator[Processes]:
    """An appliance of real processes, all well, whose keeper takes orders."""
    layout = lay_out(folder, settings)
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        wait_until_keeper_leads(layout)
        yield processes


def wait_until_keeper_leads(layout: DemoLayout) -> None:
    """A keeper that is well may still ask the nodes what they know, and refuse orders meanwhile."""
    deadline, pause = time.monotonic() + _LEADS_S_MAX, threading.Event()
    while not keeper_leads(layout):
        assert time.monotonic() < deadline, "the keeper does not lead"
        pause.wait(0.02)


def keeper_leads(layout: DemoLayout) -> bool:
    """Whether the keeper leads: by then it takes orders."""
    try:
        parts = ask(layout.socket("keeper"), "status")["parts"]
    except (NotRunning, RoleRefused):
        return False
    return ("lease", "Leading") in ((part["name"], part["status"]) for part in parts)


def restart(processes: Processes, name: str) -> None:
    """Start a role that was killed, as systemd would."""
    processes.start(instance_of(processes.layout, name))


def instance_of(layout: DemoLayout, name: str) -> Instance:
    """How `name` is started."""
    return next(each for each in instances(layout) if each.name == name)


@dataclass(frozen=True)
class Sent:
    """One package as its sender knows it."""

    name: str
    files: Files
    source: str = SOURCE
    version: int = 1


@dataclass(frozen=True)
class Folders:
    """Where one sender's things lie."""

    drop: Path
    returned: Path
    accepted: Path


def folders_of(layout: DemoLayout, source: str) -> Folders:
    """The folders of one source."""
    return Folders(*(layout.folder / kind / source for kind in ("drop", "return", "accepted")))


class Sender:
    """Writes small bags beside the drop folder and moves them in whole."""

    def __init__(self, layout: DemoLayout, seed: int = 1, first: int = 0) -> None:
        self._layout = layout
        self._chance = random.Random(seed)
        self._first = first  # the number in the first package's name
        self._outside = layout.folder / "sender"
        self._outside.mkdir(exist_ok=True)
        self.sent: list[Sent] = []

    def send(self, count: int = 1, files: int = 3, size_bytes: int = 700) -> list[Sent]:
        """Send so many packages, of so many files of that size; return them."""
        first = len(self.sent)
        for number in range(self._first + first, self._first + first + count):
            payload = {f"{index}.bin": self._chance.randbytes(size_bytes) for index in range(files)}
            name = f"case-{number:04}"
            package = Sent(name, bag(payload, name))
            write_folder(package.files, self._outside / name)
            (self._outside / name).rename(self._layout.drop / name)
            self.sent.append(package)
        return self.sent[first:]


def stored(layout: DemoLayout) -> int:
    """How many stored receipts lie in the return folder."""
    return len(list(layout.returned.glob("*.stored.json")))


def transfers_of(layout: DemoLayout) -> list[Transfer]:
    """Every transfer on record."""
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        return catalogue.look(transfer_lists.page, limit=10_000)
    finally:
        catalogue.close()


def staged(layout: DemoLayout) -> list[str]:
    """The working folders in staging."""
    return [path.name for path in (layout.folder / "staging").iterdir() if path.name != ".sources"]


def expect_kept(layout: DemoLayout, package: Sent, kept: Files | None = None) -> None:
    """One verifying receipt, one object with the sender's bytes on each node, original aside.

    `kept`: what of its files the object holds; all of them if it is left out.
    """
    kept = package.files if kept is None else kept
    folders = folders_of(layout, package.source)
    expect_receipt(layout, package, kept)
    object_id = f"lantai:{package.source}/{package.name}"
    for node in NODES:
        folder = layout.root(node) / object_folder(object_id)
        received = folder / f"v{package.version}/content/received"
        assert tree(received) == kept, (node, package.name)
        assert len(list(folder.glob("v*"))) == package.version, (node, package.name)
    assert not (folders.drop / package.name).exists()
    aside = [folders.accepted / package.name, *folders.accepted.glob(f"{package.name}.[0-9]")]
    assert package.files in [tree(each) for each in aside], package.name


def expect_receipt(layout: DemoLayout, package: Sent, kept: Files) -> None:
    """The stored receipt verifies, lists what is kept, and has its pages beside it."""
    returned = folders_of(layout, package.source).returned
    receipt = returned / f"{package.name}.stored.json"
    body, signature = receipt.read_bytes(), Path(f"{receipt}.sig").read_bytes()
    nodes = {
        name: node.verify_key for name, node in known_nodes(load_config(layout.config)).items()
    }
    notary = VerifyKey.load(layout.keys / "notary.signing.pub.pem")
    assert judge_receipt(body, signature, notary, nodes).holds, package.name
    made = made_from(body, place_of(package.name), with_platform_receipt=False)
    assert {name: (returned / name).read_bytes() for name in made} == made, package.name
    assert {each["path"]: each["sha256"] for each in json.loads(body)["files"]} == {
        f"received/{path}": hashlib.sha256(content).hexdigest() for path, content in kept.items()
    }


def tree(folder: Path) -> Files:
    """Every file below `folder` with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def children_of(process_id: int) -> list[int]:
    """The processes below `process_id`, at any depth."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True
    ).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}
    found = [process_id]
    for above in found:
        found += [pid for pid, parent in parents.items() if parent == above]
    return found[1:]
