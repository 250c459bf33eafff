"""The command line: its verbs, its exit codes, and that nobody ever sees a traceback."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.main import HIDDEN, VERBS, run
from daemon.control import ControlServer, Request, Verb


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "lantai.toml"
    file.write_text(
        f'[site]\nname = "测试馆"\nrun_folder = "{tmp_path}"\nkeys_folder = "{tmp_path}/keys"\n'
        "[api]\n[keeper]\n",
        "utf-8",
    )
    return file


def test_help_lists_every_verb_and_imports_none() -> None:
    script = (
        "import sys\n"
        "from daemon.cli.main import run\n"
        "code = run(['--help'])\n"
        "print(sorted(m for m in sys.modules if m.startswith('daemon.')), code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    for verb in VERBS.keys() - HIDDEN:
        assert f"\n  {verb} " in done.stdout
    assert done.stdout.endswith("['daemon.cli', 'daemon.cli.main'] 0\n")


def test_the_version_is_that_of_the_product(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lantai 0.")


@pytest.mark.parametrize("arguments", [["nothing"], ["status", "--nothing"], ["run", "king"]])
def test_a_usage_error_is_2_and_says_what_to_do(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert "Usage: lantai" in capsys.readouterr().err


def test_a_missing_configuration_is_78_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--config", "/nowhere/lantai.toml"]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lantai: /nowhere/lantai.toml: cannot be read")


def test_a_role_that_does_not_run_is_69(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["packages", "--config", str(config_file)]) == 69
    assert "api: not running here" in capsys.readouterr().err


def test_an_error_of_our_own_is_70_and_its_details_are_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # No shell can pass a NUL byte, so nothing in the product is prepared for one.
    assert run(["status", "--config", "a\0b"]) == 70
    written = capsys.readouterr().err
    assert "Traceback" not in written
    (log,) = tmp_path.glob("lantai-error-*.log")
    assert str(log) in written
    assert "Traceback" in log.read_text()


def test_a_folder_that_cannot_be_written_is_1_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["keys", "make", "node-1", "--into", str(tmp_path / "file" / "keys")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Not a directory" in line


def test_config_check_prints_every_problem_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lantai.toml"
    file.write_text('[site]\nname = ""\ncopies = 2\n[api]\nbind = "10.0.0.1:80"\n')
    assert run(["config", "check", str(file)]) == 1
    text = capsys.readouterr().out
    assert "✗ site.name: is empty" in text
    assert "! site.copies: 2: fewer than 3" in text
    assert "应只监听本机" in text
    assert run(["config", "check", str(file), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {"site.name", "api.bind", "peers"} <= {problem["place"] for problem in problems}


def test_config_check_accepts_the_sample_it_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "sample"]) == 0
    file = tmp_path / "lantai.toml"
    file.write_text(capsys.readouterr().out, "utf-8")
    assert run(["config", "check", str(file)]) == 0
    assert run(["config", "check", str(tmp_path / "absent.toml")]) == 2


def test_config_check_of_what_is_not_toml_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lantai.toml").write_text("[site")
    assert run(["config", "check", str(tmp_path / "lantai.toml")]) == 1
    assert "is not TOML" in capsys.readouterr().out


def test_keys_are_made_once_and_shown_without_their_secrets(
    tmp_path: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "make", "node-1", "--into", str(tmp_path / "keys")]) == 0
    made = capsys.readouterr().out
    assert run(["keys", "make", "node-1", "--into", str(tmp_path / "keys")]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert run(["keys", "make", "../x", "--into", str(tmp_path / "keys")]) == 2
    capsys.readouterr()
    assert run(["keys", "show", "--config", str(config_file)]) == 0
    assert capsys.readouterr().out == made
    assert (tmp_path / "keys" / "node-1.curve").read_text().strip() not in made


async def test_status_asks_every_socket_of_this_host(
    tmp_path: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def well(request: Request) -> dict[str, object]:
        return {
            "role": "node", "name": "node-7", "state": "running", "well": True,
            "sentence": f"sweep: 读取 for {request.verb}", "age_s": 61.0, "parts": [],
            "detail": None,
        }  # fmt: skip  # the shape of an answer

    verbs: dict[str, Verb] = {"status": well}
    async with ControlServer(tmp_path / "node-7.sock", verbs):
        code = await asyncio.to_thread(run, ["status", "--config", str(config_file), "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(run, ["status", "--config", str(config_file)]) == 1
    table = capsys.readouterr().out
    # The api and the keeper that the file describes do not run.
    assert code == 1
    assert [role["state"] for role in answer["roles"]] == ["not-running", "not-running", "running"]
    assert "1 min" in table
    assert "读取" in table
    assert "not running 未运行" in table


async def test_status_is_0_when_all_are_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lantai.toml"
    file.write_text(f'[site]\nname = "A"\nrun_folder = "{tmp_path}"\n')
    assert run(["status", "--config", str(file)]) == 1
    assert "no role runs here" in capsys.readouterr().out

    async def well(_request: Request) -> dict[str, object]:
        return {
            "role": "node", "name": "node-7", "state": "running", "well": True,
            "sentence": "", "age_s": 1.0, "parts": [], "detail": None,
        }  # fmt: skip  # the shape of an answer

    async with ControlServer(tmp_path / "node-7.sock", {"status": well}):
        assert await asyncio.to_thread(run, ["status", "--config", str(file)]) == 0
