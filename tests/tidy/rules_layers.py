"""Rules on imports: layers, gateways, quarters, purity, and that no module is an orphan."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch

from tests.tidy.architecture import (
    ENTRY_POINTS,
    GATEWAYS,
    IMPURE_CALLS,
    IMPURE_MODULES,
    IMPURE_NAMES,
    LAYERS,
    PURE,
    QUARTERS,
)
from tests.tidy.source import Source, call_name, product


def upward_imports(sources: list[Source]) -> Iterator[str]:
    """A package imports only packages below it, and nothing of the product imports tests."""
    rank = {package: number for number, package in enumerate(LAYERS)}
    for source in product(sources):
        for imported in source.imports:
            target = imported.name.partition(".")[0]
            if target in ("tests", "benchmarks"):
                yield f"{source.path}:{imported.line} imports {imported.name}"
            elif target in rank and rank[target] < rank[source.package]:
                yield f"{source.path}:{imported.line} imports {imported.name}, which is above it"


def relative_imports(sources: list[Source]) -> Iterator[str]:
    """Imports are absolute, so that a module says where its words come from."""
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ImportFrom) and node.level:
                yield f"{source.path}:{node.lineno} imports relatively"


def bypassed_gateways(sources: list[Source]) -> Iterator[str]:
    """Only its gateway imports a gated library; only its quarter imports a housed one."""
    for source in product(sources):
        for imported in source.imports:
            for name, gateway in GATEWAYS.items():
                if _is_within(imported.name, name) and source.path != gateway:
                    yield f"{source.path}:{imported.line} imports {name}: only {gateway} may"
            home = QUARTERS.get(imported.name.partition(".")[0])
            if home and not source.path.startswith(home):
                yield f"{source.path}:{imported.line} imports {imported.name}: only {home} may"


def missing_gateways(sources: list[Source]) -> Iterator[str]:
    """A gateway that does not import its library is a stale line of architecture.py."""
    by_path = {source.path: source for source in sources}
    for name, gateway in GATEWAYS.items():
        if name == "sqlalchemy.ext.asyncio":
            continue  # allowed there, not needed
        source = by_path.get(gateway)
        if source is None or not any(_is_within(each.name, name) for each in source.imports):
            yield f"{gateway} does not import {name}"


def impure_decisions(sources: list[Source]) -> Iterator[str]:
    """A module that decides asks no clock, disk, socket or chance."""
    for source in sources:
        if not any(fnmatch(source.path, pattern) for pattern in PURE):
            continue
        for imported in source.imports:
            if _is_impure(imported.name):
                yield f"{source.path}:{imported.line} decides, and imports {imported.name}"
        for node in source.nodes:
            if isinstance(node, ast.Call) and call_name(node) in IMPURE_CALLS:
                yield f"{source.path}:{node.lineno} decides, and calls {call_name(node)}"


def missing_decisions(sources: list[Source]) -> Iterator[str]:
    """A pattern of PURE that fits no module is a stale line of architecture.py."""
    for pattern in PURE:
        if not any(fnmatch(source.path, pattern) for source in sources):
            yield f"no module fits {pattern}"


def orphans(sources: list[Source]) -> Iterator[str]:
    """Every module of the product is used by another one, by import or by its dotted name."""
    used: set[str] = set()
    for source in product(sources):
        for imported in source.imports:
            if not imported.name.startswith(f"{source.module}."):
                used |= {imported.name, imported.name.rpartition(".")[0]}
        used |= _dotted_texts(source)
    for source in product(sources):
        entry = source.is_init or any(fnmatch(source.path, pattern) for pattern in ENTRY_POINTS)
        if not entry and source.module not in used:
            yield f"{source.path} is used by no other module"


def _is_within(imported: str, name: str) -> bool:
    return imported == name or imported.startswith(f"{name}.")


def _is_impure(name: str) -> bool:
    return any(_is_within(name, impure) for impure in IMPURE_MODULES | IMPURE_NAMES)


def _dotted_texts(source: Source) -> set[str]:
    """Modules named in text: "daemon.cli.run:run", `python -m storage.sweep.worker`."""
    return {
        node.value.partition(":")[0]
        for node in source.nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(tuple(f"{package}." for package in LAYERS))
    }
