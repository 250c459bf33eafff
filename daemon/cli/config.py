"""`lantai config sample` and `lantai config check FILE`.

Exit codes of `check`: 0 usable (warnings are printed), 1 not usable, 2 usage.
"""

import sys
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import click

from daemon.cli.options import json_option
from daemon.cli.output import print_json, shown
from daemon.config import ConfigurationError, read_toml
from daemon.config_check import Problem, judge_values

SIGNS = {"error": "✗", "warning": "!"}


@click.group()
def config() -> None:
    """Print an example configuration, or judge a file. 配置"""


@config.command()
def sample() -> None:
    """Print a full example with comments. 打印完整示例。"""
    click.echo(files("daemon").joinpath("sample.toml").read_text("utf-8"), nl=False)


@config.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Judge FILE, every problem at once. 检查配置文件。

    Exit codes: 0 usable (warnings are printed); 1 not usable; 2 usage.
    """
    problems = _problems(file)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        print_json({"usable": not errors, "problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            sign = SIGNS[problem.severity]
            click.echo(f"{sign} {shown(problem.place)}: {shown(problem.message)}")
            click.echo(f"  {problem.message_zh}")
        verdict = f"not usable: {errors} errors 不可用" if errors else "usable 可用"
        click.echo(f"{file}: {verdict}")
    sys.exit(1 if errors else 0)


def _problems(file: Path) -> list[Problem]:
    try:
        _config, problems = judge_values(read_toml(file))
    except ConfigurationError as error:
        return [Problem("error", str(file), str(error), "无法读取或不是有效的 TOML 文件")]
    return problems
