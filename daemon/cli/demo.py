"""`lantai demo`: the whole appliance on this machine, on packages made here.

Starts all roles as real processes, shows what they do with good, old, damaged and hostile packages
of every format, damages one copy and lets it be found and mended. With a terminal it stays up until
Ctrl-C. Exit codes: 0 everything held; 1 something did not.
"""

import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from daemon.cli import demo_screen as screen
from daemon.demo import story
from daemon.demo.kit_samples import kit_samples
from daemon.demo.layout import DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import DemoFailed, Processes
from daemon.demo.samples import Sample, samples
from daemon.demo.senders import SENDERS
from daemon.demo.story import Verdict
from storage.model import VerifyMode
from storage.view.mount import can_mount
from storage.volume.selftest import prove_medium


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Where the demo lives; made anew each time. 演示文件夹",
)
@click.option("--no-mount", is_flag=True, help="Without the read-only tree. 不挂载")
def demo(folder: Path, no_mount: bool) -> None:
    """Run the whole appliance on this machine, on sample packages. 本机演示。

    Exit codes: 0 everything held; 1 something did not.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    without = "not mounted: --no-mount" if no_mount else _why_no_mount()
    layout = _lay_out(folder.resolve(), mount=without is None)
    click.echo(f"Lantai 兰台: an appliance in {layout.folder}")
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda name: click.echo(f"  started {name} 已启动"))
        held = _play(layout)
        screen.show_where_to_look(layout, without, held)
        if sys.stdin.isatty() and sys.stdout.isatty():
            _stay()
        statuses = processes.stop_all()
    unclean = {name: status for name, status in statuses.items() if status != 0}
    if unclean:
        click.echo(f"lantai: not stopped cleanly: {unclean} 未正常停止", err=True)
        sys.exit(1)
    click.echo("\nStopped cleanly 已正常停止")


def _play(layout: DemoLayout) -> Verdict:
    """The acts, and the half of the screen that tells of them; what is held. Raises DemoFailed."""
    packages = [*samples(), *kit_samples(layout.folder / "sender" / "kit")]
    story.drop(layout, packages)
    click.echo(f"  dropped {len(packages)} packages into {layout.drop.parent} 已投递")
    verdicts = story.wait_for_answers(layout, packages)
    screen.show_verdicts(packages, verdicts)
    _insist(packages, verdicts)
    screen.show_copies(layout, verdicts)
    object_id = next(each.object_id for each in verdicts if each.kind == "stored")
    assert object_id is not None, "a stored package has an object"
    node, file = story.flip_one_bit(layout, object_id)
    screen.show_damage(story.sweep_and_mend(layout, node, file, object_id))
    screen.show_receipt(*story.check_receipt(layout))
    if layout.settings.mount:
        screen.show_tree(story.read_tree(layout))
    screen.show_figures(story.safe_figures(layout))
    return next(each for each in verdicts if each.kind == "held")


def _lay_out(folder: Path, *, mount: bool) -> DemoLayout:
    """Lay the demo out, and say so if this disk cannot prove what it gives back."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as probe:
        proven = prove_medium(Path(probe)) is not VerifyMode.UNPROVEN
    if not proven:
        click.echo(
            "This file system cannot be read past its cache (tmpfs, overlay): copies will be"
            " marked `unproven`, which a real node refuses. 此文件系统无法证实回读,仅供演示。"
        )
    settings = DemoSettings(allow_unproven=not proven, mount=mount, senders=SENDERS)
    return lay_out(folder, settings)


def _why_no_mount() -> str | None:
    reason = can_mount()
    return None if reason is None else f"not mounted 未挂载: {reason}"


def _insist(packages: Sequence[Sample], verdicts: Sequence[Verdict]) -> None:
    """Raises DemoFailed unless the good were stored, the bad sent back, the others held."""
    for package, verdict in zip(packages, verdicts, strict=True):
        if verdict.kind != package.expected:
            raise DemoFailed(f"{package.name} was answered {verdict.kind}, against expectation")


def _interrupt(_number: int, _frame: object) -> None:
    """A polite end is like Ctrl-C: the roles are stopped on the way out."""
    raise KeyboardInterrupt


def _stay() -> None:
    click.echo("\nIt stays up until Ctrl-C 按 Ctrl-C 结束")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    click.echo("")
