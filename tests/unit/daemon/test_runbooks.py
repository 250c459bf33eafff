"""Runbooks name only commands and options that exist."""

import re
from pathlib import Path

import click
import pytest

from daemon.cli.main import cli

PAGES = Path(__file__).parents[3] / "docs" / "operations"
RUNBOOKS = (
    "burn-in.md",
    "catalogue-lost.md",
    "disk-full.md",
    "disk-replaced.md",
    "key-stolen.md",
    "node-lost.md",
    "restore-by-hand.md",
    "site-lost.md",
)


def commands_of(page: Path) -> list[str]:
    """Each `lantai …` of a page: in a block, or between backticks."""
    text = page.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    said = [" ".join(each.split()) for each in (*lines, *spans)]
    return [each for each in said if re.match(r"lantai [a-z]", each)]


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_command_of_a_runbook_exists_with_its_options(name: str) -> None:
    for line in commands_of(PAGES / name):
        command: click.Command = cli
        context = click.Context(cli)
        words = line.split()[1:]
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
            word = words.pop(0)
            found = command.get_command(context, word)
            assert found is not None, f"{name}: there is no {line!r}"
            command = found
        known = {option for each in command.params for option in each.opts}
        for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(words)):
            assert option in known | {"--help"}, f"{name}: {line!r} has no {option}"
