"""What strikes a world, and when: drawn from the seed, until faults end.

Then comes calm: cuts are joined, whoever was frozen wakes, disks give no trouble. Safety holds all
the time; that everything converges is asked of the calm alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.catalogue import HOST
from tests.simulation.disk import Trouble
from tests.simulation.network import CALM
from tests.simulation.world import INTAKES, KEEPERS, World

_MINUTE_S = 60.0


@dataclass(slots=True)
class Faults:
    """The faults of one world."""

    world: World

    def begin(self) -> None:
        world, options = self.world, self.world.options
        world.network.faults = options.network
        for rate, strike in (
            (options.partitions, self._cut),
            (options.resets, self._reset),
            (options.kills, self._kill),
            (options.power_cuts, self._cut_power),
            (options.freezes, self._freeze),
            (options.rots, self._rot),
            (options.trouble_rate, self._trouble),
            (options.wipes, self._wipe),
        ):
            if rate > 0:
                self._schedule(rate, strike)
        world.scheduler.after(options.faults_s, self._end)

    def _schedule(self, rate: float, strike: Callable[[], None]) -> None:
        delay_s = self.world.chance.expovariate(rate / _MINUTE_S)

        def happen() -> None:
            if self.world.has_faults:
                strike()
                self._schedule(rate, strike)

        self.world.scheduler.after(delay_s, happen)

    def _end(self) -> None:
        """From here on everything must come to rest."""
        world = self.world
        world.has_faults = False
        world.story.tell("faults end")
        world.network.faults = CALM
        world.network.cut.clear()
        for machine in world.machines.values():
            if machine.process is not None and machine.process.is_frozen:
                machine.process.wake()
        for truth in world.truth.nodes.values():
            truth.disk.trouble = None

    def _cut(self) -> None:
        """Some ways are cut, in both directions or in one, for some seconds."""
        world = self.world
        chance = world.chance
        names = [*world.machines, HOST]
        side = set(chance.sample(names, chance.randint(1, len(names) // 2)))
        ways = {(one, other) for one in side for other in names if other not in side}
        if chance.random() < 0.6:
            ways |= {(other, one) for one, other in ways}
        world.network.cut |= ways
        world.story.tell(f"the network is cut around {', '.join(sorted(side))}")
        world.scheduler.after(chance.uniform(1, 40), lambda: self._join(ways))

    def _join(self, ways: set[tuple[str, str]]) -> None:
        self.world.network.cut -= ways
        self.world.story.tell("a cut is joined")

    def _reset(self) -> None:
        self.world.network.reset_some()
        self.world.story.tell("connections are reset")

    def _kill(self) -> None:
        """Anybody, now; a node also in the middle of one of its next steps."""
        world = self.world
        name = world.chance.choice(list(world.machines))
        if name in world.truth.nodes and world.chance.random() < 0.7:
            world.truth.nodes[name].disk.prepare(Trouble.KILL, world.chance.randint(1, 30))
        elif self._runs(name):
            world.stop(name, "killed")

    def _cut_power(self) -> None:
        world = self.world
        nodes = list(world.truth.nodes)
        if world.options.group_power_cuts and world.chance.random() < 0.5:
            for name in (*nodes, *INTAKES, *KEEPERS):
                world.stop(name, "the power is cut everywhere", power_cut=True)
            return
        name = world.chance.choice([*world.machines])
        if name in nodes and world.chance.random() < 0.7:
            world.truth.nodes[name].disk.prepare(Trouble.POWER_CUT, world.chance.randint(1, 30))
        elif self._runs(name):
            world.stop(name, "its power is cut", power_cut=True)

    def _freeze(self) -> None:
        """SIGSTOP, and SIGCONT later: often later than its lease."""
        world = self.world
        favoured = [*KEEPERS, *INTAKES] if world.chance.random() < 0.7 else list(world.machines)
        process = world.machines[world.chance.choice(favoured)].process
        if process is None or not process.is_alive or process.is_frozen:
            return
        process.freeze()
        world.story.tell(f"{process.name} is frozen")

        def wake() -> None:
            if process.is_alive and process.is_frozen:
                world.story.tell(f"{process.name} wakes")
                process.wake()

        world.scheduler.after(world.chance.uniform(1, 60), wake)

    def _rot(self) -> None:
        """A byte of a committed copy changes, or a part of it is gone."""
        world = self.world
        node = world.chance.choice(list(world.truth.nodes))
        disk = world.truth.nodes[node].disk
        found = [
            (name, file, object_id)
            for name, file in disk.durable.items()
            if name.startswith("root/") and (object_id := world.truth.object_of(disk, file))
        ]
        if not found:
            return
        name, file, object_id = world.chance.choice(found)
        if world.truth.may_injure(node, object_id) and not file.is_dirty:
            world.truth.nodes[node].injured.add(object_id)
            disk.rot(file)
            world.story.tell(f"{name} rots on {node}")

    def _trouble(self) -> None:
        world = self.world
        node = world.chance.choice(list(world.truth.nodes))
        trouble = world.chance.choice(world.options.troubles)
        world.truth.nodes[node].disk.prepare(trouble, world.chance.randint(1, 12))
        world.story.tell(f"the disk of {node} is going to give trouble: {trouble}")

    def _wipe(self) -> None:
        world = self.world
        node = world.chance.choice(list(world.truth.nodes))
        known = world.truth.packages
        held = [each for each in known if world.truth.is_good(node, each)]
        if all(world.truth.may_injure(node, each) for each in held):
            world.replace_disk(node)

    def _runs(self, name: str) -> bool:
        process = self.world.machines[name].process
        return process is not None and process.is_alive
