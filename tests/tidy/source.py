"""The project's Python files, parsed once, with what the rules ask of them.

Standard library only. Reads files; judges nothing.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from tests.tidy.architecture import DATA_FOLDERS, OTHER_PYTHON, PRODUCT

# What `make run` and tools leave in a clone.
SKIPPED = frozenset(
    {".venv", ".git", "__pycache__", "node_modules", ".hypothesis", "demo-data", "dist"}
)


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module imports, wherever in it: `from a.b import c` gives "a.b.c"."""

    name: str
    line: int


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str  # from the project's root, "/" between
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, walked once."""
        return list(ast.walk(self.tree))

    @property
    def package(self) -> str:
        """The top-level folder."""
        return self.path.partition("/")[0]

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def stem(self) -> str:
        """The file's name without suffix."""
        return PurePosixPath(self.path).stem

    @property
    def is_init(self) -> bool:
        """True for a package's own file."""
        return self.stem == "__init__"

    @property
    def is_product(self) -> bool:
        """True for what is shipped."""
        return self.package in PRODUCT and not is_data(self.path)

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, in functions and under TYPE_CHECKING too, relative ones resolved."""
        return list(self._imports())

    def _imports(self) -> Iterator[Import]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                for alias in node.names:
                    yield Import(f"{origin}.{alias.name}", node.lineno)
            elif isinstance(node, ast.Call) and node.args and _imports_by_name(node):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield Import(first.value, node.lineno)

    def comments(self) -> Iterator[tuple[int, str]]:
        """Line and text of every comment."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        own = parts if self.is_init else parts[:-1]
        base = own[: len(own) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def read_sources(root: Path) -> list[Source]:
    """Every Python file below `root`."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not SKIPPED & set(relative.parts):
            text = path.read_text("utf-8")
            found.append(Source(relative.as_posix(), text, ast.parse(text, str(relative))))
    return found


def is_data(path: str) -> bool:
    """True for files that the product writes out as they are, and never imports."""
    return path.startswith(DATA_FOLDERS)


def product(sources: list[Source]) -> list[Source]:
    """What is shipped."""
    return [source for source in sources if source.is_product]


def tests_of(sources: list[Source]) -> list[Source]:
    """What tests it and measures it."""
    return [source for source in sources if source.path.startswith(OTHER_PYTHON)]


def call_name(node: ast.Call) -> str:
    """The dotted name that is called: "time.sleep"; "" when it is no name."""
    return dotted(node.func)


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _imports_by_name(node: ast.Call) -> bool:
    return call_name(node) in {"__import__", "import_module", "importlib.import_module"}
