"""`lantai audit`: have all holders of an object prove that they read it; see what audits found.

Orders through the keeper, waits for the result and shows it; `status` and `trust` ask the keeper.
docs/operations/audit.md. Exit codes: 0 all agree, or done; 1 something did not agree, or refused;
69 the keeper does not run here.
"""

import time
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, print_table, shown, size
from daemon.control_client import ask

_ENDED = frozenset({"done", "failed"})
_POLL_S = 0.5
# What says that every holder that answered has the same bytes, or has them again.
_QUIET = frozenset({"agreed", "partial", "settled"})
OUTCOMES = {
    "agreed": "一致",
    "partial": "已答者一致",
    "located": "已定位损坏",
    "settled": "复核后一致",
    "suspect": "节点存疑",
    "undecided": "无法判定",
    "unanswered": "未获应答",
}
HEADINGS = ("OBJECT 对象", "OUTCOME 结果", "AGREE 一致", "DOUBTED 存疑及复核", "MISSING 未应答")


@click.group(invoke_without_command=True)
@click.option("--object", "object_id", help="This object, by its id. 指定对象")
@click.option("--sample", type=click.IntRange(1, 10_000), help="So many, at random. 随机抽取")
@click.option("--no-wait", is_flag=True, help="Only order it; the number is printed. 仅下达")
@config_option
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    object_id: str | None,
    sample: int | None,
    no_wait: bool,
    config_file: Path,
    as_json: bool,
) -> int:
    """Have every holder read objects anew and compare. 抽查审计(随机数应答)。

    Exit codes: 0 all agree; 1 something does not, or was refused; 69 the keeper does not run here.
    """
    if ctx.invoked_subcommand:
        return 0
    if (object_id is None) == (sample is None):
        raise click.UsageError("give --object ID or --sample N. 请指定 --object 或 --sample")
    keeper = socket_of(config_file, "keeper")
    arguments = {"object": object_id} if object_id is not None else {"sample": sample}
    order = ask(keeper, "audit-start", **arguments)
    if not no_wait:
        order = _wait(keeper, order["order"])
    if as_json:
        print_json(order)
    elif no_wait:
        click.echo(f"order {order['order']} placed 已下达; lantai audit status")
    else:
        _print(order)
    return 0 if no_wait or _is_quiet(order) else 1


@audit.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> int:
    """What audits found lately, and who is suspect. 审计状况。

    Exit codes: 0 nothing waits for a person; 1 something does; 69 the keeper does not run here.
    """
    answer = ask(socket_of(config_file, "keeper"), "audit-status")
    if as_json:
        print_json(answer)
    else:
        _print_status(answer)
    return 1 if answer["suspects"] or answer["open"] else 0


@audit.command()
@click.argument("node")
@click.option("--reason", required=True, help="Why; kept with your name. 理由(记录在案)")
@config_option
@json_option
def trust(node: str, reason: str, config_file: Path, as_json: bool) -> int:
    """Believe a suspect NODE again. 解除节点存疑。

    Exit codes: 0 it is believed again; 1 it was not suspect; 69 the keeper does not run here.
    """
    answer = ask(socket_of(config_file, "keeper"), "audit-trust", node=node, reason=reason)
    if as_json:
        print_json(answer)
    else:
        was = "believed again 已解除" if answer["was_suspect"] else "was not suspect 本未存疑"
        click.echo(f"{shown(node)}: {was}")
    return 0 if answer["was_suspect"] else 1


def _wait(keeper: Path, number: int) -> dict[str, Any]:
    """The order, once it has ended; interrupting changes nothing about it."""
    while True:
        order: dict[str, Any] = ask(keeper, "audit-order", order=number)
        if order["state"] in _ENDED:
            return order
        time.sleep(_POLL_S)


def _is_quiet(order: dict[str, Any]) -> bool:
    return order["state"] == "done" and set(order["result"]["outcomes"]) <= _QUIET


def _print(order: dict[str, Any]) -> None:
    if order["state"] == "failed":
        click.echo(f"refused 被拒: {shown(order['message'])}")
        return
    result = order["result"]
    outcomes = ", ".join(f"{_word(name)}: {count}" for name, count in result["outcomes"].items())
    read = size(result["read_bytes"])
    click.echo(f"{result['audited']} objects audited 已审计, {read} read 已读; {outcomes or '-'}")
    if result["objects"]:
        print_table(HEADINGS, (_row(each) for each in result["objects"]))


def _row(audited: dict[str, Any]) -> tuple[object, ...]:
    doubted = [f"{node}: {said or 'no answer'}" for node, said in audited["doubted"].items()]
    doubted += [f"{node}: denies the object" for node in audited["denying"]]
    return (
        audited["object_id"],
        _word(audited["outcome"]),
        " ".join(audited["agreeing"]) or "-",
        ", ".join(doubted) or "-",
        " ".join(audited["missing"]) or "-",
    )


def _print_status(answer: dict[str, Any]) -> None:
    click.echo(
        f"last audit 最近审计: {answer['last_audit_at'] or '-'}; "
        f"{answer['percent_per_day']} % a day 每日比例"
    )
    for suspect in answer["suspects"]:
        click.echo(f"SUSPECT 存疑: {shown(suspect['node'])} since {suspect['since']}")
        click.echo(f"  {shown(suspect['reason'])}")
    for title, audited in (("waits for a person 待人处置", answer["open"]), ("", answer["recent"])):
        if audited:
            headings = (f"OBJECT 对象 {title}".rstrip(), "VERSION 版本", "OUTCOME 结果", "AT 时间")
            print_table(headings, (_listed(each) for each in audited))


def _listed(audited: dict[str, Any]) -> tuple[object, ...]:
    version, outcome = audited["version"], _word(audited["outcome"])
    return audited["object_id"], version, outcome, audited["audited_at"]


def _word(outcome: str) -> str:
    return f"{outcome} {OUTCOMES[outcome]}"
