"""Hold the elements of an EEP against the standard's tree while they stream past.

DA/T 48-2009 by eep_tree.py. Deviations that senders make are warnings, each said once however
often it stands. Looks at names, counts and identifiers only; texts are eep_values.py's.
"""

from dataclasses import dataclass, field
from typing import Any

from ingest_watch.findings import Finding, Rule
from ingest_watch.formats import eep_rules as rules
from ingest_watch.formats.eep_tree import (
    IDENTIFYING_ATTRIBUTES,
    NAMESPACE,
    ROOT,
    attributes_of,
    children_of,
)
from ingest_watch.xml_reading import Start, XmlFlaw

# Of the elements' names that are shown as the place of a finding.
_SHOWN = 4
# More different findings than this say nothing new.
_FINDINGS_MAX = 1000
_ENTITY_BLOCK, _ENTITY = "文件实体块", "文件实体"
_FORMAT_PARTS = frozenset({"格式名称", "格式版本", "MIME媒体类型", "格式注册系统名称", "注册ID"})
# (parent, element) → what is said of it instead of "unknown".
_KNOWN_DEVIATIONS: dict[tuple[str, str], Rule] = {
    ("文档", "文档类型"): rules.DOCUMENT_TYPE,
    (_ENTITY, "附录"): rules.ANNEX_FOR_NOTE,
    **{("格式信息", part): rules.FORMAT_STRUCTURED for part in _FORMAT_PARTS},
}
# A 档号 has one of them.
_ITEM_NUMBERS = frozenset({"室编件号", "馆编件号"})
# Of which it is told when they hold nothing.
_BLOCKS = frozenset({"业务实体块", "机构人员实体块"})


@dataclass(slots=True)
class _Frame:
    """One open element."""

    name: str
    is_known: bool
    kind: str  # the element of the tree that its children are held against
    counts: dict[str, int] = field(default_factory=dict)


class Shape:
    """The structure of one document as it is read. `findings` grows."""

    def __init__(self, shown_path: str, findings: list[Finding]) -> None:
        self._path = shown_path
        self._findings = findings
        self._frames: list[_Frame] = []
        self._said: set[tuple[str, ...]] = set()
        self._identifiers: set[str] = set()

    def start(self, event: Start) -> None:
        """Take a start tag; raises XmlFlaw if the document is no EEP at all."""
        if not self._frames:
            self._root(event)
            is_known = True
        else:
            is_known = self._child(self._frames[-1], event)
        self._frames.append(_Frame(event.name, is_known, event.name))
        if is_known:
            self._attributes(event)

    def end(self) -> None:
        """Take the end tag of the innermost element."""
        frame = self._frames[-1]
        if frame.is_known:
            self._judge(frame)
        self._frames.pop()

    def identifier(self, text: str, line: int) -> None:
        """Record an xs:ID; it must be the only one of its name."""
        if text in self._identifiers:
            self._say(rules.IDENTIFIER_REPEATED, text, identifier=text, line=line)
        self._identifiers.add(text)

    def has_identifier(self, text: str) -> bool:
        """Tell whether anything bears this identifier."""
        return text in self._identifiers

    @property
    def is_known(self) -> bool:
        """Tell whether the innermost element stands where the standard has it, up to the root.

        Nothing else may be taken for what its name says: signed bytes could be exchanged so.
        """
        return self._frames[-1].is_known

    @property
    def is_within_known(self) -> bool:
        """Tell whether the element around the innermost one stands where the standard has it."""
        return len(self._frames) < 2 or self._frames[-2].is_known

    @property
    def place(self) -> str:
        """Where the reading stands, for people."""
        return "/".join(frame.name for frame in self._frames[-_SHOWN:])

    def _root(self, event: Start) -> None:
        if event.name != ROOT:
            raise XmlFlaw(rules.ROOT_WRONG.found(self._path, found=event.name[:100]))
        if event.namespace != NAMESPACE:
            self._say(rules.NAMESPACE_OTHER, "", found=event.namespace[:200])

    def _child(self, parent: _Frame, event: Start) -> bool:
        """Count a child and tell whether it is known; nothing is said below what is not."""
        if not parent.is_known:
            return False
        parent.counts[event.name] = parent.counts.get(event.name, 0) + 1
        if event.name in children_of(parent.kind):
            return True
        if parent.kind == _ENTITY_BLOCK and event.name in children_of(_ENTITY):
            parent.kind = _ENTITY
            self._say(rules.ENTITY_LEVEL, "", line=event.line)
            return True
        deviation = _KNOWN_DEVIATIONS.get((parent.kind, event.name))
        if deviation is not None:
            self._say(deviation, "")
        else:
            self._say(
                rules.ELEMENT_UNKNOWN,
                f"{parent.name}/{event.name}",
                place=self.place,
                element=event.name[:100],
                line=event.line,
            )
        return False

    def _attributes(self, event: Start) -> None:
        for attribute in event.attributes:
            if not attribute.startswith("{") and attribute not in attributes_of(event.name):
                self._say(
                    rules.ATTRIBUTE_UNKNOWN,
                    f"{event.name}/{attribute}",
                    attribute=attribute[:100],
                    element=event.name,
                    line=event.line,
                )
        identifying = IDENTIFYING_ATTRIBUTES.get(event.name)
        if identifying is None:
            return
        identifier = event.attributes.get(identifying, "")
        if identifier:
            self.identifier(identifier, event.line)
        else:
            self._say(
                rules.IDENTIFIER_MISSING,
                str(event.line),
                element=event.name,
                attribute=identifying,
                line=event.line,
            )

    def _judge(self, frame: _Frame) -> None:
        """Compare what stood in an element with what must, should and may."""
        for child, place in children_of(frame.kind).items():
            count = frame.counts.get(child, 0)
            if count == 0 and place.need == "must":
                self._say_of_child(rules.ELEMENT_MISSING, child)
            elif count == 0 and place.need == "should":
                self._say_of_child(rules.ELEMENT_EXPECTED, child)
            elif count > 1 and not place.is_repeatable:
                self._say_of_child(rules.ELEMENT_REPEATED, child, count=count)
        if frame.kind == "档号" and not frame.counts.keys() & _ITEM_NUMBERS:
            self._say_of_child(rules.ELEMENT_EXPECTED, " / ".join(sorted(_ITEM_NUMBERS)))
        if frame.kind in _BLOCKS and not frame.counts:
            self._say(rules.BUSINESS_EMPTY, frame.kind, element=frame.kind)

    def _say_of_child(self, rule: Rule, child: str, **facts: Any) -> None:
        self._say(rule, f"{self.place}/{child}", place=self.place, element=child, **facts)

    def _say(self, rule: Rule, about: str, **facts: Any) -> None:
        """Say it once."""
        if (rule.code, about) in self._said or len(self._said) >= _FINDINGS_MAX:
            return
        self._said.add((rule.code, about))
        self._findings.append(rule.found(self._path, **facts))
