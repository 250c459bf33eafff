"""Stories of a copy that goes bad or missing, of a node's own record, of orders to the keeper.

As tests/crash_stories.py, which they go on from: each says how it must end however often a role
died in it. What goes wrong goes wrong on node-1, once.
"""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import ClassVar

from daemon.config import load_config
from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import NODES
from storage.catalogue import audits, copies, findings, orders, packages, sweeps
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import CopyState, Order, OrderState, PackageState
from storage.catalogue.timestamps import to_text
from storage.durable import fsync_file
from storage.ocfl.layout import object_folder
from tests.appliance import tree
from tests.crash_stories import VERSIONS, LaterVersion, Outside, Story

VICTIM = "node-1"
# A person who sees nothing happen asks again.
_ASK_AGAIN_S = 3.0
_LARGE_BYTES = 257 * 1024 * 1024


class RepairStory(Story):
    """A kept bag to which something happens."""

    before_ends = ("stored",)
    ends = ("stored", "well")

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self._asked_at = 0.0
        self._began_at = to_text(datetime.now(UTC))

    @property
    def object_id(self) -> str:
        return f"lantai:{self.source}/{self.name}"

    def before(self) -> None:
        self.send(self.files)

    def states(self) -> tuple[str, ...]:
        return super().states() + (("well",) if self._began() and self.is_well() else ())

    def is_well(self) -> bool:
        """Whether what happened is put right, and on record as that."""
        return self.look(self._is_well_on_record)

    def folder(self, node: str) -> Path:
        return self.outside.layout.root(node) / object_folder(self.object_id)

    def look(self, question: Callable[[Catalogue], bool]) -> bool:
        catalogue = Catalogue.open(load_config(self.outside.layout.config).catalogue.url)
        try:
            return question(catalogue)
        finally:
            catalogue.close()

    def ask(self, instance: str, verb: str, **arguments: object) -> None:
        """Ask at most every other second, of whoever is up."""
        if monotonic() > self._asked_at + _ASK_AGAIN_S:
            self._asked_at = monotonic()
            with suppress(NotRunning, RoleRefused):
                ask(self.outside.layout.socket(instance), verb, timeout_s=20, **arguments)

    def _began(self) -> bool:
        return self._asked_at > 0

    def _is_well_on_record(self, catalogue: Catalogue) -> bool:
        versions = catalogue.look(packages.versions_of_object, self.object_id)
        kept = [each for each in versions if each.state is PackageState.STORED]
        held = [copy for each in kept for copy in catalogue.look(copies.of_package, each.id)]
        still = [each.object_id for each in catalogue.look(findings.still_open)]
        newest = held[-len(NODES) :]
        is_held = all(copy.state is CopyState.COMMITTED for copy in newest)
        return len(newest) == len(NODES) and is_held and self.object_id not in still


class Mended(RepairStory):
    """Some files of a copy rot, a sweep finds it, the keeper has it mended."""

    bad: ClassVar[bytes] = b"not what was signed"
    rotten: tuple[str, ...] = (VICTIM,)

    def act(self) -> None:
        for node in self.rotten:
            self.rot(node)
        self._sweep(VICTIM)

    def rot(self, node: str) -> None:
        """For good: a power cut must not take the damage back."""
        self.victim(node).chmod(0o640)
        self.victim(node).write_bytes(self.bad_on(node))
        fsync_file(self.victim(node))

    def bad_on(self, node: str) -> bytes:
        """No two disks rot alike; those that did would be two witnesses against the third."""
        return self.bad + node.encode()

    def afterwards(self) -> None:
        if self._began():
            for node in self.rotten:
                if not self.is_whole(node):
                    self._sweep(node)
                    return

    def is_well(self) -> bool:
        return all(map(self.is_whole, self.rotten)) and super().is_well()

    def expect(self) -> None:
        super().expect()
        for node in self.rotten:
            aside = (self.outside.layout.folder / node / "quarantine").rglob("0.bin")
            kept = [path.read_bytes() for path in aside]
            assert self.bad_on(node) in kept, "the bad bytes are gone"

    def victim(self, node: str) -> Path:
        return self.folder(node) / "v1/content/received/data/0.bin"

    def is_whole(self, node: str) -> bool:
        victim = self.victim(node)
        return victim.is_file() and victim.read_bytes() == self.files["data/0.bin"]

    def _sweep(self, node: str) -> None:
        self.ask(node, "sweep-start", scope="package", subject=self.object_id)


