"""`lantai receipt verify FILE`: a signed answer, judged without any role running.

docs/formats/answers.md; openssl alone checks the notary's signature too. Exit codes: 0 it holds;
1 it does not; 2 usage.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from daemon.cli.options import config_option, json_option
from daemon.cli.output import print_json, shown
from daemon.config import Config, ConfigurationError, load_config
from daemon.keys import KeyFolder
from daemon.receipt_check import Verdict, judge_receipt
from storage.signing import KeyUnusable, VerifyKey

SIGNS = {"passed": "✓", "failed": "✗", "could-not-run": "?"}
KINDS = {
    "received": "received: judged acceptable, not yet safe to delete 接收回执(尚不可删除原件)",
    "registration": "registration: kept; the form is to be signed 待登记通知(请双方签署登记表)",
    "stored": "stored: kept and read back; the original may go 入库回执(原件可以清理)",
    "rejected": "rejected: sent back 退回通知",
    "held": "held: waits for a person 暂存通知(等待人工处理)",
}


@click.group()
def receipt() -> None:
    """Verify a signed answer. 核验回执"""


@receipt.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The notary's public key (PEM). 签章公钥")  # fmt: skip  # one option, one look
@click.option("--node-key", "node_keys", multiple=True, metavar="NAME=HEX", help="A node's key.")
@config_option
@json_option
def verify(
    file: Path, key: Path | None, node_keys: tuple[str, ...], config_file: Path, as_json: bool
) -> None:
    """Verify FILE and its FILE.sig, and every node's own signature inside. 核验回执及节点签名。

    Without --key the notary's key is taken from the keys folder of the configuration.
    Exit codes: 0 it holds; 1 it does not; 2 usage (also: no signature file, no key).
    """
    if file.suffix == ".html":
        raise click.UsageError(
            f"a page is for reading and is not signed; verify {file.with_suffix('.json').name}."
            " 页面没有签名,请核验同名 JSON 文件"
        )
    signature = file.with_name(f"{file.name}.sig")
    if not signature.is_file():
        raise click.UsageError(f"{signature} is missing: the signature lies beside. 缺少签名文件")
    config = _config(config_file)
    notary = VerifyKey.load(key) if key else _notary_key(config)
    nodes = _node_keys(config, node_keys)
    verdict = judge_receipt(file.read_bytes(), signature.read_bytes(), notary, nodes)
    _print(file, verdict, as_json=as_json)
    sys.exit(0 if verdict.holds else 1)


def _config(config_file: Path) -> Config | None:
    """The configuration, where there is one: a sender or an auditor has none."""
    try:
        return load_config(config_file) if config_file.exists() else None
    except ConfigurationError:
        return None


def _notary_key(config: Config | None) -> VerifyKey:
    if config is None:
        raise click.UsageError("give --key notary.pub.pem, or --config. 请用 --key 指定签章公钥")
    name = config.notary.name if config.notary else "notary"
    try:
        return KeyFolder(config.site.keys_folder).verify_key(name)
    except KeyUnusable as error:
        raise click.UsageError(f"{error}; or give --key") from error


def _node_keys(config: Config | None, given: tuple[str, ...]) -> dict[str, VerifyKey]:
    keys = {peer.name: peer.verify_key for peer in config.peers} if config else {}
    keys |= dict(entry.partition("=")[::2] for entry in given)
    try:
        return {name: VerifyKey.from_hex(text) for name, text in keys.items()}
    except KeyUnusable as error:
        raise click.BadParameter(str(error), param_hint="--node-key") from error


def _print(file: Path, verdict: Verdict, *, as_json: bool) -> None:
    answer = verdict.answer
    if as_json:
        print_json(
            {
                "holds": verdict.holds,
                "kind": answer.kind if answer else None,
                "receipt_id": answer.receipt_id if answer else None,
                "object_id": answer.object_id if answer else None,
                "statements": [asdict(statement) for statement in verdict.statements],
            }
        )
        return
    if answer:
        click.echo(f"{KINDS[answer.kind]}")
        click.echo(f"  {shown(answer.name)} · {shown(answer.object_id or '-')} · {answer.at}")
    for statement in verdict.statements:
        click.echo(f"{SIGNS[statement.outcome]} {statement.subject}: {shown(statement.message)}")
        click.echo(f"    {statement.message_zh}")
    click.echo(f"{file}: {'holds 有效' if verdict.holds else 'does NOT hold 无效'}")
