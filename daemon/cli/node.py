"""`lantai node create|self-test`: make this host's volume once, or test its disk again.

Making is apart from `run node`, which never makes a volume: a disk that is not mounted looks like
an empty one, and must be refused. Exit codes: 0 done; 1 refused; 69 not running here; 78
configuration refused.
"""

from pathlib import Path

import click

from daemon.cli.options import config_option, socket_of
from daemon.config import load_config, required
from daemon.control_client import ask
from daemon.keys import KeyFolder
from daemon.roles.node import volume_settings
from storage.volume.volume import Volume

# Writes, evicts and reads back; a disk that needs longer is not fit.
SELF_TEST_S_MAX = 300


@click.group()
def node() -> None:
    """The storage node of this host. 存储节点"""


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
    settings.root.parent.mkdir(parents=True, exist_ok=True)
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
