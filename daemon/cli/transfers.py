"""`lantai transfers`: what arrived and its fate; `release`, `reject`, `retry`, `register` one.

Lists through the api, decides through the ingest; every decision needs a reason and is recorded
with the person who made it. Exit codes: 0 done; 1 refused; 69 the role does not run here.
"""

import time
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import age, print_json, print_table, shown, size
from daemon.control_client import ask

_WATCH_S = 2.0


@click.group(invoke_without_command=True)
@click.option("--state", help="Only in this state (held, rejected …). 仅此状态")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--watch", is_flag=True, help="Show it anew every two seconds. 持续显示进度")
@config_option
@json_option
@click.pass_context
def transfers(
    ctx: click.Context,
    state: str | None,
    limit: int,
    watch: bool,
    config_file: Path,
    as_json: bool,
) -> None:
    """What arrived, and its fate; newest first. 移交记录。

    Exit codes: 0 shown; 69 the api does not run here; 78 configuration refused.
    """
    if ctx.invoked_subcommand:
        return
    arguments: dict[str, Any] = {"state": state} if state else {}
    while True:
        answer = ask(socket_of(config_file, "api"), "transfers", limit=limit, **arguments)
        if watch:
            click.clear()
        _show(answer, as_json=as_json)
        if not watch:
            return
        time.sleep(_WATCH_S)


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    print_table(
        (
            "TRANSFER 编号", "SOURCE 来源", "NAME 名称", "STATE 状态", "PROGRESS 进度",
            "SINCE 时间", "REASON 原因",
        ),
        (_row(transfer) for transfer in answer["transfers"]),
    )  # fmt: skip
    if answer["more"]:
        click.echo("… there are more: --limit, --state 更多记录")


def _row(transfer: dict[str, Any]) -> tuple[object, ...]:
    named = [transfer[member] or "" for member in ("transfer", "source", "name", "state")]
    return (*named, _progress(transfer), transfer["since"], transfer["reason"])


def _progress(transfer: dict[str, Any]) -> str:
    """How far, how fast, how long still: `45 %, 110.0 MiB/s, 3 min`. Empty when nobody knows."""
    done, total = transfer["bytes_done"], transfer["bytes_total"]
    parts = [f"{100 * done // total} %"] if total else [size(done)] if done else []
    if transfer["bytes_per_second"] is not None:
        parts.append(f"{size(transfer['bytes_per_second'])}/s")
    if transfer["seconds_left"] is not None:
        parts.append(age(transfer["seconds_left"]))
    return ", ".join(parts)


def _decision(verb: str, help_text: str) -> click.Command:
    @click.command(verb, help=f"{help_text}\n\nExit codes: 0 done; 1 refused; 69 not running here.")
    @click.argument("transfer")
    @click.option("--reason", required=True, help="Why; kept with your name. 理由(记录在案)")
    @config_option
    @json_option
    def decide(transfer: str, reason: str, config_file: Path, as_json: bool) -> None:
        path = socket_of(config_file, "ingest")
        answer = ask(path, verb, transfer=transfer, reason=reason)
        if as_json:
            print_json(answer)
        else:
            click.echo(f"{shown(answer['transfer'])}: {shown(answer['state'])}")

    return decide


transfers.add_command(_decision("release", "Let a held TRANSFER pass. 放行暂存的移交。"))
transfers.add_command(_decision("reject", "Send a held TRANSFER back. 退回暂存的移交。"))
_REGISTER = "Confirm that the form of a TRANSFER is signed by both sides. 登记表已由双方签署。"

transfers.add_command(_decision("register", _REGISTER))
transfers.add_command(_decision("retry", "Judge a failed TRANSFER again. 重新检测。"))
