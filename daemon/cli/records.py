"""`lantai findings` and `lantai events`: damage and its end; every act on record, also as PREMIS.

Asks the keeper; on a host without one, the api. Exit codes: 0 shown; 1 some finding that is shown
is open; 69 neither runs here; 78 configuration refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from daemon.cli.options import config_option, json_option, role_socket
from daemon.cli.output import print_json, print_table, shown
from daemon.config import load_config
from daemon.control_client import ask
from storage.catalogue.acts import RecordedAct
from storage.catalogue.premis import event_type, to_members, to_premis
from storage.catalogue.premis_xml import premis_document

_PAGE = 500
_limit_option = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most. 条数"
)
_package_option = click.option(
    "--package", "object_id", default="", help="Only of this object id. 仅此档案对象"
)


@click.command()
@click.option("--open", "only_open", is_flag=True, help="Only what is not mended. 仅未修复")
@click.option("--node", default="", help="Only of this node. 仅此节点")
@_package_option
@_limit_option
@config_option
@json_option
@click.pass_context
def findings(
    ctx: click.Context, /, *, config_file: Path, as_json: bool, limit: int, **chosen: Any
) -> None:
    """Damage that sweeps and audits found, newest first, and what became of it. 损坏记录。

    Exit codes: 0 nothing of it is open; 1 something is; 69 neither keeper nor api runs here.
    """
    arguments = {name: value for name, value in chosen.items() if name != "only_open" and value}
    if chosen["only_open"]:
        arguments["open"] = 1
    found = list(_findings(_asked(config_file), limit, arguments))
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no findings 无损坏记录")
    for each in () if as_json else found:
        _print_finding(each)
    ctx.exit(1 if any(each["mended_at"] is None for each in found) else 0)


@click.command()
@_package_option
@click.option("--premis", is_flag=True, help="As PREMIS 3.0: XML, with --json JSON Lines.")
@click.option("--after", type=click.IntRange(0), default=0, help="After this event. 起始序号")
@_limit_option
@config_option
@json_option
def events(
    object_id: str, after: int, limit: int, config_file: Path, *, premis: bool, as_json: bool
) -> None:
    """Every act on record, in the order of recording. 业务行为记录。

    Exit codes: 0 shown; 69 neither keeper nor api runs here.
    """
    arguments = {"object_id": object_id} if object_id else {}
    told = list(_acts(_asked(config_file), after, limit, arguments))
    if not premis:
        _print_events(told, as_json=as_json)
        return
    acts = [to_premis(msgspec.convert(each, RecordedAct)) for each in told]
    if as_json:
        for act in acts:
            click.echo(_line(to_members(act)))
    else:
        click.echo(premis_document(acts))


def _asked(config_file: Path) -> Path:
    config = load_config(config_file)
    keeper, api = role_socket(config, "keeper"), role_socket(config, "api")
    return keeper if keeper.exists() or not api.exists() else api


def _findings(socket: Path, limit: int, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    before = 0
    while limit > 0:
        page = ask(socket, "findings", limit=min(limit, _PAGE), before=before, **arguments)
        yield from page
        if len(page) < min(limit, _PAGE):
            return
        limit, before = limit - len(page), page[-1]["id"]


def _acts(
    socket: Path, after: int, limit: int, arguments: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    while limit > 0:
        answer = ask(socket, "events", limit=min(limit, _PAGE), after=after, **arguments)
        yield from answer["events"]
        if not answer["more"]:
            return
        limit, after = limit - len(answer["events"]), answer["events"][-1]["event"]["sequence"]


def _print_finding(found: dict[str, Any]) -> None:
    is_open = found["mended_at"] is None
    state = "OPEN 未修复" if is_open else f"{found['outcome']} 已处理 {found['mended_at']}"
    lines = [
        f"{found['found_at']}  {found['node']} #{found['sequence']}  {found['kind']}  {state}",
        f"    object 对象    {found['object_id'] or '-'}",
        f"    path 文件      {found['path'] or '-'}",
        f"    detail 说明    {found['detail'] or '-'}",
    ]
    if found["evidence"]:
        lines.append(f"    evidence 证据  {found['evidence']}")
    for line in lines:
        click.echo(shown(line))


def _print_events(told: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    print_table(
        ("EVENT 序号", "AT 时间", "ACT 行为", "业务行为", "OUTCOME 结果", "WHO 行为人", "ON 对象"),
        (_row(each) for each in told),
    )


def _row(told: dict[str, Any]) -> tuple[object, ...]:
    event = told["event"]
    on = told["object_id"] or event["node"] or event["transfer_id"] or "-"
    return (
        event["sequence"], event["at"], event["act"], event_type(event["act"]).business_act,
        event["outcome"], f"{event['who']}@{event['origin']}", on,
    )  # fmt: skip


def _line(members: dict[str, Any]) -> str:
    text = json.dumps(members, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
