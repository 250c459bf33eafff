"""`lantai catalogue rebuild|check|reconcile`: the catalogue against what the nodes know.

docs/operations/catalogue-lost.md. Needs this host's file, the keeper's keys, and a majority of the
nodes, running or mounted; no role of this host needs to run. Exit codes: 0 done, or equal; 1 done
with disagreements, or different, or refused; 3 too few nodes; 78 configuration refused.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon.catalogue_rebuild import Compared, Rebuilt, Sources
from daemon.catalogue_rebuild import check as compare
from daemon.catalogue_rebuild import rebuild as rebuild_from_nodes
from daemon.cli.options import config_option, json_option
from daemon.cli.output import print_json, print_table, shown
from daemon.cli.progress_line import ProgressLine
from daemon.config import load_config

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_SHOWN_MAX = 50


@click.group()
def catalogue() -> None:
    """The catalogue against what the nodes know: rebuild, check, reconcile. 目录库"""


def _sources(command: Decorated) -> Decorated:
    """Where to read from, alike for all three."""
    existing = click.Path(exists=True, file_okay=False, path_type=Path)
    for option in (
        click.option(
            "--work",
            type=existing,
            default=Path("/var/tmp"),  # noqa: S108 - its folder is made anew, for us alone
            show_default=True,
            help="Where a database as large as the catalogue finds room. 临时空间",
        ),
        click.option(
            "--root",
            "roots",
            type=existing,
            multiple=True,
            help="Read a node's mounted storage root instead; once for each. 直接读取存储根",
        ),
        click.option(
            "--from", "nodes", multiple=True, help="Only this node; once for each. 指定存储节点"
        ),
    ):
        command = option(command)
    return command


@catalogue.command()
@_sources
@click.option("--into", "url", help="Another database than [catalogue] names. 目标数据库")
@click.option("--anyway", is_flag=True, help="Into one that is not empty, too. 允许非空")
@config_option
@json_option
def rebuild(
    nodes: tuple[str, ...],
    roots: tuple[Path, ...],
    work: Path,
    url: str | None,
    anyway: bool,
    config_file: Path,
    as_json: bool,
) -> None:
    """Make the catalogue anew from a majority of the nodes. 由存储节点重建目录库。

    Packages, copies and tallies come back row by row, transfers, answers, events and findings as
    the nodes were told. Accounts, dispatch notes, orders and audits need their backup.

    Exit codes: 0 rebuilt; 1 rebuilt, and the nodes disagree about what is listed, or refused; 3 too
    few nodes; 78 configuration refused.
    """
    config = load_config(config_file)
    sources, progress = Sources(nodes, roots, work), _Progress()
    made = asyncio.run(
        rebuild_from_nodes(
            config, sources, url or config.catalogue.url, progress.read, progress.written,
            anyway=anyway,
        )
    )  # fmt: skip
    progress.clear()
    _finish(made, as_json=as_json)


@catalogue.command()
@_sources
@config_option
@json_option
def reconcile(
    nodes: tuple[str, ...], roots: tuple[Path, ...], work: Path, config_file: Path, as_json: bool
) -> None:
    """Take in what the nodes know and an older catalogue lacks. 使目录库与存储节点一致。

    For a catalogue that was restored from a backup. Nothing that it has is thrown away. Refused
    when it was written since in another way (catalogue-forked): then rebuild into a new one.

    Exit codes: 0 level; 1 level, and the nodes disagree about what is listed, or refused; 3 too few
    nodes; 78 configuration refused.
    """
    config = load_config(config_file)
    sources, progress = Sources(nodes, roots, work), _Progress()
    found = asyncio.run(compare(config, sources, progress.read))
    if any(each.column == "chain" for each in found.differences):
        progress.clear()
        click.echo(
            "lantai: catalogue-forked: this catalogue was written in another way than the nodes "
            "were told; rebuild into a new one with --into 目录库已分叉,请重建",
            err=True,
        )
        sys.exit(1)
    made = asyncio.run(
        rebuild_from_nodes(
            config, sources, config.catalogue.url, progress.read, progress.written, anyway=True
        )
    )
    progress.clear()
    _finish(made, as_json=as_json)


@catalogue.command()
@_sources
@config_option
@json_option
def check(
    nodes: tuple[str, ...], roots: tuple[Path, ...], work: Path, config_file: Path, as_json: bool
) -> None:
    """Compare catalogue and nodes, row by row; change nothing. 核对目录库与存储节点。

    Exit codes: 0 equal; 1 differences; 3 too few nodes; 78 configuration refused.
    """
    progress = _Progress()
    config = load_config(config_file)
    found = asyncio.run(compare(config, Sources(nodes, roots, work), progress.read))
    progress.clear()
    if as_json:
        print_json({"equal": _is_equal(found), **asdict(found)})
    else:
        _show(found)
    sys.exit(0 if _is_equal(found) else 1)


def _is_equal(found: Compared) -> bool:
    return not found.differences and not found.disagreements


def _show(found: Compared) -> None:
    rows = [
        (each.table, each.row, each.column, _side(each.catalogue), _side(each.nodes))
        for each in found.differences[:_SHOWN_MAX]
    ]
    if rows:
        print_table(("table", "row", "column", "catalogue 目录库", "nodes 节点"), rows)
    _show_disagreements(found.disagreements)
    verdict = "Equal 一致" if _is_equal(found) else "Different 不一致"
    click.echo(
        f"{verdict}: {len(found.differences)} differences 差异, "
        f"{len(found.disagreements)} disagreements of the nodes 节点分歧, "
        f"{found.untold_events} events not told yet 未告知; read from 读取自 "
        f"{', '.join(found.nodes)}"
    )


def _side(value: str | None) -> str:
    return "no such row 无此行" if value is None else value[:60]


def _finish(made: Rebuilt, *, as_json: bool) -> None:
    doubtful = bool(made.disagreements or made.gathered.unusable)
    if as_json:
        print_json(asdict(made))
    else:
        _show_disagreements(made.disagreements)
        for words, listed in (
            ("stored, receipt not told 已入库,回执未及告知", made.gathered.without_receipt),
            ("was being stored 入库中断", made.gathered.unfinished),
            ("not usable 无法重建", made.gathered.unusable),
        ):
            for each in listed[:_SHOWN_MAX]:
                click.echo(f"{words}: {shown(each)}")
        click.echo(
            f"{made.poured.new} rows new 新增, {made.poured.changed} changed 更新, from 来自 "
            f"{', '.join(made.nodes)}; restore site tables from their backup 站点表请由备份恢复"
        )
    sys.exit(1 if doubtful else 0)


def _show_disagreements(listed: tuple[Any, ...]) -> None:
    rows = [(each.subject, each.node, each.code, each.detail) for each in listed[:_SHOWN_MAX]]
    if rows:
        print_table(("of 对象", "node 节点", "code", "what 说明"), rows)


class _Progress(ProgressLine):
    """How far reading the nodes and writing the tables are."""

    def read(self, node: str, amount: int) -> None:
        self.show(f"{node}: {amount} read 已读取")

    def written(self, table: str, rows: int) -> None:
        self.show(f"{table}: {rows} rows 行")
