"""`lantai salvage show|assemble`: what is still good of a package that no node has whole.

docs/operations/repair.md, "Salvage". Every block is judged against the block root signed at
ingest; a file is put together where the person says, hashed whole at the end, and never goes back
into a store. Exit codes: 0 good somewhere, or written; 1 not; 69 no api runs here.
"""

import base64
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, print_table, shown, size
from daemon.cli.package_content import KeptPackage
from daemon.control_client import ControlClient, RoleRefused
from storage.errors import Refusal, VerificationFailed

BLOCK_BYTES = 1024 * 1024
INTACT = "intact"


class SalvageRefused(Refusal):
    """The file cannot be put together, or not there."""

    code = "salvage-refused"


@dataclass(frozen=True, slots=True)
class FileBlocks:
    """What each node has of one file."""

    path: str
    version: int
    size_bytes: int
    sha256: str
    blocks: tuple[dict[str, str], ...]  # node → verdict, block by block

    @property
    def nodes(self) -> list[str]:
        """Every node that was asked."""
        return sorted({node for verdicts in self.blocks for node in verdicts})

    @property
    def lost(self) -> list[int]:
        """Blocks that no node has as they were signed."""
        return [
            index for index, verdicts in enumerate(self.blocks) if INTACT not in verdicts.values()
        ]

    @property
    def is_whole_everywhere(self) -> bool:
        """Whether nothing of it is damaged on any node."""
        return all(set(verdicts.values()) == {INTACT} for verdicts in self.blocks)


@click.group()
def salvage() -> None:
    """What is still good of a damaged package, block by block. 抢救受损档案"""


@salvage.command()
@click.argument("object_id")
@click.option("--path", help="Only this file. 仅此文件")
@click.option("--version", "version", default=0, help="0: the newest. 版本")
@config_option
@json_option
def show(object_id: str, path: str | None, version: int, config_file: Path, as_json: bool) -> None:
    """Which blocks are good in which copy. Files that are good everywhere are not listed.

    Exit codes: 0 every file can be had whole; 1 some cannot; 69 no api runs here.
    """
    with ControlClient(socket_of(config_file, "api")) as client:
        found = list(_files(client, object_id, path, version))
    damaged = [file for file in found if path is not None or not file.is_whole_everywhere]
    if as_json:
        print_json({"files": [_members(file) for file in damaged]})
    else:
        _print(damaged, len(found))
    sys.exit(1 if any(file.lost for file in damaged) else 0)


@salvage.command()
@click.argument("object_id")
@click.option("--path", required=True, help="The file, as `package files` shows it. 文件")
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="A new file. 目标文件"
)
@click.option("--version", "version", default=0, help="0: the newest. 版本")
@click.option("--yes", is_flag=True, help="Do not ask. 不询问")
@config_option
def assemble(
    object_id: str, path: str, target: Path, version: int, yes: bool, config_file: Path
) -> None:
    """Write one file, put together from good blocks of whichever copies have them.

    Exit codes: 0 written, and whole as signed; 1 not to be had, or declined; 69 no api runs here.
    """
    if target.exists():
        raise SalvageRefused(f"{target} exists; choose another --to. 目标已存在。")
    with ControlClient(socket_of(config_file, "api")) as client:
        (file,) = _files(client, object_id, path, version)
        _print([file], 1)
        if file.lost:
            raise SalvageRefused(
                f"blocks {_ranges(file.lost)} are on no node as they were signed: the file cannot "
                "be put together. Ask for quarantine, backups, the sender. 无法拼合。"
            )
        if not yes:
            click.confirm("Put it together so? 确认拼合?", abort=True)
        given = write_assembled(client, object_id, file, target)
    for node, blocks in sorted(given.items()):
        click.echo(f"{blocks} blocks from {node}")
    click.echo(f"{target}: {size(file.size_bytes)}, whole as signed at ingest 与入库时一致")


def write_assembled(
    client: ControlClient, object_id: str, file: FileBlocks, target: Path
) -> Counter[str]:
    """Write `target`; returns how many blocks each node gave.

    The file gets its name only when its SHA-256 is the signed one. Raises VerificationFailed.
    """
    digest, given = hashlib.sha256(), Counter[str]()
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("xb") as stream:
            for index in range(len(file.blocks)):
                answer = client.ask(
                    "salvage-block",
                    object_id=object_id,
                    version=file.version,
                    path=file.path,
                    index=index,
                )
                data = base64.b64decode(answer["data_base64"])
                digest.update(data)
                stream.write(data)
                given[answer["node"]] += 1
            stream.flush()
            os.fsync(stream.fileno())
        if digest.hexdigest() != file.sha256:
            raise VerificationFailed(f"{file.path}: the blocks do not make the signed file")
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return given


def _files(
    client: ControlClient, object_id: str, path: str | None, version: int
) -> Iterator[FileBlocks]:
    package = KeptPackage(client, object_id, version)
    paths = [path] if path is not None else [file.path for file in package.files()]
    for each in paths:
        yield _blocks_of(client, object_id, each, version)


def _blocks_of(client: ControlClient, object_id: str, path: str, version: int) -> FileBlocks:
    verdicts: list[dict[str, str]] = []
    more = True
    page: dict[str, Any] = {}
    while more:
        try:
            page = client.ask(
                "salvage-blocks",
                object_id=object_id,
                version=version,
                path=path,
                first=len(verdicts),
            )
        except RoleRefused as refusal:
            raise SalvageRefused(f"{path}: {refusal}") from refusal
        verdicts += [block["verdicts"] for block in page["blocks"]]
        more = page["more"]
    return FileBlocks(path, page["version"], page["size_bytes"], page["sha256"], tuple(verdicts))


def _print(files: list[FileBlocks], asked: int) -> None:
    if not files:
        click.echo(f"all {asked} files are good in every copy 全部副本完好")
        return
    nodes = sorted({node for file in files for node in file.nodes})
    headings = ("FILE 文件", "BLOCKS 块", *(f"{node} (bad 坏块)" for node in nodes), "LOST 已失")
    print_table(headings, (_row(file, nodes) for file in files))


def _row(file: FileBlocks, nodes: list[str]) -> tuple[object, ...]:
    cells = [_cell(file, node) for node in nodes]
    return (file.path, len(file.blocks), *cells, _ranges(file.lost) or "–")


def _cell(file: FileBlocks, node: str) -> str:
    """`good`, or which blocks are bad there and how."""
    bad: dict[str, list[int]] = {}
    for index, verdicts in enumerate(file.blocks):
        if verdicts.get(node, "unreachable") != INTACT:
            bad.setdefault(verdicts.get(node, "unreachable"), []).append(index)
    return "; ".join(f"{kind} {_ranges(blocks)}" for kind, blocks in bad.items()) or "good 完好"


def _ranges(numbers: list[int]) -> str:
    """0-3, 7: numbers in order, runs joined."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][-1:] = [runs[-1][-1], number] if len(runs[-1]) == 1 else [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _members(file: FileBlocks) -> dict[str, Any]:
    return {
        "path": shown(file.path),
        "version": file.version,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "blocks": [dict(verdicts) for verdicts in file.blocks],
        "lost": file.lost,
    }
