"""`lantai tally`: what sources say they sent against what came; `--close` ends one with its gap.

docs/formats/tally.md. Lists through the api, closes through the ingest; closing needs a reason and
is recorded with the person who did it. Exit codes: 0 no gap, or closed; 1 a gap, or refused; 69 the
role does not run here.
"""

from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, print_table, shown
from daemon.control_client import ask

KINDS = ("missing", "different", "surplus", "under-way")
_WORDS = {
    "missing": "missing 缺失",
    "different": "different 不符",
    "surplus": "surplus 多余",
    "under-way": "under way 处理中",
}


@click.command()
@click.argument("source", required=False)
@click.option("--close", "note", metavar="NAME", help="Close this note of SOURCE. 人工关闭清单")
@click.option("--reason", help="Why; kept with your name. 理由(记录在案)")
@config_option
@json_option
@click.pass_context
def tally(
    ctx: click.Context,
    source: str | None,
    note: str | None,
    reason: str | None,
    config_file: Path,
    as_json: bool,
) -> None:
    """Expected against received, of all sources or one. 应归尽归核对。

    Exit codes: 0 nothing is missing, different or surplus; 1 something is, or refused; 69 the role
    does not run here; 78 configuration refused.
    """
    if note is None:
        arguments: dict[str, Any] = {"source": source} if source else {}
        answer = ask(socket_of(config_file, "api"), "tally", **arguments)
        _show(answer, as_json=as_json)
        ctx.exit(1 if _has_gap(answer) else 0)
    if source is None or not reason:
        raise click.UsageError("--close needs SOURCE and --reason 关闭清单须给出来源与理由")
    path = socket_of(config_file, "ingest")
    closed = ask(path, "tally-close", source=source, name=note, reason=reason)
    if as_json:
        print_json(closed)
    else:
        click.echo(f"{shown(closed['name'])}: {shown(closed['state'])}")


def _has_gap(answer: dict[str, Any]) -> bool:
    return any(note["counts"][kind] for note in answer["notes"] for kind in KINDS[:3])


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    headings = ("SOURCE 来源", "NOTE 清单", "SINCE 收到", "MATCHED 相符")
    print_table(
        (*headings, *(_WORDS[kind] for kind in KINDS)),
        (_row(note) for note in answer["notes"]),
    )
    for note in answer["notes"]:
        for entry in note["gap"]:
            words, identifier = _WORDS[entry["kind"]], shown(entry["identifier"])
            click.echo(f"{shown(note['name'])}  {words}  {identifier}{_numbers(entry)}")
        if note["gap_more"]:
            click.echo(
                "… there are more: --json, or the answer in the return folder 更多见回执目录"
            )


def _row(note: dict[str, Any]) -> tuple[object, ...]:
    counts = note["counts"]
    named = (note["source"], note["name"], note["taken_at"], counts["matched"])
    return (*named, *(counts[kind] for kind in KINDS))


def _numbers(entry: dict[str, Any]) -> str:
    """`  5 files, 10 bytes → 4 files, 8 bytes`: as stated, and as stored."""
    if "expected" not in entry or "received" not in entry:
        return ""
    said = [
        ", ".join(
            f"{numbers[key]} {unit}"
            for key, unit in (("file_count", "files"), ("content_bytes", "bytes"))
            if numbers[key] is not None
        )
        for numbers in (entry["expected"], entry["received"])
    ]
    return f"  {said[0]} → {said[1]}"