class Storm(Mended):
    """Two copies rot on one node, where one is too much: the keeper stops, a person goes on."""

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self.other = Mended(outside, f"{name}-other")

    def before(self) -> None:
        super().before()
        self.other.before()

    def states(self) -> tuple[str, ...]:
        return super().states() if Story.states(self.other) == ("stored",) else ()

    def act(self) -> None:
        for story in (self.other, self):
            story.rot(VICTIM)
        self._sweep(VICTIM)

    def afterwards(self) -> None:
        if self._began() and not self.is_well():
            said = ask(self.outside.layout.socket("keeper"), "status", timeout_s=20)["detail"]
            if said is not None and VICTIM in said["suspect_nodes"]:  # None while it starts
                self.ask("keeper", "audit-trust", node=VICTIM, reason="因测试")
            else:
                self._sweep(VICTIM)

    def is_well(self) -> bool:
        return self.other.is_whole(VICTIM) and super().is_well()

    def expect(self) -> None:
        super().expect()
        self.other.expect()

    def _sweep(self, node: str) -> None:
        self.ask(node, "sweep-start")


class MendFails(Mended):
    """The node that the keeper would have it mended from has a rotten copy, too, and knows not."""

    @property
    def rotten(self) -> tuple[str, ...]:  # type: ignore[override] # it is made of the name here
        others = [node for node in NODES if node != VICTIM]
        first = min(
            others, key=lambda node: hashlib.sha256(f"{self.object_id}\0{node}".encode()).digest()
        )
        return VICTIM, first


class MendedForVersion(LaterVersion):
    """A later version comes, the inventory before it is found rotten; it is mended for that."""

    def act(self) -> None:
        folder = self.outside.layout.root(VICTIM) / object_folder(f"lantai:{VERSIONS}/{self.name}")
        inventory = folder / "inventory.json"
        inventory.chmod(0o640)
        inventory.write_bytes(inventory.read_bytes().replace(b"sha256", b"sha265", 1))
        super().act()


class Missed(RepairStory):
    """A node has lost a copy and its own record of it; an audit is denied, and it is mended."""

    def act(self) -> None:
        shutil.rmtree(self.folder(VICTIM))
        index = self.outside.layout.folder / VICTIM / "index.sqlite"
        with closing(sqlite3.connect(index, timeout=30)) as database, database:
            database.execute("DELETE FROM objects WHERE object_id=?", (self.object_id,))
        self._audit()

    def afterwards(self) -> None:
        if self._began() and not self.folder(VICTIM).exists():
            self._audit()

    def is_well(self) -> bool:
        received = self.folder(VICTIM) / "v1/content/received"
        return tree(received) == self.files and super().is_well()

    def _audit(self) -> None:
        self.ask("keeper", "audit-start", object=self.object_id)


class Stray(RepairStory):
    """Something lies in the root that belongs to nobody; a sweep puts it away."""

    def act(self) -> None:
        self.stray.write_bytes(self.stray.name.encode())
        self._sweep()

    def afterwards(self) -> None:
        if self._began() and self.stray.exists():
            self._sweep()

    def is_well(self) -> bool:
        return not self.stray.exists() and self.look(self._is_settled)

    def expect(self) -> None:
        super().expect()
        aside = (self.outside.layout.folder / VICTIM / "quarantine").glob(f"*{self.stray.name}")
        assert [path.read_bytes() for path in aside] == [self.stray.name.encode()]

    @property
    def stray(self) -> Path:
        return self.outside.layout.root(VICTIM) / f"stray-{self.name}"

    def _sweep(self) -> None:
        self.ask(VICTIM, "sweep-start", kind="quick")

    def _is_settled(self, catalogue: Catalogue) -> bool:
        return catalogue.look(findings.open_of_volume, VICTIM) == []


