"""`lantai status`: asks every role on this host how it fares; needs no other host.

Exit codes: 0 all are well; 1 some are not, or do not run; 78 configuration refused.
"""

import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.options import config_option, json_option
from daemon.cli.output import age, print_json, print_table, shown
from daemon.config import Config, load_config
from daemon.control_client import NotRunning, RoleRefused, ask

ANSWER_S_MAX = 5
STATES = {
    "running": "running 运行",
    "starting": "starting 启动中",
    "stopping": "stopping 停止中",
    "not-running": "not running 未运行",
    "refused": "refused 拒绝",
}


@click.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> None:
    """How the roles of this host fare. 本机各角色状态。

    Exit codes: 0 all are well; 1 some are not well or do not run; 78 configuration refused.
    """
    config = load_config(config_file)
    answers = [_ask(path) for path in _sockets(config)]
    well = bool(answers) and all(answer["well"] for answer in answers)
    if as_json:
        print_json({"well": well, "roles": answers})
    else:
        _print(config, answers)
    sys.exit(0 if well else 1)


def _sockets(config: Config) -> list[Path]:
    """Those the file describes, and any other that lies in the run folder (a demo's)."""
    signing = {
        config.notary and config.notary.socket,
        config.ingest and config.ingest.notary_socket,
    }
    expected = [config.control_socket(role) for role in config.instance_names()]
    found = [path for path in sorted(config.site.run_folder.glob("*.sock")) if path.is_socket()]
    # The notary's signing socket speaks another language.
    return [
        path
        for path in dict.fromkeys([*expected, *found])
        if path not in signing and not path.stem.endswith("-sign")
    ]


def _ask(path: Path) -> dict[str, Any]:
    try:
        answer = ask(path, "status", ANSWER_S_MAX)
    except NotRunning as error:
        return _absent(path, "not-running", str(error))
    except RoleRefused as error:
        return _absent(path, "refused", str(error))
    assert isinstance(answer, dict), "every role answers its status with an object"
    return answer


def _absent(path: Path, state: str, sentence: str) -> dict[str, Any]:
    return {
        "role": "?", "name": path.stem, "state": state, "well": False, "sentence": sentence,
        "parts": [], "age_s": None, "detail": None,
    }  # fmt: skip  # the shape of an answer, on two lines


def _print(config: Config, answers: list[dict[str, Any]]) -> None:
    if not answers:
        click.echo(f"no role runs here: nothing answers in {config.site.run_folder} 没有角色在运行")
        return
    print_table(
        ("", "NAME 名称", "ROLE 角色", "STATE 状态", "SINCE 时长", "DOES 正在"),
        (
            (
                "✓" if answer["well"] else "✗",
                answer["name"],
                answer["role"],
                STATES.get(answer["state"], answer["state"]),
                "" if answer["age_s"] is None else age(answer["age_s"]),
                answer["sentence"],
            )
            for answer in answers
        ),
    )
    for answer in answers:
        _say_who_is_away(answer)
        _say_what_was_compared(answer)
        _call_a_person(answer)
        for part in answer["parts"]:
            if not part["alive"]:
                silent = age(part["last_beat_age_s"])
                name = shown(f"{answer['name']}: {part['name']}")
                click.echo(f"✗ {name} has been silent for {silent} 长时间无响应")


def _say_who_is_away(answer: dict[str, Any]) -> None:
    """Nodes that are away by plan, one line each: no fault, and nothing to be done."""
    for each in (answer["detail"] or {}).get("away", ()):
        click.echo(
            shown(f"· {each['node']}: away by plan until {each['until']} 按计划离线: ")
            + shown(each["reason"])
        )


def _say_what_was_compared(answer: dict[str, Any]) -> None:
    """Whether the nodes keep what the catalogue counts on, and as of when."""
    compared = (answer["detail"] or {}).get("compared")
    if compared and compared["at"]:
        click.echo(shown(f"· {compared['sentence']} 核对于 {compared['at']}"))


def _call_a_person(answer: dict[str, Any]) -> None:
    """What a keeper will not touch by itself, one line each."""
    detail = answer["detail"] or {}
    calls = {
        "objects_without_a_good_copy": "AT_RISK, no good copy is left 濒危:无完好副本",
        "catalogue_disagrees": "catalogue-disagrees with all nodes 目录库与全部节点不符",
        "suspect_nodes": "node is suspect and not mended 可疑节点,停止修复",
    }
    for member, words in calls.items():
        for name in detail.get(member, ()):
            click.echo(f"✗ {shown(name)}: {words}")
