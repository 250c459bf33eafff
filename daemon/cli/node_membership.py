"""`lantai node list|show|add|up|readonly|drain|lost`: who belongs to the archive.

docs/operations/membership.md. Each verb is an order that the keeper carries out, or refuses with
the reason where the archive would be less safe. Exit codes: 0 done; 1 refused; 69 the keeper does
not run here.
"""

from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import age, print_json, print_table, shown
from daemon.control_client import ask

_ORDER_S_MAX = 40.0
_SHOW_S_MAX = 600.0
HEADINGS = (
    "NODE 节点", "STATE 状态", "DOMAIN 故障域", "WEIGHT 权重", "ANSWERS 应答", "SIGNED 已签",
    "TO FILL 待补", "NOTE 说明",
)  # fmt: skip  # one line of headings
_CHINESE = {
    "joining": "加入中",
    "up": "在用",
    "readonly": "只读",
    "draining": "迁出中",
    "lost": "已丢失",
}

reason_option = click.option("--reason", required=True, help="Why; kept with your name. 理由")
node_argument = click.argument("name")


@click.command("list")
@config_option
@json_option
def list_nodes(config_file: Path, as_json: bool) -> None:
    """Who belongs to the archive, and how each node stands. 成员节点一览。

    SIGNED is the layout that the node has on its disk, by its own signature. TO FILL counts copies
    that should be good there and are not.

    Exit codes: 0 shown; 69 the keeper does not run here.
    """
    answer = ask(socket_of(config_file, "keeper"), "nodes", timeout_s=_SHOW_S_MAX)
    if as_json:
        print_json(answer)
        return
    click.echo(
        f"layout {answer['layout']} 布局版本: {answer['copies']} copies 副本, made by "
        f"{shown(answer['made_by'])} at {answer['made_at']}: {shown(answer['reason'])}"
    )
    print_table(HEADINGS, (_row(each) for each in answer["nodes"]))
    for name in answer["not_added"]:
        click.echo(f"{shown(name)}: configured and not added: lantai node add 已配置，未加入")


@click.command()
@node_argument
@config_option
@json_option
def show(name: str, config_file: Path, as_json: bool) -> None:
    """How node NAME stands; how far its copies are, and whether its disk may go. 节点详情。

    Exit codes: 0 shown; 1 there is no such node; 69 the keeper does not run here.
    """
    answer = ask(socket_of(config_file, "keeper"), "node-show", node=name, timeout_s=_SHOW_S_MAX)
    if as_json:
        print_json(answer)
        return
    for label, value in _lines(answer):
        click.echo(f"{label}: {shown(value)}")


@click.command()
@node_argument
@reason_option
@config_option
@json_option
def add(name: str, reason: str, config_file: Path, as_json: bool) -> None:
    """Let the new node NAME join. 加入新节点。

    It must be among the [[peers]] of every host (restart the roles after that), run, and be empty.
    It is `joining` until it has answered with its own keys, then `up` by itself: new packages go
    there from then on. What is stored stays where it is.

    Exit codes: 0 done; 1 refused; 69 the keeper does not run here.
    """
    _order("node-add", config_file, as_json, node=name, reason=reason)


@click.command()
@node_argument
@reason_option
@config_option
@json_option
def up(name: str, reason: str, config_file: Path, as_json: bool) -> None:
    """Have node NAME take packages again. 恢复使用。

    From `readonly` or `draining`. A node that was lost and came back must have been verified whole
    first; `lantai node show` says whether it was.

    Exit codes: 0 done; 1 refused; 69 the keeper does not run here.
    """
    _order("node-up", config_file, as_json, node=name, reason=reason)


@click.command()
@node_argument
@reason_option
@config_option
@json_option
def readonly(name: str, reason: str, config_file: Path, as_json: bool) -> None:
    """Have node NAME take nothing and go on giving. 设为只读。

    Also the way back for a node that was lost: it reads all of its copies once, and those that it
    finds intact count again. Refused where fewer than N domains would be left to take packages.

    Exit codes: 0 done; 1 refused; 69 the keeper does not run here.
    """
    _order("node-readonly", config_file, as_json, node=name, reason=reason)


@click.command()
@node_argument
@reason_option
@config_option
@json_option
def drain(name: str, reason: str, config_file: Path, as_json: bool) -> None:
    """Have the copies of node NAME made elsewhere, so that it may be removed. 迁出节点。

    Ingest and reading go on. Its own copies count until others were read back in their place.
    `lantai node show NAME` tells how far it is and when its disk may be removed; nothing on it is
    deleted. Refused where another domain is leaving, or too few would be left.

    Exit codes: 0 done; 1 refused; 69 the keeper does not run here.
    """
    _order("node-drain", config_file, as_json, node=name, reason=reason)


@click.command()
@node_argument
@click.option("--uuid", required=True, help="Of its volume: `lantai node show NAME`. 卷标识")
@reason_option
@config_option
@json_option
def lost(name: str, uuid: str, reason: str, config_file: Path, as_json: bool) -> None:
    """Say that node NAME is gone for good. 宣告节点丢失。

    No copy there counts any more, and others are made from the remaining ones, the most endangered
    first. Not for a node that comes back: that is `lantai node away`. Add a node in another domain
    first where fewer than N would be left. Also for a drained node whose disk was removed.

    Exit codes: 0 done; 1 refused; 69 the keeper does not run here.
    """
    _order("node-lost", config_file, as_json, node=name, uuid=uuid, reason=reason)


MEMBERSHIP: tuple[click.Command, ...] = (list_nodes, show, add, up, readonly, drain, lost)


def _order(verb: str, config_file: Path, as_json: bool, **arguments: str) -> None:
    keeper = socket_of(config_file, "keeper")
    answer = ask(keeper, verb, timeout_s=_ORDER_S_MAX, **arguments)
    if as_json:
        print_json(answer)
    else:
        click.echo(shown(answer["result"]))


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    return (
        node["node"],
        _state(node),
        node["domain"],
        node["weight"],
        "yes 是" if node["answers"] else "no 否",
        node["signed_layout"],
        node["to_fill"],
        node["delay"] or "-",
    )


def _state(node: dict[str, Any]) -> str:
    unverified = "" if node["verified"] else ", not verified 未核验"
    return f"{node['state']} {_CHINESE[node['state']]}{unverified}"


def _lines(node: dict[str, Any]) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = [
        ("node 节点", node["node"]),
        ("state 状态", _state(node)),
        ("domain 故障域", node["domain"]),
        ("volume 卷标识", node["node_uuid"]),
        ("layout 布局", f"{node['signed_layout']} signed of {node['layout']} 已签/现行"),
        ("to fill 待补副本", _left(node["to_fill"], node["to_fill_left_s"])),
    ]
    lines += [("waits 等待", node["delay"])] if node["delay"] else []
    if "to_move" in node:
        lines.append(("to move 待迁对象", _left(node["to_move"], node["to_move_left_s"])))
        lines += [("not removable 不可移除", reason) for reason in node["not_removable"]]
        if node["removable"]:
            lines.append(("removable 可移除", "you may now remove the disk 可以移除该盘"))
    lines += [("failing 失败", each) for each in node["failing"]]
    return lines


def _left(count: int, left_s: float | None) -> str:
    if not count:
        return "0"
    return f"{count}, about {age(left_s)} left 预计剩余" if left_s is not None else str(count)
