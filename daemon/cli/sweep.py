"""`lantai sweep start|status`: re-read every copy now, or see how far the nodes are.

Asks the keeper, who orders it of all nodes; on a host without a keeper, the node that runs here.
Exit codes: 0 done; 1 refused; 69 neither runs here.
"""

from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, role_socket
from daemon.cli.output import print_json, print_table, size
from daemon.config import Config, load_config
from daemon.control_client import NotRunning, ask

HEADINGS = (
    "NODE 节点", "RUNNING 进行中", "CYCLE 轮次", "OBJECTS 对象", "READ 已读", "OLDEST 最久未检",
    "FINISHED 上轮完成",
)  # fmt: skip  # one line of headings


@click.group()
def sweep() -> None:
    """Re-read every copy, or see how far the nodes are. 巡检"""


@sweep.command()
@click.option("--node", help="Only this node. 仅此节点")
@config_option
@json_option
def start(node: str | None, config_file: Path, as_json: bool) -> None:
    """Begin a sweep now. 立即开始巡检。

    Exit codes: 0 ordered; 1 refused; 69 neither keeper nor node runs here.
    """
    arguments: dict[str, Any] = {"node": node} if node else {}
    _print(_ask(load_config(config_file), "sweep-start", **arguments), as_json=as_json)
    if not as_json:
        click.echo("ordered 已下达; `lantai sweep status` shows how far it is")


@sweep.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> None:
    """How far each node's sweep is. 巡检进度。

    Exit codes: 0 shown; 69 neither keeper nor node runs here.
    """
    _print(_ask(load_config(config_file), "sweep-status"), as_json=as_json)


def _ask(config: Config, verb: str, **arguments: Any) -> Any:
    """What the keeper answers or, where none runs, the node of this host."""
    try:
        return ask(role_socket(config, "keeper"), verb, **arguments)
    except NotRunning:
        if config.node is None:
            raise
        return ask(role_socket(config, "node"), verb, **arguments)


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    print_table(HEADINGS, (_row(node) for node in answer["nodes"]))


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    if node.get("message"):
        return (node["node"], node["message"], "", "", "", "", "")
    return (
        node["node"],
        "yes 是" if node["running"] else "no 否",
        node["cycle"],
        f"{node['checked_objects']}/{node['total_objects']}",
        size(node["checked_bytes"]),
        node["oldest_checked_at"] or "-",
        node["last_finished_at"] or "-",
    )
