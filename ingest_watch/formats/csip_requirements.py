"""What E-ARK CSIP and SIP 2.x require of one METS document: the requirements that carry MUST.

E-ARK CSIP 2.2.0 section 5, SIP 2.2.0 section 5 (SIP2); the numbers are those of csip_rules.py. The
SHOULDs that the conformance corpus tests are warnings. Pure: it looks at the document only; files
are csip_files.py's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.findings import Finding, Rule
from ingest_watch.formats import csip_rules as rules
from ingest_watch.formats.mets_reading import (
    CONTENT_TYPE,
    CSIP_OTHERTYPE,
    HREF,
    LINK_TYPE,
    METS,
    OTHER_CONTENT_TYPE,
    PACKAGE_TYPE,
    Agent,
    Attributes,
    MetsDocument,
    MetsFile,
    Section,
    StructMap,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document's requirements depend on besides itself."""

    folder: str  # name of the folder it lies in; "" when that is not known
    is_root: bool
    folders: frozenset[str]  # beside it, and not empty
    has_descriptive: bool  # files in metadata/descriptive
    representations: tuple[str, ...] = ()  # those that have a METS document of their own


def judge_document(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    """Yield every breach of a requirement, except those about single files."""
    if not document.is_mets:
        yield rules.NOT_METS.found(document.path, namespace=METS)
        return
    yield from _root(document, around)
    yield from _header(document)
    yield from _sections(document, around)
    yield from _file_section(document, around)
    yield from _struct_map(document, around)


def judge_file(document: MetsDocument, file: MetsFile) -> Iterator[Finding]:
    """Yield every breach by one file element (CSIP67 to CSIP79)."""
    yield from _missing(rules.FILE_RULES, file.attributes, document.path, file.line)
    if file.location is None:
        yield rules.CSIP76.found(document.path, line=file.line)
        return
    yield from _link(rules.LOCATION_RULES, file.location, document.path, file.line)


def judge_profile(document: MetsDocument) -> Iterator[Finding]:
    """CSIP6 and SIP2."""
    profile = document.root.get("PROFILE", "")
    is_sip = (document.header or {}).get(PACKAGE_TYPE) == "SIP"
    if "PROFILE" not in document.root:
        yield rules.CSIP6.found(document.path)
    if is_sip and profile not in {rules.SIP_PROFILE, rules.CSIP_PROFILE}:
        yield rules.SIP2.found(document.path)


def _root(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    root, path = document.root, document.path
    identifier = root.get("OBJID", "")
    if not identifier.strip():
        yield rules.CSIP1.found(path)
    elif around.folder and identifier != around.folder:
        yield rules.CSIP1_NAME.found(path, name=around.folder)
    category = root.get("TYPE", "").replace("–", "-").casefold()
    if category not in rules.CONTENT_CATEGORIES:
        yield rules.CSIP2.found(path)
    elif category == "other" and not root.get(CSIP_OTHERTYPE, "").strip():
        yield rules.CSIP2_OTHER.found(path)
    yield from _content_type(document, around)
    yield from judge_profile(document)


def _content_type(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    kind = document.root.get(CONTENT_TYPE)
    if kind is None:
        yield (rules.CSIP4_ROOT if around.is_root else rules.CSIP4).found(document.path)
    elif kind not in rules.CONTENT_INFORMATION_TYPES:
        yield rules.CSIP4.found(document.path)
    elif kind == "OTHER" and not document.root.get(OTHER_CONTENT_TYPE, "").strip():
        yield rules.CSIP4_OTHER.found(document.path)


def _header(document: MetsDocument) -> Iterator[Finding]:
    if document.header is None:
        yield rules.CSIP117.found(document.path)
        return
    if not document.header.get("CREATEDATE"):
        yield rules.CSIP7.found(document.path)
    if document.header.get(PACKAGE_TYPE) not in rules.PACKAGE_TYPES:
        yield rules.CSIP9.found(document.path)
    software = [agent for agent in document.agents if _is_software(agent)]
    if not software:
        yield rules.CSIP10.found(document.path)
    elif not any(any(agent.names) for agent in software):
        yield rules.CSIP14.found(document.path)
    elif not any(agent.notes for agent in software):
        yield rules.CSIP15.found(document.path)
    elif not any(kind == "SOFTWARE VERSION" for agent in software for _, kind in agent.notes):
        yield rules.CSIP16.found(document.path)


def _is_software(agent: Agent) -> bool:
    said = tuple(agent.attributes.get(name) for name in ("ROLE", "TYPE", "OTHERTYPE"))
    return said == ("CREATOR", "OTHER", "SOFTWARE")


def _sections(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    if not any(section.kind == "dmdSec" for section in document.sections):
        rule = rules.CSIP17 if around.has_descriptive else rules.CSIP17_SHOULD
        yield rule.found(document.path)
    for section in document.sections:
        yield from _section(document.path, section)


def _section(path: str, section: Section) -> Iterator[Finding]:
    if section.kind not in rules.SECTION_IDS:
        return
    if not section.attributes.get("ID"):
        yield rules.SECTION_IDS[section.kind].found(path, line=section.line)
    if section.kind == "dmdSec" and not section.attributes.get("CREATED"):
        yield rules.CSIP19.found(path, line=section.line)
    if section.reference is not None:
        yield from _link(rules.REFERENCE_RULES[section.kind], section.reference, path, section.line)


def _link(
    wanted: dict[str, Rule], attributes: Attributes, path: str, line: int
) -> Iterator[Finding]:
    """Judge what a reference must have; two of its attributes have a fixed value."""
    said = dict(attributes)
    said["href"] = attributes.get(HREF, "")
    said["type"] = "simple" if attributes.get(LINK_TYPE) == "simple" else ""
    said["LOCTYPE"] = "URL" if attributes.get("LOCTYPE") == "URL" else ""
    yield from _missing(wanted, said, path, line)


def _missing(
    wanted: dict[str, Rule], attributes: Attributes, path: str, line: int
) -> Iterator[Finding]:
    for name, rule in wanted.items():
        if not attributes.get(name, "").strip():
            yield rule.found(path, line=line)


def _file_section(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    path = document.path
    if document.file_section is None:
        yield rules.CSIP58.found(path)
    elif not document.file_section.get("ID"):
        yield rules.CSIP59.found(path, line=0)
    for group in document.groups:
        if not group.attributes.get("USE"):
            yield rules.CSIP64.found(path, line=group.line)
        if not group.attributes.get("ID"):
            yield rules.CSIP65.found(path, line=group.line)
        if not group.has_files:
            yield rules.CSIP66.found(path, line=group.line)
    if around.is_root and document.file_section is not None:
        uses = [group.attributes.get("USE", "") for group in document.groups]
        yield from _groups_for(uses, path, around)


def _groups_for(uses: list[str], path: str, around: Surroundings) -> Iterator[Finding]:
    if "documentation" in around.folders and "Documentation" not in uses:
        yield rules.CSIP60.found(path)
    if "schemas" in around.folders and "Schemas" not in uses:
        yield rules.CSIP113.found(path)
    has_group = any(use.startswith("Representations") for use in uses)
    if "representations" in around.folders and not has_group:
        yield rules.CSIP114.found(path)


def _struct_map(document: MetsDocument, around: Surroundings) -> Iterator[Finding]:
    path = document.path
    labelled = [each for each in document.maps if each.attributes.get("LABEL") == "CSIP"]
    if not labelled:
        yield rules.CSIP80.found(path)
        return
    structure = labelled[0]
    if structure.attributes.get("TYPE") != "PHYSICAL":
        yield rules.CSIP81.found(path)
    if not structure.attributes.get("ID"):
        yield rules.CSIP83.found(path, line=0)
    main = [division for division in structure.divisions if division.depth == 1]
    if len(main) != 1:
        yield rules.CSIP84.found(path, count=len(main))
    if any(not division.attributes.get("ID") for division in structure.divisions):
        yield rules.CSIP85.found(path, line=0)
    labels = {division.attributes.get("LABEL", "") for division in structure.divisions}
    if "metadata" in around.folders and "Metadata" not in labels:
        yield rules.CSIP88.found(path)
    yield from _pointers(structure, path, around)


def _pointers(structure: StructMap, path: str, around: Surroundings) -> Iterator[Finding]:
    """CSIP109: each representation with a METS document is pointed to."""
    pointed = {
        pointer.get(HREF, "").removeprefix("./")
        for division in structure.divisions
        for pointer in division.pointers
    }
    for name in around.representations:
        if f"representations/{name}/METS.xml" not in pointed:
            yield rules.CSIP109.found(path)
