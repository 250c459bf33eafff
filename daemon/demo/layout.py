"""The demo on disk: one folder with keys, configuration, nodes, drop and return folders.

Makes a whole appliance for one machine: three nodes on loopback, a SQLite catalogue, generated
keys, a source for each sender. Starts nothing (processes.py does). Used by `lantai demo`, by tests
and by benchmarks.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from daemon.demo.ports import own_ports
from daemon.demo.senders import PORTAL, Sender
from daemon.keys import KeyFolder
from storage.errors import Refusal

_MARK = ".lantai-demo"
NODES = ("node-1", "node-2", "node-3")
_ROLES = ("ingest", "notary", "keeper", "view", "api")
SOURCE = PORTAL.name
# A Unix socket's path has at most 107 bytes.
_SOCKET_FOLDER_BYTES_MAX = 80


class DemoRefused(Refusal):
    """The demo cannot be laid out there."""

    code = "demo-refused"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the demo differs in, for tests and benchmarks."""

    complete_when: str = "renamed"
    quiet_s: float = 0.5
    scan_s: float = 1.0
    allow_unproven: bool = False
    mount: bool = True
    packages_in_flight: int = 16
    workers: int = 2
    mends_per_node_hour_max: int = 10
    keeper_cycle_s: float = 1.0
    versions: str = "refuse"
    senders: tuple[Sender, ...] = (PORTAL,)
    nodes: tuple[str, ...] = NODES
    spares: tuple[str, ...] = ()  # nodes with keys and ports that nobody knows of yet
    min_part_hours: float = 24.0
    catalogue_url: str = ""  # left out: SQLite in the demo's folder
    claim_s: float = 60
    keeper_lease_s: float = 30


@dataclass(frozen=True, slots=True)
class DemoLayout:
    """Where everything of a demo lies."""

    folder: Path
    run_folder: Path
    settings: DemoSettings
    addresses: dict[str, str] = field(default_factory=dict)  # metrics, by instance
    api_address: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)  # of the nodes, on the wire

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def drop(self) -> Path:
        """The drop folder of the portal, which every demo has."""
        return self.drop_of(PORTAL)

    @property
    def returned(self) -> Path:
        return self.returned_to(PORTAL)

    @property
    def accepted(self) -> Path:
        return self.accepted_of(PORTAL)

    def drop_of(self, sender: Sender) -> Path:
        return self.folder / "drop" / sender.name

    def returned_to(self, sender: Sender) -> Path:
        return self.folder / "return" / sender.name

    def accepted_of(self, sender: Sender) -> Path:
        return self.folder / "accepted" / sender.name

    def scope_table(self, sender: Sender) -> Path:
        return self.config.parent / f"{sender.name}.csv"

    @property
    def mountpoint(self) -> Path:
        return self.folder / "view"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def config(self) -> Path:
        """The configuration of every role but the nodes."""
        return self.folder / "config" / "lantai.toml"

    def node_config(self, node: str) -> Path:
        return self.folder / "config" / f"{node}.toml"

    def root(self, node: str) -> Path:
        """The OCFL storage root of one node."""
        return self.folder / node / "root"

    def socket(self, instance: str) -> Path:
        return self.run_folder / f"{instance}.sock"


def lay_out(folder: Path, settings: DemoSettings) -> DemoLayout:
    """Make a demo in `folder`, in place of an earlier one. Raises DemoRefused.

    A folder that is not empty and not a demo's is left alone.
    """
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text("An appliance for trying out; `lantai demo` makes it anew.\n")
    nodes = (*settings.nodes, *settings.spares)
    ports = own_ports(2 * len(nodes) + 6)
    names = (*nodes, *_ROLES)
    addresses = {name: f"127.0.0.1:{ports.pop()}" for name in names}
    layout = DemoLayout(
        folder, _run_folder(folder), settings, addresses, f"127.0.0.1:{ports.pop()}"
    )
    for needed in (layout.logs, layout.mountpoint, layout.config.parent):
        needed.mkdir(parents=True)
    for sender in settings.senders:
        _make_source(layout, sender)
    for node in nodes:
        layout.endpoints[node] = f"tcp://127.0.0.1:{ports.pop()}"
        layout.root(node).parent.mkdir()
    keys = KeyFolder(layout.keys)
    for name in names:
        keys.make(name)
    configure(layout, settings.nodes)
    return layout


def configure(layout: DemoLayout, nodes: tuple[str, ...]) -> None:
    """Write every host's configuration, with these of the demo's nodes among the peers."""
    keys = KeyFolder(layout.keys)
    endpoints = {node: layout.endpoints[node] for node in nodes}
    for node in nodes:
        layout.node_config(node).write_text(_node_text(layout, keys, node, endpoints))
    layout.config.write_text(_roles_text(layout, keys, endpoints))


