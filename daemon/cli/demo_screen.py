"""What the demo shows at its end: verdicts, copies, the mended damage, and where to look.

Chinese beside English, because archive staff read it. Only prints what it is given.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from daemon.cli.output import size, width
from daemon.demo.layout import NODES, DemoLayout
from daemon.demo.samples import Sample
from daemon.demo.story import Damage, Verdict, openssl_command

_WORDS = {"stored": "✓ stored 已入库", "rejected": "✗ rejected 已退回", "held": "? held 暂存"}
_WORD_COLUMNS, _NAME_COLUMNS = 20, 18


def show_verdicts(samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> None:
    """Each package, below its sender: what it was, what became of it, and why."""
    _title("What arrived 移交  [retention 保管期限 · class 类别]")
    answered = list(zip(samples, verdicts, strict=True))
    for sender in dict.fromkeys(sample.sender for sample in samples):
        click.echo(f"  {sender.name}: {sender.title} ({', '.join(sender.formats)})")
        for sample, verdict in answered:
            if sample.sender == sender:
                _show_verdict(verdict, f"{sample.shows} {sample.shows_zh}")


def _show_verdict(verdict: Verdict, shows: str = "", mark: str = "") -> None:
    word = _padded(_WORDS[verdict.kind], _WORD_COLUMNS)
    kept = " · ".join(filter(None, (verdict.retention, verdict.record_class)))
    said = (_padded(mark + verdict.name, _NAME_COLUMNS), shows, f"[{kept}]" if kept else "")
    click.echo(f"    {word} {' '.join(filter(None, said))}")
    for reason in verdict.reasons:
        click.echo(f"    {'':{_WORD_COLUMNS}} ↳ {reason}")
    for part in verdict.parts:
        _show_verdict(part, mark="└ ")


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def show_copies(layout: DemoLayout, verdicts: Sequence[Verdict]) -> None:
    """Where each copy lies."""
    answered = [each for verdict in verdicts for each in (verdict, *verdict.parts)]
    stored = [verdict for verdict in answered if verdict.kind == "stored"]
    _title(f"Where the copies lie 副本 ({len(stored)} objects × {len(NODES)} nodes)")
    for node in NODES:
        root = layout.root(node)
        kept = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        click.echo(f"  {node}: {root}  ({size(kept)}, OCFL 1.1)")


def show_damage(damage: Damage) -> None:
    """The flipped bit and its repair."""
    _title("One bit was flipped on purpose 故意损坏并修复")
    click.echo(f"  {damage.file}")
    click.echo(f"  found by the sweep as: {damage.found_as} 巡检发现")
    click.echo(f"  mended on {damage.node} at {damage.mended_at}, from a copy proven good 已修复")
    click.echo(f"  the bad copy was kept: {damage.quarantined} 坏副本已隔离")


def show_receipt(receipt: Path, said: str) -> None:
    """What openssl alone says of a receipt."""
    _title("A receipt, checked with openssl alone 仅用 openssl 核验回执")
    click.echo(f"  {receipt.name}: {said}")


def show_tree(files: Sequence[tuple[Path, int]]) -> None:
    """One package as staff see it."""
    _title("One package, read through the mount 经只读目录读取")
    for path, size_bytes in files:
        click.echo(f"  {size(size_bytes):>10}  {path}")


def show_figures(figures: Mapping[str, float]) -> None:
    """What Prometheus is told."""
    _title("What the metrics say 指标")
    for name, value in figures.items():
        click.echo(f"  {name} {value:g}")


def show_where_to_look(layout: DemoLayout, unmounted: str | None, held: Verdict) -> None:
    """Paths, addresses and commands to try; `unmounted` says why there is no mount."""
    receipt = next(iter(sorted(layout.returned.glob("*.stored.json"))), None)
    _title("Where to look 请看")
    tree = unmounted or layout.mountpoint
    click.echo(f"  read-only tree 只读目录    {tree}")
    click.echo(f"  console 控制台             http://{layout.api_address}/")
    click.echo(f"  drop folders 移交目录      {layout.drop.parent}")
    click.echo(f"  return folders 回执目录    {layout.returned.parent}")
    click.echo(f"  configuration 配置         {layout.config.parent}")
    click.echo(f"  logs 日志                  {layout.logs}")
    for name, address in layout.addresses.items():
        click.echo(f"  metrics 指标  {name:<12} http://{address}/metrics")
    _title("Try 试一试")
    click.echo(f"  export LANTAI_CONFIG={_quoted(layout.config)}")
    click.echo("  .venv/bin/lantai status")
    click.echo("  .venv/bin/lantai packages")
    released = f"transfers release {held.transfer} --reason"
    click.echo(f"  .venv/bin/lantai {released} 'agreed with the office 已与业务处商定'")
    if receipt is not None:
        click.echo(f"  {shlex.join(openssl_command(layout, receipt))}")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _title(text: str) -> None:
    click.echo("")
    click.secho(text, bold=True)
