"""What a package may go through, told so that a role can be killed at a named point of it.

Each story has a source of its kind (`add_sources`), packages of its own, and says how it must end
however often it was interrupted. Driven by tests/crash_telling.py.
"""

import random
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import NODES, DemoLayout
from daemon.demo.samples import Files, bag, write_folder
from storage.catalogue.model import Transfer
from storage.ocfl.layout import object_folder
from tests.appliance import Sent, expect_kept, folders_of, transfers_of, tree
from tests.case_packages import Batch

PLAIN, HOLDS, BATCHES, VERSIONS, MARKED, PROVEN, SIGNED = (
    "gov-portal", "holds", "batches", "versions", "marked", "proven", "signed",
)  # fmt: skip
_HOLDING_PROFILE = """
title = "nothing passes without a virus scanner"
title_zh = "未经病毒扫描不得通过"
formats = ["bagit"]
checks = { "1-1" = {}, "2-11" = {}, "4-2" = { undone = "hold" } }
"""


def add_sources(layout: DemoLayout) -> None:
    """Give the appliance a source for each kind of story, before it is started."""
    profile = layout.folder / "config" / "holding.toml"
    profile.write_text(_HOLDING_PROFILE)
    kinds = {
        HOLDS: f'profile = "{profile}"',
        BATCHES: 'formats = ["case-batch"]',
        VERSIONS: 'versions = "allow"',
        MARKED: 'complete_when = "marker"',
        PROVEN: 'complete_when = "proven"',
        SIGNED: 'custody = "registration"',
    }
    with layout.config.open("a") as config:
        for source, keys in kinds.items():
            folders = folders_of(layout, source)
            for folder in (folders.drop, folders.returned, folders.accepted):
                folder.mkdir(parents=True)
            complete = "" if "complete_when" in keys else 'complete_when = "renamed"'
            config.write(
                f'\n[[ingest.sources]]\nname = "{source}"\nquiet_s = 0.1\n{complete}\n{keys}\n'
                f'drop_folder = "{folders.drop}"\nreturn_folder = "{folders.returned}"\n'
                f'accepted_folder = "{folders.accepted}"\n'
            )


@dataclass
class Outside:
    """The world around the intake: senders with their folders, and a person who gives orders."""

    layout: DemoLayout
    chance: random.Random

    def new_bag(self, name: str, payload: Files | None = None) -> Files:
        small = {f"{index}.bin": self.chance.randbytes(600) for index in range(3)}
        return bag(payload or small, name)

    def put(self, source: str, name: str, files: Files) -> None:
        """Move a package into the drop folder in whole."""
        outside = self.layout.folder / "sender" / source / name
        write_folder(files, outside)
        outside.rename(folders_of(self.layout, source).drop / name)

    def transfers(self, source: str, name: str) -> list[Transfer]:
        """Of the entry and of its parts, oldest first; what was withdrawn is none."""
        return [
            transfer
            for transfer in reversed(transfers_of(self.layout))
            if transfer.source == source and transfer.name.partition("/")[0] == name
            if transfer.state.value != "withdrawn"
        ]

    def order(self, verb: str, transfer: Transfer) -> None:
        """Have a person order it; the intake may die of that."""
        with suppress(NotRunning, RoleRefused):
            ask(
                self.layout.socket("ingest"), verb,
                transfer=str(transfer.id), reason="因测试", timeout_s=60,
            )  # fmt: skip


