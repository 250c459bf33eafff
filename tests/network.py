"""A network of one machine: each node in a namespace of its own, the coordinator in another.

    node-1 ─┐
    node-2 ─┼─ switch ─ coordinator (ingest, notary, keeper, api)
    node-3 ─┘

Every namespace has one veth on a bridge. Faults are nftables rules and a queueing discipline in a
node's own namespace, so they hit what really goes over the line, for every role alike. Control
sockets lie in the file system and are reached from outside. Needs root.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from daemon.demo.layout import NODES, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances, lantai
from tests.appliance import instance_of

COORDINATOR = "coordinator"
_SWITCH = "switch"
_PLACES = (*NODES, COORDINATOR)
_ADDRESSES = {place: f"10.77.0.{number}" for number, place in enumerate(_PLACES, 1)}


class Network:
    """Namespaces joined by a switch; what goes wrong between them is said by node."""

    def __init__(self) -> None:
        self._prefix = f"lantai-{os.getpid()}"

    def build(self) -> None:
        for place in (_SWITCH, *_PLACES):
            _ip("netns", "add", self._namespace(place))
        switch = ("-n", self._namespace(_SWITCH), "link")
        _ip(*switch, "add", "bridge0", "type", "bridge")
        _ip(*switch, "set", "bridge0", "up")
        for number, place in enumerate(_PLACES):
            inside = ("-n", self._namespace(place))
            veth = ("type", "veth", "peer", "name", "eth0", "netns", self._namespace(place))
            _ip(*switch, "add", f"port{number}", *veth)
            _ip(*switch, "set", f"port{number}", "master", "bridge0", "up")
            _ip(*inside, "link", "set", "lo", "up")
            _ip(*inside, "address", "add", f"{_ADDRESSES[place]}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")

    def remove(self) -> None:
        for place in (_SWITCH, *_PLACES):
            subprocess.run(
                ["ip", "netns", "delete", self._namespace(place)], check=False, capture_output=True
            )

    def program(self, instance: str) -> tuple[str, ...]:
        """How `lantai` is called there."""
        place = instance if instance in NODES else COORDINATOR
        return ("ip", "netns", "exec", self._namespace(place), *lantai())

    # What goes wrong, and what ends it.

    def cut(self, node: str) -> None:
        """Nothing comes in, nothing goes out."""
        self._filter(node, incoming="drop", outgoing="drop")

    def mute(self, node: str) -> None:
        """It hears and cannot answer."""
        self._filter(node, incoming="", outgoing="drop")

    def lose(self, node: str, percent: int) -> None:
        """Of each hundred packets so many are lost, in either direction."""
        some = f"numgen random mod 100 < {percent} drop"
        self._filter(node, incoming=some, outgoing=some)

    def reset_after(self, node: str, received_mib: int) -> None:
        """Once so much has come in, every connection to the node is reset, until said again."""
        self._filter(node, f"quota over {received_mib} mbytes counter reject with tcp reset", "")

    def throttle(self, node: str, rate: str) -> None:
        """Both directions: what the node sends, and what its port of the switch sends to it."""
        shape = ("tbf", "rate", rate, "burst", "16kb", "latency", "400ms")
        self._shape(node, "replace", *shape)

    def heal(self, node: str) -> None:
        """As if nothing had been."""
        self._inside(node, "nft", "flush", "ruleset")

    def unthrottle(self, node: str) -> None:
        self._shape(node, "delete")

    def resets_of(self, node: str) -> int:
        """How many packets of `node` were answered by a reset since `reset_after`."""
        rules = self._inside(node, "nft", "list", "ruleset")
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", rules))

    def received_mib(self, node: str) -> float:
        """What came over the line to `node` so far."""
        shown = self._inside(node, "cat", "/sys/class/net/eth0/statistics/rx_bytes")
        return int(shown) / 2**20

    def _filter(self, node: str, incoming: str, outgoing: str) -> None:
        rules = "flush ruleset\n"
        for hook, rule in (("input", incoming), ("output", outgoing)):
            way = "iifname" if hook == "input" else "oifname"
            wanted = f"{way} eth0 meta l4proto tcp {rule}\n" if rule else ""
            rules += (
                f"add table inet faults\n"
                f"add chain inet faults {hook} {{ type filter hook {hook} priority 0 ; }}\n"
                + (f"add rule inet faults {hook} {wanted}" if wanted else "")
            )
        self._inside(node, "nft", "--file", "-", given=rules)

    def _shape(self, node: str, action: str, *discipline: str) -> None:
        port = f"port{_PLACES.index(node)}"
        for place, device in ((node, "eth0"), (_SWITCH, port)):
            self._inside(place, "tc", "qdisc", action, "dev", device, "root", *discipline)

    def _inside(self, place: str, *command: str, given: str = "") -> str:
        return subprocess.run(
            ["ip", "netns", "exec", self._namespace(place), *command],
            check=True,
            input=given,
            capture_output=True,
            text=True,
        ).stdout

    def _namespace(self, place: str) -> str:
        return f"{self._prefix}-{place}"


class NetworkedProcesses(Processes):
    """Roles of a demo, each in its place of a network."""

    def __init__(self, layout: DemoLayout, network: Network) -> None:
        super().__init__(layout)
        self.network = network

    def start_all_apart(self) -> None:
        """Start every role in its namespace and return once all are well."""
        wanted = instances(self.layout)
        for instance in wanted:
            self.start_apart(instance.name)
        for instance in wanted:
            self.wait_until_well(instance.name)

    def start_apart(self, name: str) -> None:
        self.start(replace(instance_of(self.layout, name), program=self.network.program(name)))


@contextmanager
def networked_appliance(folder: Path, settings: DemoSettings) -> Iterator[NetworkedProcesses]:
    """An appliance of real processes on a network, all well."""
    layout = lay_out(folder, settings)
    give_addresses(layout)
    network = Network()
    try:
        network.build()
        with NetworkedProcesses(layout, network) as processes:
            processes.create_nodes()
            processes.start_all_apart()
            yield processes
    finally:
        network.remove()


def give_addresses(layout: DemoLayout) -> None:
    """Nodes leave the loopback for their places of the network."""
    moved = {}
    for node in NODES:
        text = layout.node_config(node).read_text()
        found = re.search(r'^bind = "tcp://127\.0\.0\.1:(\d+)"$', text, re.MULTILINE)
        assert found is not None, f"{node} has no bind on the loopback"
        moved[f'"tcp://127.0.0.1:{found[1]}"'] = f'"tcp://{_ADDRESSES[node]}:{found[1]}"'
    for config in layout.config.parent.glob("*.toml"):
        text = config.read_text()
        for before, after in moved.items():
            text = text.replace(before, after)
        config.write_text(text)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
