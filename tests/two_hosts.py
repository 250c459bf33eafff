"""An appliance whose intake and keeper run twice, as on two hosts: one catalogue, the same folders.

Each has a name, keys, a staging folder and a control socket of its own. What is the host's in life
(the notary) they share here. Knows no story.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.demo.layout import DemoLayout, DemoSettings, lay_out
from daemon.demo.ports import own_ports
from daemon.demo.processes import Instance, Processes
from daemon.keys import KeyFolder
from tests.appliance import instance_of

INTAKES = ("ingest", "ingest-2")
KEEPERS = ("keeper", "keeper-2")


@dataclass(frozen=True)
class TwoHosts:
    """The processes, and how those of the second host are started."""

    processes: Processes
    second: dict[str, Instance]

    @property
    def layout(self) -> DemoLayout:
        return self.processes.layout

    def restart(self, name: str) -> None:
        """Start a role that was killed, as systemd would."""
        self.processes.start(self.second.get(name) or instance_of(self.layout, name))


@contextmanager
def running_on_two_hosts(folder: Path, settings: DemoSettings) -> Iterator[TwoHosts]:
    """All roles, and the second host's intake and keeper, all well."""
    layout = lay_out(folder, settings)
    second = _second_host(layout)
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        for instance in second.values():
            processes.start(instance)
        for name in second:
            processes.wait_until_well(name)
        yield TwoHosts(processes, second)


def staging_of(layout: DemoLayout, intake: str) -> Path:
    """Where an intake keeps its copies."""
    return layout.folder / ("staging" if intake == INTAKES[0] else f"staging-{intake}")


def _second_host(layout: DemoLayout) -> dict[str, Instance]:
    keys = KeyFolder(layout.keys)
    _, intake = INTAKES
    first, keeper = KEEPERS
    made = {name: keys.make(name) for name in (intake, keeper)}
    one, other = keys.public(first).verify_key, made[keeper].verify_key
    for node in layout.settings.nodes:
        config = layout.node_config(node)
        text = config.read_text()
        for name, role in ((intake, "ingest"), (keeper, "keeper")):
            public = made[name].curve_public_key
            text += f'\n[[authorities]]\nname = "{name}"\nrole = "{role}"\n'
            text += f'curve_public_key = "{public}"\n'
        known = f'keeper_verify_key = "{one}"'
        assert known in text
        config.write_text(text.replace(known, f'keeper_verify_key = ["{one}", "{other}"]'))
    _know(layout.config, other)
    config = layout.config.with_name("host-2.toml")
    config.write_text(_roles_of_second(layout).replace(other, one))
    return {name: Instance(name, name.partition("-")[0], config) for name in (intake, keeper)}


def _know(config: Path, keeper: str) -> None:
    """Let the first host's keeper believe what the other one signed."""
    text = config.read_text()
    known = f'[keeper]\nother_verify_keys = ["{keeper}"]\n'
    config.write_text(text.replace("[keeper]\n", known))


def _roles_of_second(layout: DemoLayout) -> str:
    """The first host's file, with the other names and addresses."""
    text = layout.config.read_text()
    _, intake = INTAKES
    _, keeper = KEEPERS
    ports = own_ports(2)
    changes = {
        "[ingest]\n": f'[ingest]\nname = "{intake}"\n',
        f'"{layout.folder / "staging"}"': f'"{staging_of(layout, intake)}"',
        layout.addresses["ingest"]: f"127.0.0.1:{ports[0]}",
        "[keeper]\n": f'[keeper]\nname = "{keeper}"\n',
        layout.addresses["keeper"]: f"127.0.0.1:{ports[1]}",
    }
    for said, instead in changes.items():
        assert text.count(said) == 1, said
        text = text.replace(said, instead)
    return text
