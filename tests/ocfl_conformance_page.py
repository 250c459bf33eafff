"""Writes docs/ocfl-conformance.md: each rule of OCFL, where it is checked, which fixture breaks it.

`.venv/bin/python tests/ocfl_conformance_page.py ../shared/corpora` renews the page. Where a rule is
checked is read from the source of the validator; fixtures are named by the official suite.
"""

import ast
import re
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

from storage.ocfl.validate_rules import NOT_CHECKED, RULES

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "ocfl-conformance.md"
VALIDATOR = PROJECT / "storage" / "ocfl"
CODE = re.compile(r"[EW][0-9]{3}")
HEADING = """# OCFL: which rule is checked where

Generated from the code by `tests/ocfl_conformance_page.py`; a test fails when it is stale.

`lantai store validate PATH` judges objects and storage roots of OCFL 1.0 and 1.1 with these codes,
which are the specification's own (<https://ocfl.io/1.1/spec/validation-codes.html>): E… breaks a
MUST, W… goes against a SHOULD. Where two codes say the same of one fault, both are given. Sources
are in `storage/ocfl/`. Fixtures are those of the official suite; every rule, with a fixture or
without, is also broken by itself in `tests/unit/storage/ocfl/test_validate_*`.

| code | rule | checked in | official fixtures |
|---|---|---|---|
"""


def page(corpora: Path) -> str:
    places, fixtures = places_of_codes(), fixtures_of_codes(corpora)
    return HEADING + "".join(
        f"| {code} | {rule} | {_where(code, places)} | {', '.join(fixtures[code])} |\n"
        for code, rule in RULES.items()
    )


def places_of_codes() -> dict[str, list[str]]:
    """Code → the functions and tables of the validator that name it."""
    places: dict[str, list[str]] = defaultdict(list)
    for source in sorted(VALIDATOR.glob("validate_*.py")):
        if source.name == "validate_rules.py":
            continue
        for statement in ast.parse(source.read_text()).body:
            for name, node in _named_parts(statement):
                for code in sorted(_codes(node)):
                    places[code].append(f"`{source.name}` {name}")
    return places


def fixtures_of_codes(corpora: Path) -> dict[str, list[str]]:
    with tarfile.open(corpora / "ocfl-fixtures.tar.gz") as archive:
        names = {
            part for member in archive.getnames() for part in Path(member).parts if CODE.match(part)
        }
    fixtures: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        for code in CODE.findall(name):
            fixtures[code].append(name)
    return fixtures


def _where(code: str, places: dict[str, list[str]]) -> str:
    return "<br>".join(places[code]) or f"not checked: {NOT_CHECKED[code]}"


def _named_parts(statement: ast.stmt) -> list[tuple[str, ast.AST]]:
    match statement:
        case ast.ClassDef(body=body):
            return [part for inner in body for part in _named_parts(inner)]
        case ast.FunctionDef(name=name):
            return [(f"`{name}`", statement)]
        case ast.Assign(targets=[ast.Name(id=name)]):
            return [(f"`{name}`", statement)]
        case _:
            return []


def _codes(node: ast.AST) -> set[str]:
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant)
        and isinstance(part.value, str)
        and CODE.fullmatch(part.value)
    }


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1])))
