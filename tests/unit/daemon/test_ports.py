"""Two demos on one machine never get the same port, whenever each of them starts."""

import subprocess
import sys

import pytest

from daemon.demo.ports import NoPortsFree, own_ports

OWN_AND_STAY = """\
import sys
from daemon.demo.ports import own_ports
print(*own_ports(12), flush=True)
sys.stdin.read()
"""


def test_no_port_is_given_twice() -> None:
    given = [port for _ in range(20) for port in own_ports(12)]
    assert len(set(given)) == 240


def test_another_process_is_given_none_of_ours() -> None:
    ours = {port for _ in range(20) for port in own_ports(12)}
    with subprocess.Popen(
        [sys.executable, "-c", OWN_AND_STAY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        assert len(theirs) == 12
        assert not ours & theirs
        other.communicate()


def test_more_ports_than_a_block_has_are_refused() -> None:
    with pytest.raises(NoPortsFree, match="没有空闲端口"):
        own_ports(16)
