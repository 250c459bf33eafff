"""`lantai sender-kit FOLDER`: what the platform's developers get, written into a folder.

The files are `ingest_watch/sender_kit/`, as they are, and the notary's public key where this host
has it. Exit codes: 0 written; 1 the folder is not empty or cannot be written.
"""

import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from daemon.cli.options import config_option
from daemon.config import ConfigurationError, load_config
from daemon.keys import KeyFolder
from storage.signing import KeyUnusable, VerifyKey

KEY_NAME = "notary.signing.pub.pem"
# What an interpreter may have left beside the kit's own files.
_NOT_OURS = "__pycache__"


@click.command("sender-kit")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@config_option
def sender_kit(folder: Path, config_file: Path) -> None:
    """Write the sender's kit into FOLDER, which is new or empty. 移交方开发套件。

    Exit codes: 0 written; 1 the folder is not empty or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        click.echo(f"lantai: {folder} is not empty 目录非空", err=True)
        sys.exit(1)
    _write(files("ingest_watch") / "sender_kit", folder)
    key = _notary_key(config_file)
    if key is None:
        click.echo(f"without {KEY_NAME}: add the notary's public key 请补充签章公钥", err=True)
    else:
        key.save(folder / KEY_NAME)
    click.echo(f"{folder}: README.md says how to begin 请先阅读 README.md")


def _write(source: Traversable, target: Path) -> None:
    for each in source.iterdir():
        if each.is_file():
            (target / each.name).write_bytes(each.read_bytes())
        elif each.name != _NOT_OURS:
            (target / each.name).mkdir()
            _write(each, target / each.name)


def _notary_key(config_file: Path) -> VerifyKey | None:
    """The key, where there are a configuration and a keys folder that have it."""
    try:
        config = load_config(config_file)
        name = config.notary.name if config.notary else "notary"
        return KeyFolder(config.site.keys_folder).verify_key(name)
    except (ConfigurationError, KeyUnusable):
        return None
