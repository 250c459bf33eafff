"""Control sockets, with a real server, a real socket and the real client."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from daemon.control import (
    REQUEST_BYTES_MAX,
    ControlRefused,
    ControlServer,
    Request,
    SocketTaken,
    Verb,
    _may_ask,
)
from daemon.control_client import ControlClient, NotRunning, RoleRefused, ask


async def greet(request: Request) -> dict[str, Any]:
    return {"hello": request.text("name"), "user": request.caller.user_id}


async def fail(_request: Request) -> None:
    raise ZeroDivisionError


async def flood(_request: Request) -> str:
    return "x" * (5 * 1024 * 1024)


async def refuse(_request: Request) -> None:
    raise ControlRefused("not today")


VERBS: dict[str, Verb] = {"greet": greet, "fail": fail, "flood": flood, "refuse": refuse}


def path_of(folder: Path) -> Path:
    return folder / "node-1.sock"


async def test_a_verb_is_answered_and_knows_who_asked(tmp_path: Path) -> None:
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        answer = await asyncio.to_thread(ask, path_of(tmp_path), "greet", name="档案")
    assert answer == {"hello": "档案", "user": os.getuid()}


async def test_one_connection_takes_many_requests(tmp_path: Path) -> None:
    def converse() -> list[str]:
        with ControlClient(path_of(tmp_path)) as client:
            return [client.ask("greet", name=str(number))["hello"] for number in range(3)]

    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        assert await asyncio.to_thread(converse) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("nothing", {}, "control-refused"),
        ("greet", {}, "control-refused"),
        ("greet", {"name": 3}, "control-refused"),
        ("refuse", {}, "control-refused"),
        ("fail", {}, "internal"),
        ("flood", {}, "control-refused"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_code(
    tmp_path: Path, verb: str, arguments: dict[str, object], code: str
) -> None:
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        with pytest.raises(RoleRefused) as caught:
            await asyncio.to_thread(ask, path_of(tmp_path), verb, 30, **arguments)
        assert caught.value.role_code == code
        # … and the role goes on.
        assert await asyncio.to_thread(ask, path_of(tmp_path), "greet", name="x")


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"verb": 1}\n',
        b'{"verb": "greet", "arguments": []}\n',
        b'{"verb": "greet", "other": 1}\n',
        b"\xff\xfe\n",
        b"x" * (REQUEST_BYTES_MAX + 2) + b"\n",
    ],
)
async def test_a_malformed_request_is_refused_not_obeyed(tmp_path: Path, line: bytes) -> None:
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        reader, writer = await asyncio.open_unix_connection(str(path_of(tmp_path)))
        writer.write(line)
        answer = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
    assert answer["ok"] is False
    assert answer["code"] == "control-refused"


async def test_a_name_that_is_not_utf8_travels_both_ways(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xc9\xea.pdf")
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        answer = await asyncio.to_thread(ask, path_of(tmp_path), "greet", name=name)
    assert os.fsencode(answer["hello"]) == b"\xc9\xea.pdf"


async def test_the_socket_is_closed_to_others(tmp_path: Path) -> None:
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        assert path_of(tmp_path).stat().st_mode & 0o777 == 0o660


def test_root_and_the_role_s_own_user_may_ask_and_others_not() -> None:
    assert _may_ask(0, frozenset())
    assert _may_ask(os.geteuid(), frozenset())
    assert not _may_ask(54321, frozenset({54321}))


async def test_a_socket_left_by_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path_of(tmp_path)))
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        assert await asyncio.to_thread(ask, path_of(tmp_path), "greet", name="x")
    assert not path_of(tmp_path).exists()


async def test_a_socket_where_a_role_answers_is_not_taken(tmp_path: Path) -> None:
    async with ControlServer(path_of(tmp_path), dict(VERBS)):
        with pytest.raises(SocketTaken):
            await ControlServer(path_of(tmp_path), {}).__aenter__()
        assert await asyncio.to_thread(ask, path_of(tmp_path), "greet", name="x")


def test_a_role_that_is_not_there_is_said_to_be_not_running(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="node-1: not running here"):
        ask(path_of(tmp_path), "status")
