"""Rules on the shape of files: sizes, docstrings, names, homes, suppressions, error codes."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.architecture import (
    BANNED_CLASS_WORDS,
    BANNED_MODULE_NAMES,
    DEPENDENCIES,
    FUNCTION_LINES_MAX,
    LAYERS,
    MODULE_LINES_MAX,
    NAMES_ALLOWED,
    OTHER_PYTHON,
    PARAMETERS_MAX,
    TEST_FOLDERS,
    TOP_LEVEL,
)
from tests.tidy.source import Source, is_data, product

Function = ast.FunctionDef | ast.AsyncFunctionDef
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|ruff:|mypy:)")
BARE = re.compile(r"#\s*(noqa(?!:)|type:\s*ignore(?!\[))")
# The part of such a comment that stands before the reason.
RULE = re.compile(r"#\s*(noqa:\s*[A-Z0-9]+(,\s*[A-Z0-9]+)*|type:\s*ignore\[[^\]]*\]|\w+:?\s*\S+)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def long_modules(sources: list[Source]) -> Iterator[str]:
    """A module has at most 400 lines."""
    for source in sources:
        lines = source.text.count("\n")
        if lines > MODULE_LINES_MAX:
            yield f"{source.path} has {lines} lines (at most {MODULE_LINES_MAX})"


def long_functions(sources: list[Source]) -> Iterator[str]:
    """A function has at most 60 lines and 6 parameters."""
    for source, function in _functions(sources):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{source.path}:{function.lineno} {function.name} has {lines} lines"
        count = _parameter_count(function)
        if count > PARAMETERS_MAX and not _is_command(function):
            yield f"{source.path}:{function.lineno} {function.name} takes {count} parameters"


def missing_docstrings(sources: list[Source]) -> Iterator[str]:
    """Each module says what it is; a package's own file says only that."""
    for source in sources:
        docstring = ast.get_docstring(source.tree)
        if not docstring or not docstring.partition("\n")[0].endswith((".", ":", "?")):
            yield f"{source.path} has no docstring whose first line is a sentence"
        if source.is_init and len(source.tree.body) > 1:
            yield f"{source.path} holds more than its docstring"


def banned_names(sources: list[Source]) -> Iterator[str]:
    """A name says what a thing is, and hides none of the standard library or a dependency."""
    for source in sources:
        words = set(source.path.removesuffix(".py").split("/"))
        for word in words & BANNED_MODULE_NAMES:
            yield f"{source.path} is called {word}"
        if source.stem in DEPENDENCIES and source.path not in NAMES_ALLOWED:
            yield f"{source.path} has the name of a dependency"
        if source.is_product and source.stem in sys.stdlib_module_names:
            yield f"{source.path} has the name of a standard module"
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_CLASS_WORDS):
                yield f"{source.path}:{node.lineno} a class is called {node.name}"


def bare_suppressions(sources: list[Source]) -> Iterator[str]:
    """Who silences a checker names the rule, and the reason beside it or on the line above."""
    for source in sources:
        comments = dict(source.comments())
        for line, comment in comments.items():
            if not SUPPRESSION.match(comment):
                continue
            if BARE.match(comment):
                yield f"{source.path}:{line} silences every rule"
            elif not _has_reason(comment) and line - 1 not in comments:
                yield f"{source.path}:{line} silences a rule without a reason beside it"


def unfinished_work(sources: list[Source]) -> Iterator[str]:
    """What is not done is in the issue, not in the code."""
    for source in sources:
        for line, comment in source.comments():
            if UNFINISHED.search(comment):
                yield f"{source.path}:{line} says {comment.strip()}"


def homeless_files(sources: list[Source], root: Path) -> Iterator[str]:
    """Everything lies in a folder that DESIGN.md §5 names; packages and only they have __init__."""
    for entry in sorted(root.iterdir()):
        known = entry.name in TOP_LEVEL or entry.name.startswith(".")
        if not known and not entry.name.endswith((".egg-info", "demo-data", "__pycache__")):
            yield f"{entry.name} is not a place that DESIGN.md §5 names"
    folders = {source.path.rpartition("/")[0] for source in product(sources)}
    paths = {source.path for source in sources}
    for folder in sorted(folders):
        if f"{folder}/__init__.py" not in paths and not is_data(f"{folder}/"):
            yield f"{folder} has no __init__.py"
    for source in sources:
        yield from _home(source)


def doubled_error_codes(sources: list[Source]) -> Iterator[str]:
    """An error's code is kebab-case and belongs to one class."""
    owners: dict[str, list[str]] = defaultdict(list)
    for source in product(sources):
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and (code := _error_code(node)):
                owners[code].append(f"{source.path}:{node.lineno}")
                if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code):
                    yield f"{source.path}:{node.lineno} the code {code!r} is not kebab-case"
    for code, places in owners.items():
        if len(places) > 1:
            yield f"the code {code!r} belongs to {' and '.join(places)}"


def _has_reason(comment: str) -> bool:
    return bool(re.search(r"\w{3,}", RULE.sub("", comment, count=1)))


def _home(source: Source) -> Iterator[str]:
    parts = source.path.split("/")
    if parts[0] in LAYERS:
        return
    if not source.path.startswith(OTHER_PYTHON):
        yield f"{source.path} is Python outside of packages, tests and benchmarks"
    elif source.is_init:
        yield f"{source.path}: tests are no package"
    elif parts[0] == "tests" and len(parts) > 2 and parts[1] not in TEST_FOLDERS:
        yield f"{source.path}: tests/{parts[1]} is no home for tests"


def _functions(sources: list[Source]) -> Iterator[tuple[Source, Function]]:
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield source, node


def _parameter_count(function: Function) -> int:
    arguments = function.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _is_command(function: Function) -> bool:
    """click hands a verb its options one by one; a fixture's arguments are given likewise."""
    names = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any("command" in name or "option" in name or "group" in name for name in names) or (
        function.name.startswith("test_") or any("fixture" in name for name in names)
    )


def _error_code(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        target = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and target.id == "code" and isinstance(value, ast.Constant):
            return str(value.value)
    return None
