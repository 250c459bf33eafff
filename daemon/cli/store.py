"""`lantai store`: look at what is kept, with nothing but the disks.

`validate` judges an OCFL object or a whole storage root, ours or anybody's (storage.ocfl.validate).
Needs no configuration, no running role and no network; changes nothing.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from daemon.cli.progress_line import ProgressLine
from storage.ocfl.validate import Finding, RootExamination, kind_of, validate_object

# A root of sha256 objects has one W004 for each of them: enough is shown to see what it is.
_SAME_WARNING_SHOWN_MAX = 20

VALIDATE_HELP = """Judge an OCFL object or a storage root, version 1.0 or 1.1.

PATH is the folder with the declaration: `0=ocfl_1.1` for a storage root (all its objects are judged
too), `0=ocfl_object_1.1` for one object. Any software's store can be judged, not only Lantai's.

\b
  lantai store validate /srv/lantai/node-1/root
  lantai store validate --json /mnt/disk/d6c/358/lantai%3aportal%2fcase-1

Every file is read and its digests compared; that takes as long as the disk needs. --no-digests
compares names and inventories only, which takes seconds.

Each line is CODE, path, message. Codes are the specification's own: E… breaks a MUST and makes the
object invalid, W… goes against a SHOULD and does not. https://ocfl.io/1.1/spec/validation-codes.html
explains each.

\b
Exit status: 0 valid (perhaps with warnings), 1 invalid, 2 wrong use of this command.
校验 OCFL 对象或整个存储根；返回值：0 有效（可有警告），1 无效，2 用法错误。
"""


@dataclass(slots=True)
class Tally:
    """What has been found so far."""

    errors: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def count(self, finding: Finding) -> None:
        if finding.severity == "error":
            self.errors += 1
        else:
            self.warnings[finding.code] += 1


@dataclass(frozen=True, slots=True)
class Examined:
    """A validation under way: findings as they come, and how many objects have been judged."""

    kind: str
    findings: Iterator[Finding]
    objects: Callable[[], int]
    line: ProgressLine = field(default_factory=ProgressLine)


@click.group()
def store() -> None:
    """Look at what is kept, with nothing but the disks 只凭磁盘检查所存内容"""


@store.command(help=VALIDATE_HELP)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every finding.")
@click.option("--no-digests", is_flag=True, help="Do not read content files.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["object", "root"]),
    help="What PATH is meant as; else its declaration decides.",
)
@click.pass_context
def validate(
    context: click.Context, path: Path, *, as_json: bool, no_digests: bool, kind: str | None
) -> None:
    examined = _examine(path, kind or kind_of(path), read_content=not no_digests)
    tally = Tally()
    write = _write_json if as_json else _write_text
    write(path, examined, tally)
    context.exit(1 if tally.errors else 0)


def _examine(path: Path, kind: str, *, read_content: bool) -> Examined:
    if kind == "object":
        report = validate_object(path, check_digests=read_content)
        return Examined(kind, iter(report.findings), lambda: report.objects)
    line = ProgressLine()

    def show(objects: int, judged: str) -> None:
        line.show(f"{objects} object(s) judged 已校验 {objects} 个对象: {printable(judged)[:40]}")

    examination = RootExamination(path, read_content, progress=show)
    return Examined(kind, examination.findings(), lambda: examination.objects, line)


def _write_text(path: Path, examined: Examined, tally: Tally) -> None:
    for finding in examined.findings:
        tally.count(finding)
        if tally.warnings[finding.code] <= _SAME_WARNING_SHOWN_MAX:
            examined.line.clear()
            click.echo(f"{finding.code}  {printable(finding.path)}  {printable(finding.message)}")
    examined.line.clear()
    for code, number in sorted(tally.warnings.items()):
        if number > _SAME_WARNING_SHOWN_MAX:
            more = number - _SAME_WARNING_SHOWN_MAX
            click.echo(f"{code}  …  {more} more like these; --json lists them all")
    click.echo(_summary(path, examined, tally))


def _summary(path: Path, examined: Examined, tally: Tally) -> str:
    verdict = "INVALID 无效" if tally.errors else "valid 有效"
    objects, warnings = examined.objects(), tally.warnings.total()
    return (
        f"{verdict}: {printable(str(path))}: {objects} object(s), {tally.errors} error(s), "
        f"{warnings} warning(s) 对象 {objects} 个，错误 {tally.errors} 项，警告 {warnings} 项"
    )


def _write_json(path: Path, examined: Examined, tally: Tally) -> None:
    """One JSON object, written while the findings come: a root may have any number of them."""
    _emit(f'{{"path": {_as_json(str(path))}, "kind": {_as_json(examined.kind)}, "findings": [')
    separator = "\n"
    for finding in examined.findings:
        tally.count(finding)
        _emit(f"{separator}{_as_json(asdict(finding))}")
        separator = ",\n"
    examined.line.clear()
    closing = {
        "valid": tally.errors == 0,
        "objects": examined.objects(),
        "errors": tally.errors,
        "warnings": tally.warnings.total(),
    }
    _emit(f"], {_as_json(closing)[1:]}\n")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _emit(text: str) -> None:
    """Undecodable bytes of a name are surrogates in Python, and \\udcXX in JSON."""
    click.echo(text.encode("utf-8", "backslashreplace"), nl=False)


def printable(text: str) -> str:
    """Text of a stranger for a terminal: control, bidirectional and undecodable marks escaped."""
    return "".join(_visible(text))


def _visible(text: str) -> Iterable[str]:
    for character in text:
        if character.isprintable():
            yield character
        else:
            yield character.encode("unicode_escape").decode("ascii")
