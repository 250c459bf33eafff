"""`lantai run ROLE --config FILE`: one role as this process.

Exit codes: 0 stopped as asked, 1 a part ended or failed, 78 configuration or self-test refused
(systemd does not start it again). What a role does is daemon/roles/<role>.py's affair.
"""

import faulthandler
import importlib
import os
import sys
from pathlib import Path

import click

from daemon.cli.options import config_option
from daemon.config import ROLES, Config, ConfigurationError, load_config
from daemon.config_check import judge
from daemon.lifecycle import Role, run_role
from monitoring.log import configure_log
from storage.crash_point import VARIABLE, order_crash


@click.command()
@click.argument("role", type=click.Choice(ROLES))
@config_option
def run(role: str, config_file: Path) -> None:
    """Run ROLE until SIGTERM or SIGINT. 运行一个角色。

    Exit codes: 0 stopped as asked; 1 a part ended or failed; 78 the configuration or a self-test
    refused, and starting again cannot help.
    """
    # The watchdog kills with SIGABRT: then the log shows where every thread stood.
    faulthandler.enable()
    config = load_config(config_file)
    _refuse_errors(config, config_file)
    configure_log(config.instance_names().get(role, role))
    debug = config.site.debug or os.environ.get("LANTAI_DEBUG") == "1"
    if debug:
        order_crash(os.environ.get(VARIABLE, ""))
    sys.exit(run_role(_build(role, config), config.site.run_folder, debug=debug))


def _refuse_errors(config: Config, config_file: Path) -> None:
    errors = [problem for problem in judge(config) if problem.severity == "error"]
    if errors:
        listed = "; ".join(f"{problem.place}: {problem.message}" for problem in errors)
        raise ConfigurationError(f"{config_file}: {listed}")


def _build(role: str, config: Config) -> Role:
    built = importlib.import_module(f"daemon.roles.{role}").build(config)
    assert isinstance(built, Role), "a role's module builds a Role"
    return built
