"""The rules catch what they are for: each case seeds one violation into a small tidy project."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tidy import rules_docs, rules_layers, rules_shape, rules_tests
from tests.tidy.source import Source, read_sources

DOCSTRING = '"""A part of the project."""\n'
TIDY = {
    "daemon/__init__.py": DOCSTRING,
    "daemon/cli/__init__.py": DOCSTRING,
    "daemon/cli/main.py": DOCSTRING + "from storage.sweep.plan import due\n",
    "ingest_watch/__init__.py": DOCSTRING,
    "replication/__init__.py": DOCSTRING,
    "storage/__init__.py": DOCSTRING,
    "storage/sweep/__init__.py": DOCSTRING,
    "storage/sweep/plan.py": DOCSTRING + "def due(age: int) -> bool:\n    return age > 30\n",
    "monitoring/__init__.py": DOCSTRING,
    "tests/unit/test_plan.py": DOCSTRING
    + "def test_an_old_copy_is_due() -> None:\n    assert 31 > 30\n",
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2026-11-22\n",
    "docs/glossary.md": "# Glossary\n",
    "docs/page.md": "# Page\n\nSee [the glossary](glossary.md#glossary), [out](https://x.y).\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tidy project of a few files."""
    for path, text in TIDY.items():
        write(tmp_path, path, text)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def found(rule: Callable[[list[Source]], Iterable[str]], root: Path) -> list[str]:
    return list(rule(read_sources(root)))


def lines(count: int) -> str:
    return "".join(f"value_{number} = {number}\n" for number in range(count))


layers, shape, tests = rules_layers, rules_shape, rules_tests
SEEDED = [
    (layers.upward_imports, "storage/x.py", "import daemon.cli", "daemon.cli"),
    (layers.upward_imports, "storage/x.py", "def f():\n    from daemon import cli\n", "x.py:3"),
    (layers.upward_imports, "monitoring/x.py", "from storage.model import FileEntry", "above it"),
    (
        layers.upward_imports,
        "replication/x.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ingest_watch.judge\n",
        "ingest_watch.judge",
    ),
    (layers.upward_imports, "storage/x.py", '__import__("daemon.cli")', "daemon.cli"),
    (layers.upward_imports, "storage/x.py", "from tests.unit import bags", "tests.unit"),
    (layers.upward_imports, "storage/sub/x.py", "from ...daemon import cli", "daemon"),
    (layers.relative_imports, "storage/sweep/x.py", "from .plan import due", "relatively"),
    (layers.bypassed_gateways, "replication/x.py", "import zmq.asyncio", "replication/transport"),
    (layers.bypassed_gateways, "daemon/x.py", "def f():\n    import watchdog", "watch.py may"),
    (
        layers.bypassed_gateways,
        "storage/catalogue/x.py",
        "from sqlalchemy import create_engine",
        "storage/catalogue/engine.py",
    ),
    (layers.bypassed_gateways, "ingest_watch/x.py", "from sqlalchemy import select", "catalogue/"),
    (layers.bypassed_gateways, "storage/x.py", "import click", "daemon/cli/"),
    (layers.impure_decisions, "storage/sweep/plan.py", "import time", "imports time"),
    (layers.impure_decisions, "storage/sweep/plan.py", "from os import path", "imports os.path"),
    (layers.impure_decisions, "storage/view/tree.py", "from pathlib import Path", "pathlib.Path"),
    (layers.impure_decisions, "replication/put_session.py", "import asyncio", "asyncio"),
    (
        layers.impure_decisions,
        "storage/sweep/plan.py",
        "from datetime import datetime\nnow = datetime.now()",
        "calls datetime.now",
    ),
    (layers.impure_decisions, "storage/sweep/plan.py", 'def f():\n    open("x")', "calls open"),
    (layers.orphans, "storage/forgotten.py", "", "storage/forgotten.py"),
    (shape.long_modules, "storage/x.py", lines(399), "401 lines"),
    (shape.long_functions, "storage/x.py", "def f():\n" + "    1\n" * 60, "61 lines"),
    (shape.long_functions, "storage/x.py", "async def f():\n" + "    1\n" * 60, "61 lines"),
    (shape.long_functions, "storage/x.py", "def f(a, b, c, d, *, e, f, g): ...", "7 parameters"),
    (shape.missing_docstrings, "storage/sub/__init__.py", "import os", "more than its docstring"),
    (shape.banned_names, "storage/utils.py", "", "is called utils"),
    (shape.banned_names, "storage/common/x.py", "", "is called common"),
    (shape.banned_names, "storage/x.py", "class VolumeManager: ...", "VolumeManager"),
    (shape.banned_names, "daemon/watchdog.py", "", "name of a dependency"),
    (shape.banned_names, "daemon/select.py", "", "name of a standard module"),
    (shape.bare_suppressions, "storage/x.py", "import a  # noqa", "every rule"),
    (shape.bare_suppressions, "storage/x.py", "import a  # noqa: F401", "without a reason"),
    (shape.bare_suppressions, "storage/x.py", "import a  # type: ignore", "every rule"),
    (shape.bare_suppressions, "storage/x.py", "a = b  # type: ignore[x]", "without a reason"),
    (shape.bare_suppressions, "storage/x.py", "a = b  # pragma: no", "without a reason"),
    (shape.unfinished_work, "storage/x.py", "# TODO: finish", "TODO"),
    (
        shape.doubled_error_codes,
        "storage/x.py",
        'class A(Exception):\n    code = "a"\nclass B(Exception):\n    code: str = "a"\n',
        "belongs to",
    ),
    (
        shape.doubled_error_codes,
        "storage/x.py",
        'class A(Exception):\n    code = "Not_Kebab"\n',
        "kebab",
    ),
    (tests.nameless_tests, "tests/unit/test_x.py", "def test_1(): ...", "no sentence"),
    (tests.nameless_tests, "tests/unit/test_x.py", "def test_it_should_hold_all(): ...", "no sen"),
    (tests.sleeping_tests, "tests/unit/test_x.py", "import time\ntime.sleep(0)", "sleeps"),
    (tests.sleeping_tests, "tests/unit/x.py", "from time import sleep\nsleep(1)", "sleeps"),
    (
        tests.sleeping_tests,
        "tests/faults/test_x.py",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)\n",
        "test_x.py:4 sleeps",
    ),
    (tests.mocking_tests, "tests/unit/test_x.py", "from unittest.mock import patch", "mock"),
    (
        tests.mocking_tests,
        "tests/unit/test_x.py",
        'def test_a(monkeypatch):\n    monkeypatch.setattr("storage.volume.open", 1)',
        "storage.volume.open",
    ),
    (
        tests.mocking_tests,
        "tests/unit/test_x.py",
        'import storage.volume as v\ndef test(monkeypatch):\n    monkeypatch.setattr(v.x, "y", 1)',
        "replaces v.x",
    ),
]