class Story:
    """A good bag that comes once."""

    source: ClassVar[str] = PLAIN
    before_ends: ClassVar[tuple[str, ...]] = ()  # of the transfers of `before`
    ends: ClassVar[tuple[str, ...]] = ("stored",)  # of all its transfers, oldest first

    def __init__(self, outside: Outside, name: str) -> None:
        self.outside = outside
        self.name = name
        self.files = outside.new_bag(name)

    def before(self) -> None:
        """What happened before the intake is killed."""

    def act(self) -> None:
        """What the intake is killed over."""
        self.send(self.files)

    def while_dead(self) -> None:
        """What happens before the intake is started again."""

    def afterwards(self) -> None:
        """What somebody does who sees how it stands; called again and again."""

    def expect(self) -> None:
        """What must hold of objects, answers and originals at the end."""
        expect_kept(self.outside.layout, self.sent(self.files))

    def send(self, files: Files) -> None:
        self.outside.put(self.source, self.name, files)

    def sent(self, files: Files, version: int = 1) -> Sent:
        return Sent(self.name, files, self.source, version)

    def transfers(self) -> list[Transfer]:
        return self.outside.transfers(self.source, self.name)

    def states(self) -> tuple[str, ...]:
        return tuple(transfer.state.value for transfer in self.transfers())

    def expect_nothing_kept(self, files: Files) -> None:
        """No node has an object, and the original is where its sender put it."""
        layout = self.outside.layout
        for node in NODES:
            assert not (layout.root(node) / _object(self.source, self.name)).exists(), node
        assert tree(folders_of(layout, self.source).drop / self.name) == files

    def expect_answers(self, *kinds: str) -> None:
        """These and no others lie in the return folder for it."""
        returned = folders_of(self.outside.layout, self.source).returned
        lying = {path.name.split(".")[1] for path in returned.glob(f"{self.name}.*.json")}
        assert lying == set(kinds), self.name


class Rejected(Story):
    """A bag with an altered file."""

    ends = ("rejected",)

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self.files["data/0.bin"] = b"altered"

    def expect(self) -> None:
        self.expect_nothing_kept(self.files)
        self.expect_answers("rejected")


class KillsReaders(Story):
    """A good bag whose readers die of it, each time it is tried."""

    ends = ("rejected",)

    def expect(self) -> None:
        self.expect_nothing_kept(self.files)
        self.expect_answers("rejected")


class RejectedThenMended(Story):
    """A rejected bag comes again, mended: its rejection must not lie beside the receipt."""

    before_ends = ("rejected",)
    ends = ("rejected", "stored")

    def before(self) -> None:
        self.send(self.files | {"data/0.bin": b"altered"})

    def act(self) -> None:
        shutil.rmtree(folders_of(self.outside.layout, self.source).drop / self.name)
        self.send(self.files)

    def expect(self) -> None:
        super().expect()
        self.expect_answers("received", "stored")
        earlier = folders_of(self.outside.layout, self.source).returned / ".earlier" / self.name
        kinds = sorted(path.name.partition("-")[0] for path in earlier.iterdir())
        assert kinds == ["rejected"] * 3, "body, signature and page"


class NeverWhole(Story):
    """A bag that lacks a file waits until its sender brings it."""

    source = PROVEN

    def act(self) -> None:
        self.send({path: each for path, each in self.files.items() if path != "data/0.bin"})

    def afterwards(self) -> None:
        late = folders_of(self.outside.layout, self.source).drop / self.name / "data/0.bin"
        if late.parent.exists() and not late.exists():
            late.write_bytes(self.files["data/0.bin"])


class Marked(Story):
    """A bag with its done-marker beside it."""

    source = MARKED

    def act(self) -> None:
        super().act()
        (folders_of(self.outside.layout, self.source).drop / f"{self.name}.done").touch()

    def expect(self) -> None:
        super().expect()
        assert (
            folders_of(self.outside.layout, self.source).accepted / f"{self.name}.done"
        ).exists()


class Again(Story):
    """The same bag a second time."""

    before_ends = ("stored",)
    ends = ("stored", "stored")

    def before(self) -> None:
        self.send(self.files)


class LaterVersion(Story):
    """Other bytes under the name of what is kept."""

    source = VERSIONS
    before_ends = ("stored",)
    ends = ("stored", "stored")

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self.first = outside.new_bag(name)

    def before(self) -> None:
        self.send(self.first)

    def expect(self) -> None:
        expect_kept(self.outside.layout, self.sent(self.files, 2))
        layout = self.outside.layout
        for node in NODES:
            folder = layout.root(node) / _object(self.source, self.name)
            assert sorted(path.name for path in folder.glob("v*")) == ["v1", "v2"]
            assert tree(folder / "v1/content/received") == self.first


class Held(Story):
    """A bag that no check could judge."""

    source = HOLDS
    ends = ("held",)

    def expect(self) -> None:
        self.expect_nothing_kept(self.files)
        self.expect_answers("held")


