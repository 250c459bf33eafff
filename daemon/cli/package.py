"""`lantai packages` and `lantai package show|files|verify|export ID`, through the api's socket.

Exit codes: 0 done; 1 refused, or bytes did not verify; 2 usage; 69 the api does not run here.
"""

import json
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option, socket_of
from daemon.cli.output import print_json, print_table, shown, size
from daemon.cli.package_content import KeptPackage, default_folder_name, write_received
from daemon.control_client import ControlClient, ask

SCHEME = "lantai:"
# A page of a big package is read from an inventory of many megabytes first.
ANSWER_S_MAX = 300

version_option = click.option(
    "--version", "version", type=click.IntRange(0), default=0, help="0 is the newest. 版本"
)


@click.command()
@click.option("--source", help="Only from this source. 仅此来源")
@click.option("--after", default="", help="Only ids after this one. 起始编号")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@config_option
@json_option
def packages(source: str | None, after: str, limit: int, config_file: Path, as_json: bool) -> None:
    """List what is kept, in the order of ids. 列出馆藏。

    Exit codes: 0 shown; 69 the api does not run here; 78 configuration refused.
    """
    arguments: dict[str, Any] = {"source": source} if source else {}
    answer = ask(socket_of(config_file, "api"), "packages", after=after, limit=limit, **arguments)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("ID 编号", "VERSION 版本", "FILES 文件", "SIZE 大小", "COPIES 副本", "STORED 入库"),
        (_row(package) for package in answer["packages"]),
    )
    if answer["more"]:
        last = shown(answer["packages"][-1]["object_id"])
        click.echo(f"… there are more: --after '{last}' 更多")


def _row(package: dict[str, Any]) -> tuple[object, ...]:
    return (
        package["object_id"],
        package["version"],
        package["file_count"],
        size(package["content_bytes"]),
        _copies(package),
        package["stored_at"] or package["state"],
    )


def _copies(package: dict[str, Any]) -> str:
    """2/3; and AT_RISK where no good copy is left."""
    count = f"{package['copies_good']}/{package['copies_target']}"
    return f"{count} AT_RISK 濒危" if package.get("safety") == "AT_RISK" else count


@click.group()
def package() -> None:
    """Show, verify or export one package. 单个信息包"""


@package.command()
@click.argument("object_id", metavar="ID")
@version_option
@config_option
@json_option
def show(object_id: str, version: int, config_file: Path, as_json: bool) -> None:
    """What is known of ID, and where each copy lies. 显示信息包及其副本。

    Exit codes: 0 shown; 1 there is none; 69 the api does not run here.
    """
    answer = ask(
        socket_of(config_file, "api"), "package", object_id=full_id(object_id), version=version
    )
    if as_json:
        print_json(answer)
        return
    for member, value in answer.items():
        if not isinstance(value, list | dict):
            click.echo(f"{member:>18}: {shown(value)}")
    click.echo("")
    print_table(
        ("NODE 节点", "DOMAIN 故障域", "STATE 状态", "READ BACK 回读", "LAST CHECKED 最近检查"),
        (tuple(copy[member] or "-" for member in COPY_MEMBERS) for copy in answer["copies"]),
    )
    for copy in answer["copies"]:
        if copy["away_until"]:
            click.echo(
                f"· {shown(copy['node'])}: away by plan until {copy['away_until']},"
                " neither damaged nor good 按计划离线"
            )


COPY_MEMBERS = ("node", "domain", "state", "verify_mode", "checked_at")


@package.command()
@click.argument("object_id", metavar="ID")
@version_option
@config_option
@json_option
def files(object_id: str, version: int, config_file: Path, as_json: bool) -> None:
    """Every file of ID with size and SHA-256; --json prints one object a line. 文件清单。

    Exit codes: 0 shown; 1 there is none; 69 the api does not run here.
    """
    with ControlClient(socket_of(config_file, "api"), ANSWER_S_MAX) as client:
        for file in KeptPackage(client, full_id(object_id), version).files():
            if as_json:
                members = {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                text = json.dumps(members, ensure_ascii=False)
                click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))
            else:
                click.echo(f"{file.sha256}  {file.size_bytes:>14}  {shown(file.path)}")


@package.command()
@click.argument("object_id", metavar="ID")
@version_option
@config_option
@json_option
def verify(object_id: str, version: int, config_file: Path, as_json: bool) -> None:
    """Read every byte of ID and hold it against its digest. 逐字节核验。

    Exit codes: 0 every byte is as signed; 1 some could not be read so; 69 no api here.
    """
    with ControlClient(socket_of(config_file, "api"), ANSWER_S_MAX) as client:
        kept = KeptPackage(client, full_id(object_id), version)
        count = content_bytes = 0
        for file in kept.files():
            content_bytes += sum(len(data) for data in kept.content(file))
            count += 1
    if as_json:
        print_json({"verified": True, "files": count, "content_bytes": content_bytes})
    else:
        click.echo(f"✓ {count} files, {size(content_bytes)}: every byte as signed 逐字节核验无误")


@package.command()
@click.argument("object_id", metavar="ID")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="Into here.")
@version_option
@config_option
@json_option
def export(object_id: str, folder: Path, version: int, config_file: Path, as_json: bool) -> None:
    """Write what the sender sent, verified, into a new folder below --to. 导出原始信息包。

    Exit codes: 0 written and verified; 1 refused or not verified; 69 the api does not run here.
    """
    target = folder / default_folder_name(full_id(object_id))
    with ControlClient(socket_of(config_file, "api"), ANSWER_S_MAX) as client:
        kept = KeptPackage(client, full_id(object_id), version)
        count, content_bytes = write_received(kept, target)
    if as_json:
        print_json({"folder": str(target), "files": count, "content_bytes": content_bytes})
    else:
        click.echo(f"✓ {shown(target)}: {count} files, {size(content_bytes)} 已导出并核验")


def full_id(object_id: str) -> str:
    """The id with its scheme, which people leave out: gov-portal/case-1."""
    return object_id if object_id.startswith(SCHEME) else f"{SCHEME}{object_id}"
