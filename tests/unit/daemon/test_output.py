"""What the verbs print: columns that hold with Chinese, nothing that steers a terminal."""

import json

import pytest

from daemon.cli.output import age, print_json, print_table, shown, size, width


def test_a_name_cannot_steer_the_terminal_or_reorder_what_is_read() -> None:
    assert shown("a\x1b[2Jb\u202egpj.exe\n") == "a\\x1b[2Jb\\u202egpj.exe\\n"
    assert shown("申请表 é.pdf") == "申请表 é.pdf"
    assert shown("\udcc9") == "\\udcc9"


def test_columns_hold_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME 名称", "N"), [("申请表", 1), ("abc", 22)])
    lines = capsys.readouterr().out.splitlines()
    assert {width(line[: line.rindex(last)]) for line, last in zip(lines, "N12", strict=True)} <= {
        11,
        12,
    }
    assert lines[1] == "申请表     1"
    assert lines[2] == "abc        22"


def test_json_keeps_chinese_and_escapes_what_is_not_utf8(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"name": "档案\udcc9"})
    text = capsys.readouterr().out
    assert "档案\\udcc9" in text
    assert json.loads(text) == {"name": "档案\udcc9"}


def test_sizes_and_ages_are_for_people() -> None:
    assert [size(n) for n in (0, 1023, 1024, 1536, 10 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "10.0 TiB",
    ]
    assert [age(s) for s in (5, 60, 3700, 90000)] == ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]
