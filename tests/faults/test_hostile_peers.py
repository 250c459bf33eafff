"""Peers that hold a good key and misbehave: nonsense, repeats, disorder, half connections.

LANTAI_FUZZED_MESSAGES says how many malformed messages (100,000 by default), LANTAI_FUZZ_SEED
which.
"""

import asyncio
import os
import random
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from replication.message_codec import decode_to_node, encode
from replication.messages import (
    PROTOCOL,
    Chunk,
    Hello,
    Message,
    Ping,
    Pong,
    Refused,
    Welcome,
    WireRefusal,
)
from replication.node_client import NodeClient
from replication.node_session import NodeSession, SessionLimits
from replication.put_writer import to_put
from replication.roles import Authority, Role, RoleTable
from replication.transport import generate_keys
from storage.volume.order import StoreOrder
from tests.fault_page import record_fault
from tests.integration.raw_peer import greet, raw_peer
from tests.integration.wire_world import assert_serves, package, wire_world
from tests.unit.replication.wire_samples import TO_NODE

MESSAGES = int(os.environ.get("LANTAI_FUZZED_MESSAGES", "100000"))
SEED = int(os.environ.get("LANTAI_FUZZ_SEED", str(random.randrange(1_000_000))))
HALF_OPEN = 5000
ROUNDS = 20
KIB = 1024
ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    2**63,
    2**64 - 1,
    1.5,
    "",
    "x" * 3000,
    b"\xff\xfe",
    [],
    {},
    "0" * 32,
)


