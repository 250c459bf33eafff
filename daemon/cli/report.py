"""`lantai report fixity`: a signed fixity report of a period, made now and written here.

docs/formats/fixity-report.md. The keeper asks the nodes and signs; the person who asks writes the
files, under that person's rights. Exit codes: 0 no exceptions; 1 written, with exceptions, or
refused; 69 the keeper does not run here.
"""

import base64
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, shown
from daemon.control_client import ask
from daemon.reports.filing import SignedFile, SignedReport, write_report
from replication.fixity_report import FixityReport, decode
from storage.catalogue.timestamps import to_text

# Every node is asked anew, and may take a while to be given up.
_ANSWER_S_MAX = 180
_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def report() -> None:
    """Reports that an auditor files. 报告"""


@report.command()
@click.option("--from", "first_day", type=_DAY, required=True, help="First day, UTC. 起始日")
@click.option("--to", "last_day", type=_DAY, required=True, help="Last day, UTC. 截止日(含)")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the four files; nothing is replaced. 输出目录",
)
@config_option
@json_option
@click.pass_context
def fixity(
    ctx: click.Context,
    first_day: datetime,
    last_day: datetime,
    output: Path,
    config_file: Path,
    *,
    as_json: bool,
) -> None:
    """What was read again, what was found, what became of it. 固定性检查报告。

    Exit codes: 0 no exceptions; 1 exceptions, or refused; 69 the keeper does not run here.
    """
    answer = ask(
        socket_of(config_file, "keeper"),
        "fixity-report",
        timeout_s=_ANSWER_S_MAX,
        **{
            "from": _midnight(first_day.date()),
            "to": _midnight(last_day.date() + timedelta(days=1)),
        },
    )
    signed = _signed(answer)
    json_file, page_file = write_report(signed, output)
    made = decode(signed.json.body)
    if as_json:
        print_json({"json": str(json_file), "page": str(page_file), "conclusion": made.conclusion})
    else:
        _print(made, json_file, page_file)
    ctx.exit(0 if made.conclusion == "no-exceptions" else 1)


def _print(made: FixityReport, json_file: Path, page_file: Path) -> None:
    for remark in made.remarks:
        weight = "exception 例外" if remark.weight == "exception" else "note 说明"
        click.echo(shown(f"{weight}: {remark.message} {remark.message_zh} [{remark.code}]"))
    if made.conclusion == "no-exceptions":
        click.echo("no exceptions 无例外")
    click.echo(f"{json_file}\n{page_file}")
    click.echo(
        "verify 核验: openssl pkeyutl -verify -pubin -inkey keeper.signing.pub.pem -rawin"
        f" -in {json_file} -sigfile {json_file}.sig"
    )


def _signed(answer: dict[str, Any]) -> SignedReport:
    name = answer["report_id"]
    parts = {key: base64.b64decode(value) for key, value in answer.items() if key != "report_id"}
    return SignedReport(
        name,
        SignedFile(f"{name}.json", parts["json_base64"], parts["json_signature_base64"]),
        SignedFile(f"{name}.html", parts["page_base64"], parts["page_signature_base64"]),
    )


def _midnight(day: date) -> str:
    return to_text(datetime.combine(day, time(), tzinfo=UTC))
