"""The options that most verbs share, and which file and socket they lead to.

The file: --config, else $LANTAI_CONFIG, else /etc/lantai/lantai.toml. Reads the file, prints
nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon.config import DEFAULT_CONFIG_FILE, Config, load_config

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_file",
    envvar="LANTAI_CONFIG",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG_FILE,
    show_default=True,
    help="The configuration of this host (or $LANTAI_CONFIG). 配置文件",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs. 输出 JSON"
)


def role_socket(config: Config, role: str) -> Path:
    """Where `role` answers on this host, by its configured name or by that of its role.

    A demo's roles have files of their own and share the folder; so a role that this file does not
    describe may answer there all the same.
    """
    name = config.instance_names().get(role, role)
    return config.site.run_folder / f"{name}.sock"


def socket_of(config_file: Path, role: str) -> Path:
    """Where `role` answers. Raises ConfigurationError when the file cannot be used."""
    return role_socket(load_config(config_file), role)
