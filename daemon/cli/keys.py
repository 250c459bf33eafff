"""`lantai keys make NAME --into DIR` and `lantai keys show`: public halves only are printed.

Exit codes: 0 done; 1 a key of that name exists, or one is unusable; 2 usage.
"""

from dataclasses import asdict
from pathlib import Path

import click

from daemon.cli.options import config_option, json_option
from daemon.cli.output import print_json
from daemon.config import load_config
from daemon.keys import KeyFolder, PublicKeys

NAME = r"[a-z0-9][a-z0-9-]{0,62}"


@click.group()
def keys() -> None:
    """Make and show a role's keys. 密钥"""


@keys.command()
@click.argument("name")
@click.option("--into", "folder", required=True, type=click.Path(path_type=Path), help="Folder.")
@json_option
def make(name: str, folder: Path, as_json: bool) -> None:
    """Make the keys of NAME (node-1, ingest, notary …) on the host that will use them. 生成密钥。

    Secret halves get mode 0400 and are never printed; an existing key is never overwritten.
    Exit codes: 0 made; 1 a key of that name exists; 2 usage.
    """
    import re

    if not re.fullmatch(NAME, name):
        raise click.BadParameter("lower-case letters, digits and hyphens only", param_hint="NAME")
    _print([KeyFolder(folder).make(name)], as_json=as_json)


@keys.command()
@click.argument("names", nargs=-1)
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Folder.")
@config_option
@json_option
def show(names: tuple[str, ...], folder: Path | None, config_file: Path, as_json: bool) -> None:
    """Show the public halves, as configuration files want them. 显示公钥。

    Without NAMES all that are there; without --from the keys_folder of the configuration.
    Exit codes: 0 shown; 1 a key is missing or unusable; 2 usage; 78 configuration refused.
    """
    kept = KeyFolder(folder or load_config(config_file).site.keys_folder)
    _print([kept.public(name) for name in names or kept.names()], as_json=as_json)


def _print(public: list[PublicKeys], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(keys) for keys in public])
        return
    for keys in public:
        click.echo(f"# {keys.name}")
        click.echo(f'curve_public_key = "{keys.curve_public_key}"')
        click.echo(f'verify_key = "{keys.verify_key}"')
