"""`lantai block-loop NAME`: blocks a role's event loop, so that its watchdog can be seen to bite.

Hidden, and refused by every role that does not run with debug = true or LANTAI_DEBUG=1.
"""

from pathlib import Path

import click

from daemon.cli.options import config_option
from daemon.config import load_config
from daemon.control_client import ask


@click.command(hidden=True)
@click.argument("name")
@click.option("--seconds", type=click.IntRange(1, 3600), default=600, show_default=True)
@config_option
def block_loop(name: str, seconds: int, config_file: Path) -> None:
    """Block the event loop of the role NAME on this host.

    Exit codes: 0 it blocks; 1 refused (not in debug); 69 not running here.
    """
    path = load_config(config_file).site.run_folder / f"{name}.sock"
    click.echo(ask(path, "block-loop", seconds=seconds))
