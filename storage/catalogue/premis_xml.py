"""PREMIS events as one XML document that the PREMIS 3.0 schema allows.

http://www.loc.gov/premis/v3, version 3.0: objects first (at least one), then events, then agents.
What each event says is premis.py's. Describes no file formats and no rights.
"""

import unicodedata
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from storage.catalogue.premis import (
    HOLDINGS_IDENTIFIER_TYPE,
    VOCABULARY,
    Identifier,
    PremisEvent,
)

PREMIS = "http://www.loc.gov/premis/v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

register_namespace("premis", PREMIS)
register_namespace("xsi", XSI)


def premis_document(events: Iterable[PremisEvent]) -> bytes:
    """The whole document, UTF-8 with its declaration."""
    known = list(events)
    root = Element(_named("premis"), {"version": "3.0"})
    objects = dict.fromkeys(
        Identifier(each.type, each.value) for event in known for each in event.objects
    )
    for each in objects or [Identifier(HOLDINGS_IDENTIFIER_TYPE, "all")]:
        # The file or version is described in its OCFL inventory; here it is only named.
        described = SubElement(
            root, _named("object"), {f"{{{XSI}}}type": "premis:intellectualEntity"}
        )
        _identifier(described, "object", each)
    for event in known:
        _add_event(root, event)
    agents = dict.fromkeys(
        Identifier(each.type, each.value) for event in known for each in event.agents
    )
    for agent in agents:
        _identifier(SubElement(root, _named("agent")), "agent", agent)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_event(root: Element, premis: PremisEvent) -> None:
    event = SubElement(root, _named("event"))
    _identifier(event, "event", premis.identifier)
    kind = {
        "authority": "eventType",
        "authorityURI": VOCABULARY,
        "valueURI": premis.type.uri,
    }
    _text(event, "eventType", premis.type.term, kind)
    _text(event, "eventDateTime", premis.at)
    _text(SubElement(event, _named("eventDetailInformation")), "eventDetail", premis.detail)
    outcome = SubElement(event, _named("eventOutcomeInformation"))
    _text(outcome, "eventOutcome", premis.outcome)
    if premis.outcome_note:
        note = SubElement(outcome, _named("eventOutcomeDetail"))
        _text(note, "eventOutcomeDetailNote", premis.outcome_note)
    for agent in premis.agents:
        _linking(event, "Agent", agent)
    for each in premis.objects:
        _linking(event, "Object", each)


def _identifier(parent: Element, noun: str, identifier: Identifier) -> None:
    element = SubElement(parent, _named(f"{noun}Identifier"))
    _text(element, f"{noun}IdentifierType", identifier.type)
    _text(element, f"{noun}IdentifierValue", identifier.value)


def _linking(event: Element, noun: str, identifier: Identifier) -> None:
    element = SubElement(event, _named(f"linking{noun}Identifier"))
    _text(element, f"linking{noun}IdentifierType", identifier.type)
    _text(element, f"linking{noun}IdentifierValue", identifier.value)
    if identifier.role:
        _text(element, f"linking{noun}Role", identifier.role)


def _text(parent: Element, name: str, text: str, attributes: dict[str, str] | None = None) -> None:
    SubElement(parent, _named(name), attributes or {}).text = _allowed(text)


def _allowed(text: str) -> str:
    """XML 1.0, production 2: control characters, surrogates, U+FFFE and U+FFFF become escapes."""
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(character) in {"Cc", "Cs"} or character in "\ufffe\uffff"
        else character
        for character in text
    )


def _named(name: str) -> str:
    return f"{{{PREMIS}}}{name}"