class Nonsense:
    """Messages that are nearly right, or nothing at all, from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._good = [encode(message) for message in TO_NODE]

    def next(self) -> list[bytes]:
        """Frames of one message."""
        chance = self._chance
        header = chance.choice(self._good)
        spoil = chance.choice([self._flip, self._cut, self._odd_member, self._more, self._noise])
        frames = [spoil(header)]
        how_many = chance.choice([0, 0, 0, 1, 1, 2, 254])
        frames += [chance.randbytes(chance.choice([0, 1, 300])) for _ in range(how_many)]
        return [] if chance.random() < 0.01 else frames

    def _flip(self, header: bytes) -> bytes:
        spoilt = bytearray(header)
        for _ in range(self._chance.randint(1, 4)):
            spoilt[self._chance.randrange(len(spoilt))] ^= 1 << self._chance.randrange(8)
        return bytes(spoilt)

    def _cut(self, header: bytes) -> bytes:
        return header[: self._chance.randrange(len(header))]

    def _odd_member(self, header: bytes) -> bytes:
        members = msgspec.msgpack.decode(header)
        members[self._chance.choice(list(members))] = self._chance.choice(ODD_VALUES)
        return msgspec.msgpack.encode(members)

    def _more(self, header: bytes) -> bytes:
        return header + self._chance.randbytes(self._chance.randint(1, 5000))

    def _noise(self, header: bytes) -> bytes:
        return self._chance.randbytes(self._chance.randint(0, 200))


def test_no_nonsense_of_a_known_peer_does_more_than_be_refused() -> None:
    """Each message goes through the decoder and, if it passes, through a session that goes on."""
    print(f"LANTAI_FUZZ_SEED={SEED}")
    nonsense = Nonsense(SEED)
    patient = SessionLimits(errors_max=MESSAGES + 1)
    session = NodeSession(Authority("ingest", Role.INGEST, "k" * 40), 0.0, patient)
    session.receive(Hello(PROTOCOL, "ingest"), None, 0.0)
    refused = 0
    for number in range(MESSAGES):
        frames = [memoryview(frame) for frame in nonsense.next()]
        try:
            message = decode_to_node(frames)
        except WireRefusal as refusal:
            refused += 1
            session.malformed(refusal, float(number))
            continue
        session.receive(message, frames[1] if len(frames) > 1 else None, float(number))
    assert refused > MESSAGES / 2, "the messages were malformed"
    record_fault(
        "F46",
        observed="every one refused, or taken for the message that it happened to be",
        figure=f"{MESSAGES} messages (seed {SEED}), {refused} refused, 0 crashes",
    )


async def test_a_put_in_pieces_repeated_and_out_of_order_is_kept_once_and_whole() -> None:
    """Twenty peers say the parts of one put in any order, many times; then one says it properly."""
    print(f"LANTAI_FUZZ_SEED={SEED}")
    chance = random.Random(SEED)
    order, source = package(600 * KIB)
    async with wire_world() as world:
        peers = [generate_keys() for _ in range(ROUNDS)]
        world.roles = RoleTable(
            [
                *(
                    Authority(f"ingest-{number}", Role.INGEST, keys.public)
                    for number, keys in enumerate([*peers, world.keys["ingest"]])
                ),
                Authority("view", Role.VIEW, world.keys["view"].public),
            ]
        )
        node = await world.node()
        for keys in peers:
            with raw_peer(node.peer(), keys) as peer:
                await greet(peer)
                said = 0
                for message, data in disorder(chance, order, source.stream):
                    await peer.say(message, data)
                    said += 1
                await peer.hear()
        client = await world.client(node)
        await client.put(order, source)
        assert node.volume.kept == {order.object_id: source.stream}
        assert node.volume.commits == 1
        await assert_serves(world, node)
    record_fault(
        "F45",
        observed="wrong offsets refused; kept once and whole",
        figure=f"{ROUNDS} peers, {said} messages each, 0 twice",
    )


def disorder(
    chance: random.Random, order: StoreOrder, stream: bytes
) -> Iterator[tuple[Message, bytes | None]]:
    """The messages of a put: some lacking, some said twice, some before their turn."""
    put = msgspec.structs.replace(to_put(order), attempt=chance.randint(1, 3))
    size = 256 * KIB
    chunks = [
        (Chunk(put.op_id, put.attempt, start), stream[start : start + size])
        for start in range(0, len(stream), size)
    ]
    said: list[tuple[Message, bytes | None]] = [(put, None), *chunks]
    said += [chance.choice(said) for _ in range(4)]
    chance.shuffle(said)
    yield from said


async def test_a_peer_of_another_version_is_refused_and_told_which_one_is_spoken() -> None:
    async with wire_world() as world:
        node = await world.node()
        with raw_peer(node.peer(), world.keys["ingest"]) as peer:
            await peer.say(Hello(PROTOCOL + 1, "ingest"))
            message, _ = await peer.hear()
            assert isinstance(message, Refused)
            assert message.code == "protocol-unknown"
            assert f"protocol {PROTOCOL}, not {PROTOCOL + 1}" in message.message
            order, _ = package(1000)
            await peer.say(to_put(order))
            message, _ = await peer.hear()
            assert isinstance(message, Refused)
            assert node.volume.incoming == {}
            await peer.say(Hello(PROTOCOL, "ingest"))
            assert isinstance((await peer.hear())[0], Welcome)
            await peer.say(Ping(1))
            assert (await peer.hear())[0] == Pong(1)
    record_fault(
        "F51",
        observed="refused as protocol-unknown, told which is spoken; nothing begun before",
    )


async def test_thousands_of_connections_that_say_nothing_keep_nobody_waiting() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node, "view")
        await client.wait_until_greeted(10)
        alone_s = await answer_s(client)
        port = urlsplit(node.service.endpoint).port
        assert port is not None
        async with half_open(port, HALF_OPEN):
            beset_s = await answer_s(client)
            newcomer = await world.client(node, "api")
            began_s = time.monotonic()
            await newcomer.wait_until_greeted(10)
            greeted_s = time.monotonic() - began_s
        alone_s = max(alone_s, await answer_s(client))  # others use this machine, too
    assert beset_s < 2 * alone_s + 0.01
    record_fault(
        "F49",
        observed="everybody is answered meanwhile; a newcomer is greeted",
        figure=f"{HALF_OPEN} sockets: {beset_s / alone_s:.1f} times "
        f"({beset_s * 1000:.2f} ms against {alone_s * 1000:.2f} ms), greeted in {greeted_s:.1f} s",
    )


async def answer_s(client: NodeClient) -> float:
    """The median of some answers."""
    taken = []
    for _ in range(50):
        began_s = time.perf_counter()
        await client.stat("lantai:test/nothing")
        taken.append(time.perf_counter() - began_s)
    return sorted(taken)[len(taken) // 2]


@asynccontextmanager
async def half_open(port: int, count: int) -> AsyncIterator[None]:
    """Connections of another process that are begun and never say anything."""
    program = Path(__file__).with_name("half_open.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, str(port), str(count), stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"begun\n"
        yield
    finally:
        process.stdin.close()
        assert await process.wait() == 0