class Ordered(RepairStory):
    """A person has the keeper do something; asks again only if that is not on record."""

    def act(self) -> None:
        self._order()

    def afterwards(self) -> None:
        if self._began() and not self.look(self._is_on_record):
            self._order()

    def is_well(self) -> bool:
        return self.look(self._is_carried_out)

    def _order(self) -> None:
        raise NotImplementedError

    def _own_orders(self, catalogue: Catalogue) -> list[Order]:
        """That were placed since the story began."""
        known = catalogue.look(orders.page, limit=1000)
        return [each for each in known if each.requested_at >= self._began_at]

    def _is_on_record(self, catalogue: Catalogue) -> bool:
        return bool(self._own_orders(catalogue))

    def _is_carried_out(self, catalogue: Catalogue) -> bool:
        own = self._own_orders(catalogue)
        return bool(own) and {each.state for each in own} == {OrderState.DONE}


class OrderedSweep(Ordered):
    """A person has a node swept by way of the keeper, which hears of the pass."""

    node: ClassVar[str] = "node-2"

    def act(self) -> None:
        self._before = self._passes()
        super().act()

    def is_well(self) -> bool:
        return super().is_well() and self._passes() > self._before

    def _order(self) -> None:
        self.ask("keeper", "sweep-start", node=self.node)

    def _passes(self) -> int:
        catalogue = Catalogue.open(load_config(self.outside.layout.config).catalogue.url)
        try:
            return catalogue.look(sweeps.last_finished, self.node)
        finally:
            catalogue.close()


class Audited(Ordered):
    """A person has an object audited."""

    def is_well(self) -> bool:
        return super().is_well() and self.look(self._is_audited)

    def _order(self) -> None:
        self.ask("keeper", "audit-start", object=self.object_id)

    def _is_audited(self, catalogue: Catalogue) -> bool:
        known = catalogue.look(audits.page, limit=1000)
        return any(each.object_id == self.object_id for each in known)


class TornTail(Story):
    """A node's journal ends in half a record when it is started again."""

    def while_dead(self) -> None:
        segment = max((self.outside.layout.folder / VICTIM / "journal").glob("*.log"))
        last = segment.read_bytes().splitlines(keepends=True)[-1]
        with segment.open("ab") as stream:
            stream.write(last[: self.outside.chance.randint(1, len(last) - 1)])


class IndexUnreadable(Story):
    """A node's index is no database any more when it is started again."""

    def while_dead(self) -> None:
        index = self.outside.layout.folder / VICTIM / "index.sqlite"
        for beside in ("-wal", "-shm"):
            index.with_name(index.name + beside).unlink(missing_ok=True)
        with index.open("r+b") as stream:
            stream.write(b"no database" * 100)


class IndexAhead(Story):
    """A node's index knows more than its journal when it is started again."""

    def while_dead(self) -> None:
        index = self.outside.layout.folder / VICTIM / "index.sqlite"
        with closing(sqlite3.connect(index)) as database, database:
            database.execute("UPDATE reached SET sequence=sequence+1000")


class PublishedThenRots(Story):
    """What has its name and no record yet is rotten when the node is started again."""

    version: ClassVar[int] = 1

    def while_dead(self) -> None:
        folder = self.outside.layout.root(VICTIM) / object_folder(
            f"lantai:{self.source}/{self.name}"
        )
        file = folder / f"v{self.version}/content/received/data/1.bin"
        file.chmod(0o640)
        with file.open("r+b") as stream:
            first = stream.read(1)[0]
            stream.seek(0)
            stream.write(bytes([first ^ 1]))


class VersionPublishedThenRots(PublishedThenRots, LaterVersion):
    """Likewise of a later version."""

    version = 2


class Large(Story):
    """A bag with a file so large that it is synced in parts."""

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self.files = outside.new_bag(name, {"large.bin": bytes(_LARGE_BYTES)})
