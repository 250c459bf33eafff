"""As much of JSON Schema 2020-12 as our schemas use; a keyword that is not known here is refused.

https://json-schema.org/draft/2020-12/json-schema-validation. For tests: says where a document is
not what its schema describes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
SILENT = frozenset({"$schema", "title", "description", "default", "$defs", "then"})


def faults(document: object, schema: dict[str, Any]) -> list[str]:
    """Where `document` is not as `schema` says; empty when it is."""
    return list(Place(document, "$", schema).faults(schema))


@dataclass(frozen=True)
class Place:
    """One value of a document, held against rules of one schema."""

    value: Any
    at: str
    root: dict[str, Any]

    def faults(self, rule: dict[str, Any]) -> Iterator[str]:
        for keyword, wanted in rule.items():
            if keyword in SILENT:
                continue
            judge = getattr(self, f"_{keyword.lstrip('$')}", None)
            assert judge is not None, f"the keyword {keyword} is not known here"
            yield from judge(wanted, rule)

    def _ref(self, wanted: str, _rule: dict[str, Any]) -> Iterator[str]:
        return self.faults(self.root["$defs"][wanted.removeprefix("#/$defs/")])

    def _type(self, wanted: str, _rule: dict[str, Any]) -> Iterator[str]:
        is_flag = isinstance(self.value, bool)
        if not isinstance(self.value, TYPES[wanted]) or is_flag != (wanted == "boolean"):
            yield f"{self.at}: is not {wanted}"

    def _enum(self, wanted: list[object], _rule: dict[str, Any]) -> Iterator[str]:
        if self.value not in wanted:
            yield f"{self.at}: {self.value!r} is not among {wanted}"

    def _const(self, wanted: object, rule: dict[str, Any]) -> Iterator[str]:
        return self._enum([wanted], rule)

    def _pattern(self, wanted: str, _rule: dict[str, Any]) -> Iterator[str]:
        if isinstance(self.value, str) and not re.search(wanted, self.value):
            yield f"{self.at}: does not match {wanted}"

    def _anyOf(self, wanted: list[dict[str, Any]], _rule: dict[str, Any]) -> Iterator[str]:  # noqa: N802  # the keyword
        if all(any(self.faults(each)) for each in wanted):
            yield f"{self.at}: is none of {wanted}"

    def _allOf(self, wanted: list[dict[str, Any]], _rule: dict[str, Any]) -> Iterator[str]:  # noqa: N802  # the keyword
        for each in wanted:
            yield from self.faults(each)

    def _if(self, wanted: dict[str, Any], rule: dict[str, Any]) -> Iterator[str]:
        if not any(self.faults(wanted)):
            yield from self.faults(rule["then"])

    def _items(self, wanted: dict[str, Any], _rule: dict[str, Any]) -> Iterator[str]:
        for index, each in enumerate(self.value if isinstance(self.value, list) else ()):
            yield from Place(each, f"{self.at}[{index}]", self.root).faults(wanted)

    def _properties(self, wanted: dict[str, Any], _rule: dict[str, Any]) -> Iterator[str]:
        for name in wanted.keys() & self._members():
            yield from Place(self.value[name], f"{self.at}.{name}", self.root).faults(wanted[name])

    def _required(self, wanted: list[str], _rule: dict[str, Any]) -> Iterator[str]:
        if isinstance(self.value, dict):
            yield from (f"{self.at}: has no {name}" for name in wanted if name not in self.value)

    def _additionalProperties(self, wanted: bool, rule: dict[str, Any]) -> Iterator[str]:  # noqa: N802  # the keyword
        assert wanted is False, "only closed objects are known here"
        yield from (
            f"{self.at}: has {name}" for name in self._members() - rule["properties"].keys()
        )

    def _members(self) -> set[str]:
        return set(self.value) if isinstance(self.value, dict) else set()
