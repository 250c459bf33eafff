"""Rules on tests: their names, that they wait on facts and not on time, that they test the real."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.architecture import LAYERS
from tests.tidy.source import Source, call_name, dotted, tests_of

# "test_" and at least three words, none of which says what ought to be.
SENTENCE = re.compile(r"test_[a-z0-9]+(_[a-z0-9]+){2,}")
WISHES = re.compile(r"(?<!what)(?<!as_it)_should_|_(works_correctly|ok)$")
# The one place that waits by looking again and again.
WAITING = "tests/conftest.py"
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
PATCHING = ("unittest.mock", "mock", "pytest_mock")


def nameless_tests(sources: list[Source]) -> Iterator[str]:
    """A test's name is a sentence in the indicative."""
    for source, function in _test_functions(sources):
        if not SENTENCE.fullmatch(function.name) or WISHES.search(function.name):
            yield f"{source.path}:{function.lineno} {function.name} is no sentence"


def sleeping_tests(sources: list[Source]) -> Iterator[str]:
    """A test waits on a condition with a deadline (the fixture wait_until), never on time."""
    for source in tests_of(sources):
        if source.path == WAITING or not source.path.startswith("tests/"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.Call) and _sleeps(source, node):
                yield f"{source.path}:{node.lineno} sleeps"


def mocking_tests(sources: list[Source]) -> Iterator[str]:
    """Nothing of ours is replaced in a test: what needs another world takes it as an argument."""
    for source in tests_of(sources):
        for imported in source.imports:
            if imported.name.startswith(PATCHING):
                yield f"{source.path}:{imported.line} imports {imported.name}"
        ours = _names_of_ours(source)
        for node in source.nodes:
            if isinstance(node, ast.Call) and (target := _patched(node, ours)):
                yield f"{source.path}:{node.lineno} replaces {target}"


def _test_functions(
    sources: list[Source],
) -> Iterator[tuple[Source, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for source in tests_of(sources):
        if not source.stem.startswith("test_"):
            continue
        for node in source.nodes:
            if isinstance(node, FUNCTION) and node.name.startswith("test_"):
                yield source, node


def _sleeps(source: Source, node: ast.Call) -> bool:
    name = call_name(node)
    imported = {each.name for each in source.imports}
    if name == "time.sleep" or (name == "sleep" and "time.sleep" in imported):
        return True
    if name != "asyncio.sleep" and not (name == "sleep" and "asyncio.sleep" in imported):
        return False
    first = node.args[0] if node.args else None
    # asyncio.sleep(0) gives way and takes no time.
    return not (isinstance(first, ast.Constant) and first.value == 0)


def _names_of_ours(source: Source) -> set[str]:
    """Names in this file that are bound to modules, classes or functions of the product."""
    names: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LAYERS:
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name
                for alias in node.names
                if alias.name.partition(".")[0] in LAYERS
            }
    return names


def _patched(node: ast.Call, ours: set[str]) -> str | None:
    if not isinstance(node.func, ast.Attribute) or not node.args:
        return None
    if node.func.attr not in ("setattr", "delattr", "setitem", "delitem", "patch", "object"):
        return None
    first = node.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value if first.value.partition(".")[0] in LAYERS else None
    name = dotted(first)
    return name if any(name == own or name.startswith(f"{own}.") for own in ours) else None
