"""Each name of storage/crash_point.py stands in the code once, and no other does."""

import ast
from collections import Counter
from pathlib import Path

from storage.crash_point import POINTS
from tests.tidy.source import Source, call_name, product, read_sources

ROOT = Path(__file__).parents[2]


def points_of(source: Source) -> list[str]:
    """What `source` passes to crash_point; what is no constant text comes as its code."""
    calls = (node for node in source.nodes if isinstance(node, ast.Call))
    return [
        str(call.args[0].value)
        if isinstance(call.args[0], ast.Constant)
        else ast.unparse(call.args[0])
        for call in calls
        if call_name(call).rpartition(".")[2] == "crash_point"
    ]


def test_each_crash_point_is_passed_at_one_place_of_the_code_and_no_other_is() -> None:
    passed = Counter(name for source in product(read_sources(ROOT)) for name in points_of(source))
    assert passed == Counter(list(POINTS))
