"""`lantai node burn-in`: try the disk of a stopped node before custody, and sign what came of it.

docs/operations/burn-in.md. Exit codes: 0 passed; 1 failed or refused; 2 used wrongly; 78
configuration refused. Opens the volume itself, so the node must not run meanwhile.
"""

from pathlib import Path

import click
import msgspec

from daemon.cli.options import config_option, json_option
from daemon.cli.output import print_json, print_table, size
from daemon.config import load_config, required
from daemon.keys import KeyFolder
from daemon.roles.node import volume_settings
from storage.burn_in.result import BurnIn
from storage.burn_in.run import burn_in as burn_disk_in
from storage.volume.volume import Volume

_GIBIBYTE = 1024**3
HEADINGS = ("", "CHECK 检查", "RESULT 结果", "DETAIL 说明", "中文")
MARKS = {"passed": "✓", "failed": "✗", "remark": "!", "not-told": "·"}
WORDS = {
    "passed": "passed 通过", "failed": "FAILED 未通过", "remark": "remark 提示",
    "not-told": "not told 无从得知",
}  # fmt: skip  # as the table shows them


@click.command("burn-in")
@click.option(
    "--size-gib",
    type=click.FloatRange(min=0.01),
    default=16.0,
    show_default=True,
    help="Written twice and read three times; more than the disk's own cache. 检验数据量",
)
@config_option
@json_option
def burn_in(size_gib: float, config_file: Path, *, as_json: bool) -> int:
    """Try the disk of [node] before custody, and sign the result. 磁盘上线前检验。

    Stop the node first. The result is kept beside the disk's identity, and every receipt names it
    from the node's next start on.

    Exit codes: 0 passed; 1 failed, or refused (the node runs, no room); 78 configuration refused.
    """
    config = load_config(config_file)
    settings = required(config.node, "node")
    key = KeyFolder(config.site.keys_folder).signing_key(settings.name)
    volume = Volume.open(volume_settings(settings), key)
    try:
        result = burn_disk_in(volume, key, int(size_gib * _GIBIBYTE), Progress().show)
    finally:
        volume.close()
    if as_json:
        print_json(msgspec.to_builtins(result))
    else:
        _print(result)
    return 0 if result.outcome == "passed" else 1


class Progress:
    """One line for each twentieth, on standard error."""

    def __init__(self) -> None:
        self._shown = 0

    def show(self, done_bytes: int, all_bytes: int) -> None:
        """Say how far it is, where that is more than what was said last."""
        share = done_bytes * 20 // all_bytes
        if share > self._shown:
            self._shown = share
            click.echo(f"{share * 5:3d} % {size(done_bytes)} / {size(all_bytes)}", err=True)


def _print(result: BurnIn) -> None:
    print_table(
        HEADINGS,
        (
            (MARKS[each.outcome], each.check, WORDS[each.outcome], each.detail, each.detail_zh)
            for each in result.examined
        ),
    )
    disk = result.disk
    who = " ".join(filter(None, (disk.device, disk.model, disk.serial or disk.wwid)))
    verdict = "passed 通过" if result.outcome == "passed" else "FAILED 未通过"
    tested = size(result.tested_bytes)
    click.echo(f"{result.node}: burn-in 上线前检验 {verdict}; {tested}, {who or 'disk unknown'}")