def _clear(folder: Path) -> None:
    if not folder.exists():
        return
    if (folder / _MARK).exists():
        shutil.rmtree(folder)
    elif any(folder.iterdir()):
        raise DemoRefused(
            f"{folder} is not empty and not a demo's folder; give another with --folder."
            " 目标文件夹非空,请另选。"
        )


def _make_source(layout: DemoLayout, sender: Sender) -> None:
    for place in (layout.drop_of, layout.returned_to, layout.accepted_of):
        place(sender).mkdir(parents=True)
    if sender.scope_table:
        layout.scope_table(sender).write_text(sender.scope_table, "utf-8")


def _run_folder(folder: Path) -> Path:
    inside = folder / "run"
    if len(str(inside).encode()) <= _SOCKET_FOLDER_BYTES_MAX:
        return inside
    return Path(tempfile.mkdtemp(prefix="lantai-run-"))


def _site_text(layout: DemoLayout, keys: KeyFolder, endpoints: dict[str, str]) -> str:
    url = layout.settings.catalogue_url or f"sqlite:///{layout.folder / 'catalogue.sqlite'}"
    site = f"""\
[site]
name = "示例市档案馆(演示)"
copies = 3
run_folder = "{layout.run_folder}"
keys_folder = "{layout.keys}"

[catalogue]
url = "{url}"
"""
    peers = (
        f"""
[[peers]]
name = "{node}"
endpoint = "{endpoint}"
domain = "room-{node[-1]}"
curve_public_key = "{keys.public(node).curve_public_key}"
verify_key = "{keys.public(node).verify_key}"
"""
        for node, endpoint in endpoints.items()
    )
    return site + "".join(peers)


def _node_text(layout: DemoLayout, keys: KeyFolder, node: str, endpoints: dict[str, str]) -> str:
    others = {name: "node" for name in endpoints if name != node}
    roles = {role: role for role in ("ingest", "keeper", "view", "api")} | others
    authorities = (
        f"""
[[authorities]]
name = "{name}"
role = "{role}"
curve_public_key = "{keys.public(name).curve_public_key}"
"""
        for name, role in roles.items()
    )
    settings = layout.settings
    section = f"""
[node]
name = "{node}"
bind = "{endpoints[node]}"
root = "{layout.root(node)}"
domain = "room-{node[-1]}"
metrics_address = "{layout.addresses[node]}"
keeper_verify_key = "{keys.public("keeper").verify_key}"
allow_unproven = {str(settings.allow_unproven).lower()}
reserve_bytes = 67108864
workers = {settings.workers}
"""
    return _site_text(layout, keys, endpoints) + "".join(authorities) + section


def _roles_text(layout: DemoLayout, keys: KeyFolder, endpoints: dict[str, str]) -> str:
    settings, at = layout.settings, layout.addresses
    return f"""{_site_text(layout, keys, endpoints)}
[ingest]
staging_folder = "{layout.folder / "staging"}"
metrics_address = "{at["ingest"]}"
notary_socket = "{layout.run_folder / "notary-sign.sock"}"
packages_in_flight = {settings.packages_in_flight}
workers = {settings.workers}
scan_s = {settings.scan_s}
claim_s = {settings.claim_s}
{"".join(_source_text(layout, sender) for sender in settings.senders)}
[notary]
socket = "{layout.run_folder / "notary-sign.sock"}"
metrics_address = "{at["notary"]}"
allow_unproven = {str(settings.allow_unproven).lower()}

[keeper]
metrics_address = "{at["keeper"]}"
cycle_s = {settings.keeper_cycle_s}
lease_s = {settings.keeper_lease_s}
mends_per_node_hour_max = {settings.mends_per_node_hour_max}
min_part_hours = {settings.min_part_hours}

[keeper.audit]
cycle_s = {5 * settings.keeper_cycle_s}

[view]
mountpoint = "{layout.mountpoint}"
metrics_address = "{at["view"]}"
allow_other = false

[api]
bind = "{layout.api_address}"
metrics_address = "{at["api"]}"
"""


def _source_text(layout: DemoLayout, sender: Sender) -> str:
    settings = layout.settings
    section = f"""
[[ingest.sources]]
name = "{sender.name}"
drop_folder = "{layout.drop_of(sender)}"
return_folder = "{layout.returned_to(sender)}"
accepted_folder = "{layout.accepted_of(sender)}"
complete_when = "{settings.complete_when}"
quiet_s = {settings.quiet_s}
versions = "{settings.versions}"
formats = {list(sender.formats)}
platform_receipts = {str(sender.platform_receipts).lower()}
"""
    if sender.scope_table:
        section += f'scope_table = "{layout.scope_table(sender)}"\n'
    return section
