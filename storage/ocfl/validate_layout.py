"""The layout that a storage root declares: `ocfl_layout.json` and its extension's config.json.

OCFL 1.1 section 4.1 (E070, E071) and 4.3 (E083). Where the layout can be computed (0003, 0004),
every object must lie where it puts that object's id.
"""

from pathlib import Path

from storage.ocfl.layout import Layout, LayoutConfigurationError, layout_from_configuration
from storage.ocfl.validate_extensions import LAYOUT_EXTENSIONS
from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_json import Block, JsonRefused, parse_json
from storage.ocfl.validate_reading import read_up_to, reason

LAYOUT_FILE = "ocfl_layout.json"
_DOCUMENT_BYTES_MAX = 1024 * 1024


def read_layout(root: Path, findings: Findings) -> Layout | None:
    """The declared layout, if it is one whose paths can be computed here."""
    document = _read_document(root, LAYOUT_FILE, findings)
    if document is None:
        return None
    for key in ("extension", "description"):
        if not isinstance(document.get(key), str):
            findings.add("E070", LAYOUT_FILE, f"must have the key {key!r} with a string")
    extension = document.get("extension")
    if not isinstance(extension, str):
        return None
    if extension not in LAYOUT_EXTENSIONS:
        message = f"{shown(extension)} is no registered extension that defines a layout"
        findings.add("E071", LAYOUT_FILE, message)
        return None
    return _configured(root, extension, findings)


def check_place(layout: Layout, object_id: str | None, path: str, findings: Findings) -> None:
    if object_id is None:
        return
    expected = str(layout.object_folder(object_id))
    if path != expected:
        message = f"the declared layout puts id {shown(object_id)} at {shown(expected)}"
        findings.add("E083", path, message)


def _configured(root: Path, extension: str, findings: Findings) -> Layout | None:
    path = f"extensions/{extension}/config.json"
    configuration: Block = Block()
    if (root / "extensions" / extension / "config.json").exists():
        found = _read_document(root, path, findings)
        if found is None:
            return None
        configuration = found
    try:
        return layout_from_configuration(extension, configuration)
    except LayoutConfigurationError as error:
        findings.add("E071", path, f"the layout cannot be computed: {error}")
        return None


def _read_document(root: Path, name: str, findings: Findings) -> Block | None:
    """A small JSON object; what is wrong with it is E070."""
    try:
        data = read_up_to(root / name, _DOCUMENT_BYTES_MAX)
        if data is None:
            findings.add("E070", name, f"larger than {_DOCUMENT_BYTES_MAX} bytes")
            return None
        document = parse_json(data)
    except OSError as error:
        findings.add("E070", name, f"cannot be read: {reason(error)}")
        return None
    except JsonRefused as error:
        findings.add("E070", name, str(error))
        return None
    if not isinstance(document, Block):
        findings.add("E070", name, f"must be a JSON object, not {shown(document)}")
        return None
    return document
