"""Hold a METS document against the METS schema, in one streaming pass.

METS 1.12 (schemas/mets.xsd, CC0) with xlink.xsd, both shipped, so that nothing is fetched. XSD is
lxml's; the document was read before by xml_reading.py, which refused what is not safe to parse.
Metadata of other schemas inside is not validated (their wildcards are lax).
"""

from functools import cache
from pathlib import Path

from lxml import etree

from ingest_watch.findings import Finding, Rule, Severity

_SCHEMAS = Path(__file__).with_name("schemas")
METS_SCHEMA = Rule(
    "mets-schema", Severity.ERROR, "the document breaks the METS schema: {detail} (line {line})",
    "文件不符合 METS 模式：{detail}（第 {line} 行）", "METS 1.12",
)  # fmt: skip
_DETAIL_MAX = 300


class _Shipped(etree.Resolver):  # type: ignore[misc]  # lxml ships no types
    """Whatever a schema imports is in our folder, or nowhere."""

    def resolve(self, url: str, public_id: str, context: object) -> object:
        return self.resolve_filename(str(_SCHEMAS / Path(url).name), context)


def schema_breach(document: Path, shown_path: str) -> Finding | None:
    """Return the first breach of the schema, or None. Raises OSError."""
    events = etree.iterparse(
        str(document), events=("end",), schema=_schema(), resolve_entities=False, no_network=True,
        load_dtd=False, huge_tree=False,
    )  # fmt: skip
    try:
        for _, element in events:
            _let_go(element)
    except etree.XMLSyntaxError as error:
        entry = next((each for each in events.error_log if each.line), None)
        line = 0 if entry is None else entry.line
        return METS_SCHEMA.found(shown_path, detail=(error.msg or "")[:_DETAIL_MAX], line=line)
    return None


def _let_go(element: etree._Element) -> None:
    """Keep nothing of what has been validated."""
    element.clear(keep_tail=True)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


@cache
def _schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    parser.resolvers.add(_Shipped())
    return etree.XMLSchema(etree.parse(str(_SCHEMAS / "mets.xsd"), parser))
