"""`lantai check --format eep`: exit status and words, of packages as senders drop them."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from daemon.cli.check import check
from tests.bags import ZipPart, write_files, zip_bytes
from tests.eep_packages import FILES, original, written


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, ["--format", "eep", *map(str, arguments)])


def test_an_embedded_package_is_acceptable(tmp_path: Path) -> None:
    (tmp_path / "case.eep").write_bytes(written(original()))
    result = run(tmp_path / "case.eep")
    assert result.exit_code == 0
    assert "acceptable / 可接收 (eep)" in result.output


def test_a_detached_package_in_a_zip_with_names_in_gbk_is_acceptable(tmp_path: Path) -> None:
    parts = [ZipPart(b"case/eep.xml", written(original(digest="sha256")))]
    parts += [
        ZipPart(f"case/{name}".encode("gbk"), content, flags=0) for name, content in FILES.items()
    ]
    (tmp_path / "case.zip").write_bytes(zip_bytes(parts))
    result = run(tmp_path / "case.zip", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["package_format"] == "eep"


def test_every_reason_of_a_rejection_is_printed_in_both_languages(tmp_path: Path) -> None:
    root = original(digest="sha256").set("封装包类型", "复制型")
    folder = write_files(tmp_path / "case", {"eep.xml": written(root), "正文.pdf": b"other"})
    result = run(folder)
    assert result.exit_code == 1
    assert "[eep-type-unknown] eep.xml:" in result.output
    assert "封装包类型为“复制型”，应为“原始型”或“修改型”" in result.output
    assert "[eep-digest-mismatch] 正文.pdf:" in result.output
    assert "[eep-file-missing] 附件.txt:" in result.output


def test_a_file_whose_name_climbs_out_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "case.eep").write_bytes(written(original().set("计算机文件名", "../../x")))
    result = run(tmp_path / "case.eep")
    assert result.exit_code == 1
    assert "[path-traversal]" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.eep"]


def test_a_package_of_another_format_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "case.xml").write_bytes(b"<a/>")
    result = run(tmp_path / "case.xml")
    assert result.exit_code == 1
    assert "[archive-unknown]" in result.output