class Ordered(Story):
    """A held bag that a person decides about; the person repeats what seems to be lost."""

    source = HOLDS
    before_ends = ("held",)
    verb: ClassVar[str]

    def before(self) -> None:
        self.send(self.files)

    def act(self) -> None:
        self.outside.order(self.verb, self.transfers()[0])

    def afterwards(self) -> None:
        if self.states() == ("held",):
            self.act()


class Released(Ordered):
    verb = "release"


class SentBack(Ordered):
    verb = "reject"
    ends = ("rejected",)

    def expect(self) -> None:
        self.expect_nothing_kept(self.files)
        self.expect_answers("held", "rejected")


class Registered(Story):
    """A bag of which custody passes when a person has confirmed the signed form."""

    source = SIGNED

    def afterwards(self) -> None:
        if self.states() == ("awaiting-registration",):
            self.outside.order("register", self.transfers()[0])

    def expect(self) -> None:
        super().expect()
        self.expect_answers("received", "registration", "stored")


class Failed(Story):
    """It fails when it is taken up, which is our fault, and a person has it tried again."""

    def afterwards(self) -> None:
        transfers = self.transfers()
        if [transfer.state.value for transfer in transfers] == ["failed"]:
            self.mend()
            self.outside.order("retry", transfers[0])

    def mend(self) -> None:
        """What has to be done before."""


class Lost(Failed):
    """While the intake is dead, staged copy and original go away; the latter comes back."""

    def while_dead(self) -> None:
        layout = self.outside.layout
        for transfer in self.transfers():
            shutil.rmtree(layout.folder / "staging" / str(transfer.id), ignore_errors=True)
        place = self._place()
        if place.exists():
            place.rename(self._away())

    def mend(self) -> None:
        if self._away().exists():
            self._away().rename(self._place())

    def _place(self) -> Path:
        return folders_of(self.outside.layout, self.source).drop / self.name

    def _away(self) -> Path:
        return self.outside.layout.folder / "sender" / f"away-{self.name}"


class Batched(Story):
    """A batch of two cases."""

    source = BATCHES
    ends = ("stored",) * 3

    def __init__(self, outside: Outside, name: str) -> None:
        super().__init__(outside, name)
        self.batch = Batch(2, first=outside.chance.randrange(1, 99_999) * 10)
        self.files = self.batch.files()

    def expect(self) -> None:
        layout = self.outside.layout
        listing = {self.batch.name: self.files[self.batch.name]}
        expect_kept(layout, self.sent(self.files), kept=listing)
        for zip_name, content in self.batch.zips.items():
            for node in NODES:
                folder = layout.root(node) / _object(self.source, zip_name.removesuffix(".zip"))
                assert [path.name for path in folder.glob("v*")] == ["v1"], (node, zip_name)
                assert tree(folder / "v1/content/received") == {zip_name: content}
            receipts = folders_of(layout, self.source).returned / self.name
            assert (receipts / f"{zip_name}.stored.json").exists()


class Rehearsed(Story):
    """A bag that is only tried."""

    ends = ("told",)

    def act(self) -> None:
        drop = folders_of(self.outside.layout, self.source).drop
        (drop / ".rehearsal").mkdir(exist_ok=True)
        outside = self.outside.layout.folder / "sender" / self.name
        write_folder(self.files, outside)
        outside.rename(drop / ".rehearsal" / self.name)

    def states(self) -> tuple[str, ...]:
        """There is no transfer: a rehearsal is over when it is told."""
        told = folders_of(self.outside.layout, self.source).returned / ".rehearsal"
        return ("told",) if (told / f"{self.name}.stored.json").exists() else ()

    def expect(self) -> None:
        layout = self.outside.layout
        for node in NODES:
            assert not (layout.root(node) / _object(self.source, self.name)).exists(), node
        assert self.transfers() == []
        drop = folders_of(layout, self.source).drop
        assert tree(drop / ".rehearsal" / self.name) == self.files


def _object(source: str, identifier: str) -> PurePosixPath:
    return object_folder(f"lantai:{source}/{identifier}")
