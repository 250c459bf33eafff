"""`lantai node …`: make and test a volume; say who is away by plan, and who belongs.

Making is apart from `run node`, which never makes a volume: a disk that is not mounted looks like
an empty one, and must be refused. `away` and `back` are orders to the keeper. Exit codes: 0 done;
1 refused; 69 not running here; 78 configuration refused.
"""

from datetime import datetime
from pathlib import Path

import click

from daemon.cli.burn_in import burn_in
from daemon.cli.node_membership import MEMBERSHIP
from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, shown
from daemon.config import load_config, required
from daemon.control_client import ask
from daemon.keys import KeyFolder
from daemon.roles.node import volume_settings
from storage.catalogue.timestamps import to_text
from storage.volume.volume import Volume

# Writes, evicts and reads back; a disk that needs longer is not fit.
SELF_TEST_S_MAX = 300


@click.group()
def node() -> None:
    """The storage node of this host, and who belongs to the archive. 存储节点与成员"""


for _command in MEMBERSHIP:
    node.add_command(_command)


@node.command()
@config_option
def create(config_file: Path) -> None:
    """Make the volume of [node], on an empty disk, after testing it. 新建存储卷。

    Exit codes: 0 made; 1 refused (not empty, or the disk failed its test); 78 configuration
    refused.
    """
    config = load_config(config_file)
    settings = required(config.node, "node")
    key = KeyFolder(config.site.keys_folder).signing_key(settings.name)
    volume = Volume.create(volume_settings(settings), key)
    try:
        click.echo(
            f"{settings.name}: made {settings.root} ({volume.identity.node_uuid}), "
            f"read back: {volume.verify_mode} 已建立存储卷"
        )
    finally:
        volume.close()


@node.command("self-test")
@config_option
def self_test(config_file: Path) -> None:
    """Test the disk; if it is clean, a read-only node takes packages again. 磁盘自检。

    Exit codes: 0 passed; 1 failed, the node stays read-only; 69 the node does not run here.
    """
    click.echo(ask(socket_of(config_file, "node"), "self-test", timeout_s=SELF_TEST_S_MAX))


node.add_command(burn_in)


@node.command()
@click.argument("name")
@click.option(
    "--until",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    required=True,
    help="Local time; a day means its beginning. It ends by itself then. 截止时间(本地)",
)
@click.option("--reason", required=True, help="Why; kept with your name. 理由(记录在案)")
@config_option
@json_option
def away(name: str, until: datetime, reason: str, config_file: Path, as_json: bool) -> None:
    """Say that node NAME is away by plan. 声明节点按计划离线。

    Its silence is no alarm then; its copies count neither as damaged nor as good. Said again, it
    replaces what was said before.

    Exit codes: 0 on record; 1 refused; 69 the keeper does not run here.
    """
    keeper, end = socket_of(config_file, "keeper"), to_text(until.astimezone())
    answer = ask(keeper, "node-away", node=name, until=end, reason=reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{shown(name)}: away by plan until {answer['until']} 已记录按计划离线")


@node.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why; kept with your name. 理由(记录在案)")
@config_option
@json_option
def back(name: str, reason: str, config_file: Path, as_json: bool) -> int:
    """Say that node NAME is back before its time. 声明节点已恢复。

    Exit codes: 0 on record; 1 it was not away, or refused; 69 the keeper does not run here.
    """
    answer = ask(socket_of(config_file, "keeper"), "node-back", node=name, reason=reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(
            f"{shown(name)}: {'back 已恢复' if answer['was_away'] else 'was not away 未离线'}"
        )
    return 0 if answer["was_away"] else 1
