"""`lantai sweep start|pause|resume|status`: have copies re-read, or see how far the nodes are.

Asks the keeper, who orders it of all nodes or of one; on a host without a keeper, the node that
runs here. Exit codes: 0 done; 1 refused; 2 used wrongly; 69 neither runs here.
"""

import re
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, role_socket
from daemon.cli.output import age, print_json, print_table, size
from daemon.config import Config, load_config
from daemon.control_client import NotRunning, ask

HEADINGS = (
    "NODE 节点", "RUNNING 进行中", "PASS 轮次", "OF 范围", "OBJECTS 对象", "READ 已读",
    "OLDEST 最久未检", "FINISHED 上轮完成",
)  # fmt: skip  # one line of headings
FORECAST_HEADINGS = (
    "NODE 节点", "CLASS 类别", "DEADLINE 期限", "LEFT 剩余", "RATE 速率", "FINISH 预计完成",
    "SLACK 余量",
)  # fmt: skip  # one line of headings
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}

node_option = click.option("--node", help="Only this node. 仅此节点")


@click.group()
def sweep() -> None:
    """Re-read every copy, or see how far the nodes are. 巡检"""


@sweep.command()
@node_option
@click.option("--package", help="Only this package (object id). 仅此对象")
@click.option("--source", help="Only packages of this source. 仅此来源")
@click.option("--sample", help="Only a random share, such as 5%. 随机抽检")
@click.option("--quick", is_flag=True, help="Presence and sizes only; reads no content. 快检")
@config_option
@json_option
def start(
    node: str | None, config_file: Path, *, as_json: bool, quick: bool, **scopes: str | None
) -> None:
    """Begin a sweep now, of everything or of a part. 立即开始巡检。

    Exit codes: 0 ordered; 1 refused; 2 used wrongly; 69 neither keeper nor node runs here.
    """
    arguments = _scope(**scopes) | {"kind": "quick" if quick else "full"}
    _order("sweep-start", node, arguments, config_file, as_json=as_json)


@sweep.command()
@node_option
@click.option("--for", "lasting", default="24h", show_default=True, help="Such as 30m, 4h, 2d.")
@config_option
@json_option
def pause(node: str | None, lasting: str, config_file: Path, *, as_json: bool) -> None:
    """Stop reading for a while; it goes on by itself. 暂停巡检（到时自动恢复）。

    Exit codes: 0 ordered; 1 refused; 2 used wrongly; 69 neither keeper nor node runs here.
    """
    _order("sweep-pause", node, {"pause_s": _seconds(lasting)}, config_file, as_json=as_json)


@sweep.command()
@node_option
@config_option
@json_option
def resume(node: str | None, config_file: Path, *, as_json: bool) -> None:
    """Go on reading. 恢复巡检。

    Exit codes: 0 ordered; 1 refused; 69 neither keeper nor node runs here.
    """
    _order("sweep-resume", node, {}, config_file, as_json=as_json)


@sweep.command()
@config_option
@json_option
def status(config_file: Path, *, as_json: bool) -> None:
    """How far each node's sweep is, and when each class will be done. 巡检进度与预测。

    Exit codes: 0 shown; 69 neither keeper nor node runs here.
    """
    _print(_ask(load_config(config_file), "sweep-status"), as_json=as_json)


def _scope(package: str | None, source: str | None, sample: str | None) -> dict[str, str]:
    chosen = {"package": package, "source": source, "sample": sample}
    given = {scope: subject for scope, subject in chosen.items() if subject is not None}
    if len(given) > 1:
        names = ", ".join(f"--{scope}" for scope in given)
        raise click.UsageError(f"choose one of {names} 只选一项")
    for scope, subject in given.items():
        return {"scope": scope, "subject": _share(subject) if scope == "sample" else subject}
    return {"scope": "node", "subject": ""}


def _share(text: str) -> str:
    """ "5%" as the share 0.05."""
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.UsageError(f"--sample takes a share such as 5%, not {text} 抽检比例如 5%")
    return f"{share:.6g}"


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]*)([mhd])", text)
    if found is None:
        raise click.UsageError(f"--for takes a time such as 30m, 4h or 2d, not {text} 时长如 4h")
    return int(found[1]) * _UNITS_S[found[2]]


def _order(
    verb: str, node: str | None, arguments: dict[str, Any], config_file: Path, *, as_json: bool
) -> None:
    members = arguments | ({"node": node} if node else {})
    _print(_ask(load_config(config_file), verb, **members), as_json=as_json)
    if not as_json:
        click.echo("ordered 已下达; `lantai sweep status` shows how far it is")


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
    nodes = answer["nodes"]
    print_table(HEADINGS, (_row(node) for node in nodes))
    forecasts = [(node["node"], each) for node in nodes for each in node.get("forecasts", ())]
    if forecasts:
        click.echo()
        print_table(FORECAST_HEADINGS, (_forecast_row(node, each) for node, each in forecasts))


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    if node.get("message"):
        return (node["node"], node["message"], "", "", "", "", "", "")
    return (
        node["node"],
        _state(node),
        node["cycle"],
        " ".join(filter(None, (node["kind"], node["scope"], node["subject"]))),
        f"{node['checked_objects']}/{node['total_objects']}",
        size(node["checked_bytes"]),
        node["oldest_checked_at"] or "-",
        node["last_finished_at"] or "-",
    )


def _state(node: dict[str, Any]) -> str:
    if node["broken"]:
        return "BROKEN 失效"
    if node["paused"]:
        return f"paused until 暂停至 {node['paused_until']}"
    return "yes 是" if node["running"] else "no 否"


def _forecast_row(node: str, each: dict[str, Any]) -> tuple[object, ...]:
    late = each["slack_s"] < 0
    return (
        node,
        each["name"],
        f"{each['deadline_days']:g} d",
        size(each["left_bytes"]),
        f"{size(each['rate_bytes_per_second'])}/s",
        each["finish_at"],
        f"LATE 逾期 {age(-each['slack_s'])}" if late else age(each["slack_s"]),
    )
