"""`lantai check --format` with the formats of this country: carriers, cases, batches of cases."""

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.check import check
from tests.bags import write_files
from tests.carrier_packages import SECOND, carrier_files
from tests.case_packages import BASE_INFO, CODE, PERSONAL, Batch, base_info, case_files, case_zip


def run(format_name: str, path: Path) -> Result:
    return CliRunner().invoke(check, ["--format", format_name, str(path)])


def carrier(folder: Path, *, is_good: bool) -> Path:
    files = carrier_files() if is_good else carrier_files({SECOND: None})
    return write_files(folder / "carrier", files)


def case(folder: Path, *, is_good: bool) -> Path:
    archive = folder / f"{CODE}.zip"
    info = base_info() if is_good else base_info(total_number="9")
    archive.write_bytes(case_zip(case_files({BASE_INFO: info})))
    return archive


def case_batch(folder: Path, *, is_good: bool) -> Path:
    batch = Batch()
    if not is_good:
        batch.directories[1]["digitalSummary"] = ""
    return write_files(folder / "batch", batch.files())


KINDS = {
    "carrier": (carrier, "carrier-content-missing"),
    "case": (case, "case-count"),
    "case-batch": (case_batch, "batch-digest-missing"),
}


@pytest.mark.parametrize("format_name", KINDS)
def test_a_good_package_ends_with_status_0(tmp_path: Path, format_name: str) -> None:
    result = run(format_name, KINDS[format_name][0](tmp_path, is_good=True))
    assert result.exit_code == 0, result.output
    assert f"acceptable / 可接收 ({format_name})" in result.output


@pytest.mark.parametrize("format_name", KINDS)
def test_a_broken_package_ends_with_status_1_and_its_reason(
    tmp_path: Path, format_name: str
) -> None:
    make, code = KINDS[format_name]
    result = run(format_name, make(tmp_path, is_good=False))
    assert result.exit_code == 1, result.output
    assert f"[{code}]" in result.output
    assert not [value for value in PERSONAL if value in result.output]


def test_a_package_of_another_format_is_of_none(tmp_path: Path) -> None:
    result = run("case-batch", carrier(tmp_path, is_good=True))
    assert result.exit_code == 1
    assert "[format-unknown]" in result.output


@pytest.mark.parametrize("content", [case_zip(case_files({BASE_INFO: None})), b"no zip at all"])
def test_a_batch_with_a_broken_case_is_rejected_and_the_case_is_named(
    tmp_path: Path, content: bytes
) -> None:
    batch = Batch()
    name = list(batch.zips)[1]
    batch.zips[name] = content
    batch.directories[1].update(
        {"digitalSummary": hashlib.sha256(content).hexdigest(), "归档信息包字节数": None}
    )
    result = run("case-batch", write_files(tmp_path / "batch", batch.files()))
    assert result.exit_code == 1, result.output
    errors = [line for line in result.output.splitlines() if "error / 错误" in line]
    assert errors
    assert all(name in line for line in errors)


def test_a_profile_of_another_format_is_never_left_aside(tmp_path: Path) -> None:
    package = case_batch(tmp_path, is_good=True)
    result = CliRunner().invoke(check, ["--profile", "eep", str(package)])
    assert result.exit_code == 1, result.output
    assert "[format-unknown]" in result.output
    result = CliRunner().invoke(check, ["--profile", "eep", "--format", "case", str(package)])
    assert result.exit_code == 2, result.output


def test_the_profile_of_cases_is_for_a_batch_of_them_too(tmp_path: Path) -> None:
    package = case_batch(tmp_path, is_good=True)
    result = CliRunner().invoke(check, ["--profile", "case", str(package)])
    assert result.exit_code == 0, result.output
