"""Judge an XML document by an XML Schema 1.0 document, as far as the PREMIS 3.0 schema goes.

https://www.w3.org/TR/xmlschema-1/: global elements and types, sequence, choice, any, extension,
attribute groups, enumerations, xsi:type. What else a schema may say is refused, not passed over.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

XS = "{http://www.w3.org/2001/XMLSchema}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_PARTICLES = frozenset({"sequence", "choice", "element", "any"})
_CONTENTS = _PARTICLES | {"simpleContent", "complexContent"}


class Schema:
    """One schema document, read once."""

    def __init__(self, document: bytes) -> None:
        root = ET.fromstring(document)
        self._namespace = f"{{{root.attrib['targetNamespace']}}}"
        self._named = {(_kind(each), each.attrib["name"]): each for each in root}

    def problems(self, document: bytes) -> list[str]:
        """What the document does that the schema does not allow; empty: it is valid."""
        root = ET.fromstring(document)
        declared = self._named.get(("element", self._local(root.tag)))
        if declared is None:
            return [f"{root.tag} is no element of the schema"]
        return list(self._of_element(root, declared.attrib["type"]))

    def _of_element(self, element: ET.Element, declared: str) -> Iterator[str]:
        name = self._local(element.tag)
        given = element.get(f"{XSI}type")
        kind = declared if given is None else given.rpartition(":")[2]
        if kind.startswith("xs:") or ("simpleType", kind) in self._named:
            yield from self._of_simple(element, kind)
            return
        defined = self._named.get(("complexType", kind))
        if defined is None or defined.get("abstract") == "true":
            yield f"{name}: {kind} is no type that an element may have"
            return
        if given is not None and self._extended(defined) != declared:
            yield f"{name}: {kind} does not extend {declared}"
        yield from self._of_attributes(element, defined)
        yield from self._of_children(element, defined)

    def _of_simple(self, element: ET.Element, kind: str) -> Iterator[str]:
        name = self._local(element.tag)
        if len(element) or element.attrib:
            yield f"{name} may hold nothing but text"
        if not self._allows(kind, element.text or ""):
            yield f"{name}: {element.text!r} is not of {kind}"

    def _of_children(self, element: ET.Element, defined: ET.Element) -> Iterator[str]:
        name = self._local(element.tag)
        content = self._content(defined)
        model = "".join(self._pattern(each) for each in content)
        children = "".join(f"{self._local(child.tag)} " for child in element)
        if not re.fullmatch(model, children):
            yield f"{name} may not hold [{children.strip()}]"
            return
        holds_text = any(_kind(each) == "simpleContent" for each in defined)
        texts = [element.text, *(child.tail for child in element)]
        if not holds_text and any(text and text.strip() for text in texts):
            yield f"{name} may not hold text"
        for child in element:
            declared = self._named.get(("element", self._local(child.tag)))
            if declared is not None:
                yield from self._of_element(child, declared.attrib["type"])

    def _of_attributes(self, element: ET.Element, defined: ET.Element) -> Iterator[str]:
        name = self._local(element.tag)
        allowed = {each.attrib["name"]: each for each in self._attributes(defined)}
        for attribute, value in element.attrib.items():
            if attribute.startswith(XSI):
                continue
            if attribute not in allowed:
                yield f"{name} may not have the attribute {attribute}"
            elif not self._allows(allowed[attribute].get("type", "xs:string"), value):
                yield f"{name}: {attribute} may not be {value!r}"
        for attribute, each in allowed.items():
            if each.get("use") == "required" and attribute not in element.attrib:
                yield f"{name} must have the attribute {attribute}"

    def _allows(self, kind: str, text: str) -> bool:
        if kind.startswith("xs:"):
            assert kind in {"xs:string", "xs:anyURI"}, kind
            return True
        values = {
            each.attrib["value"]
            for each in self._named["simpleType", kind].iter(f"{XS}enumeration")
        }
        return not values or text in values

    def _attributes(self, defined: ET.Element) -> Iterator[ET.Element]:
        yield from defined.iter(f"{XS}attribute")
        for group in defined.iter(f"{XS}attributeGroup"):
            yield from self._named["attributeGroup", group.attrib["ref"]].iter(f"{XS}attribute")
        base = self._extended(defined)
        if base is not None and ("complexType", base) in self._named:
            yield from self._attributes(self._named["complexType", base])

    def _extended(self, defined: ET.Element) -> str | None:
        extension = defined.find(f"./*/{XS}extension")
        return None if extension is None else extension.attrib["base"]

    def _content(self, defined: ET.Element) -> list[ET.Element]:
        holders = [each for each in defined if _kind(each) in _CONTENTS]
        if holders and _kind(holders[0]) in {"simpleContent", "complexContent"}:
            holders = [each for each in holders[0][0] if _kind(each) in _PARTICLES]
        return holders

    def _pattern(self, particle: ET.Element) -> str:
        """A regular expression over the names of children, each followed by a blank."""
        parts = [self._pattern(each) for each in particle if _kind(each) in _PARTICLES]
        match _kind(particle):
            case "element":
                inner = f"{re.escape(particle.attrib['ref'])} "
            case "any":
                inner = r"\S+ "
            case "sequence":
                inner = "".join(parts)
            case _:
                inner = "|".join(parts)
        least, most = particle.get("minOccurs", "1"), particle.get("maxOccurs", "1")
        return f"(?:{inner}){{{least},{'' if most == 'unbounded' else most}}}"

    def _local(self, tag: str) -> str:
        """The name in the schema's own namespace; others keep theirs, and match nothing."""
        return tag.removeprefix(self._namespace)


def _kind(element: ET.Element) -> str:
    # A comment's tag is no text.
    return element.tag.removeprefix(XS) if isinstance(element.tag, str) else ""