@pytest.mark.parametrize(("rule", "path", "text", "says"), SEEDED)
def test_a_seeded_violation_is_caught(
    project: Path,
    rule: Callable[[list[Source]], Iterable[str]],
    path: str,
    text: str,
    says: str,
) -> None:
    assert found(rule, project) == []
    write(project, path, DOCSTRING + text + "\n")
    assert any(says in violation for violation in found(rule, project))


@pytest.mark.parametrize("text", ["", '"""no sentence"""\n', "import os\n"])
def test_a_module_that_does_not_say_what_it_is_is_caught(project: Path, text: str) -> None:
    write(project, "storage/x.py", text)
    (violation,) = found(shape.missing_docstrings, project)
    assert violation.startswith("storage/x.py")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("tools/x.py", "tools is not a place"),
        ("docs/x.py", "Python outside"),
        ("storage/new/x.py", "storage/new has no __init__.py"),
        ("tests/unit/__init__.py", "tests are no package"),
        ("tests/other/test_x.py", "tests/other is no home"),
    ],
)
def test_a_file_without_a_home_is_caught(project: Path, path: str, says: str) -> None:
    assert list(shape.homeless_files(read_sources(project), project)) == []
    write(project, path, DOCSTRING)
    violations = list(shape.homeless_files(read_sources(project), project))
    assert any(says in violation for violation in violations)


@pytest.mark.parametrize(
    "text",
    [
        "import a  # noqa: F401 - used by the plugin",
        "a = b  # type: ignore[x]  # the library left it untyped",
        "# The library left it untyped.\na = b  # type: ignore[x]",
        'text = "# noqa and # TODO in a text are no comments"',
    ],
)
def test_a_suppression_with_its_reason_passes(project: Path, text: str) -> None:
    write(project, "storage/x.py", f"{DOCSTRING}{text}\n")
    assert found(shape.bare_suppressions, project) == []
    assert found(shape.unfinished_work, project) == []


def test_what_waits_for_no_time_and_patches_nothing_of_ours_passes(project: Path) -> None:
    write(
        project,
        "tests/unit/test_x.py",
        DOCSTRING + "import asyncio\nasync def test_one_two_three(monkeypatch):\n"
        '    await asyncio.sleep(0)\n    monkeypatch.setenv("A", "b")\n'
        '    monkeypatch.setattr("tempfile.tempdir", "x")\n',
    )
    assert found(tests.sleeping_tests, project) == []
    assert found(tests.mocking_tests, project) == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("docs/page.md", "[x](absent.md)", "docs/page.md: absent.md leads nowhere"),
        ("docs/page.md", "[x](glossary.md#absent)", "names no heading"),
        ("README.md", "[x](docs/absent/)", "README.md: docs/absent/ leads nowhere"),
    ],
)
def test_a_link_that_leads_nowhere_is_caught(
    project: Path, path: str, text: str, says: str
) -> None:
    assert list(rules_docs.broken_links(project)) == []
    write(project, path, f"# Page\n\n{text}\n\n```\n[code](is/no/link)\n```\n")
    (violation,) = rules_docs.broken_links(project)
    assert says in violation


def test_a_word_that_the_glossary_does_not_explain_is_caught(project: Path) -> None:
    assert "docs/glossary.md does not explain 'sweep'" in rules_docs.missing_terms(project)
    write(project, "docs/glossary.md", "# Glossary\n\n| sweep | 巡检 | re-reading |\n")
    assert "docs/glossary.md does not explain 'sweep'" not in rules_docs.missing_terms(project)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Changelog\n",
        "# Changelog\n\n## 0.1.0\n",
        "# Changelog\n\n## [0.1.0]\n",
        "# Changelog\n\n## [Unreleased]\n\n### News\n",
        "## [Unreleased]\n",
    ],
)
def test_a_change_log_out_of_shape_is_caught(project: Path, text: str) -> None:
    assert list(rules_docs.shapeless_changelog(project)) == []
    write(project, "CHANGELOG.md", text)
    assert len(list(rules_docs.shapeless_changelog(project))) >= 1


def test_lines_of_the_architecture_that_fit_nothing_are_caught(project: Path) -> None:
    assert "no module fits storage/sweep/plan.py" not in found(layers.missing_decisions, project)
    assert "no module fits ingest_watch/settle.py" in found(layers.missing_decisions, project)
    assert "replication/transport.py does not import zmq" in found(layers.missing_gateways, project)
