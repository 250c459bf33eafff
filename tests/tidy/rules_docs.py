"""Rules on pages: links lead somewhere, the glossary has the words, the change log its shape."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.architecture import GLOSSARY_TERMS
from tests.tidy.source import SKIPPED

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
# Keep a Changelog 1.1.0.
RELEASE = re.compile(r"## \[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d{2}-\d{2})?")
KINDS = frozenset({"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"})


def broken_links(root: Path) -> Iterator[str]:
    """Every relative link of every page leads to a file, and to a heading if it names one."""
    for page in _pages(root):
        text = INLINE_CODE.sub("", FENCE.sub("", page.read_text("utf-8")))
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            where = page.relative_to(root)
            if not file.exists():
                yield f"{where}: {target} leads nowhere"
            elif anchor and file.suffix == ".md" and anchor not in _anchors(file):
                yield f"{where}: {target} names no heading"


def missing_terms(root: Path) -> Iterator[str]:
    """The glossary explains every word of the product."""
    glossary = root / "docs" / "glossary.md"
    text = glossary.read_text("utf-8") if glossary.exists() else ""
    terms = set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE))
    for term in GLOSSARY_TERMS:
        if term not in terms:
            yield f"docs/glossary.md does not explain {term!r}"


def shapeless_changelog(root: Path) -> Iterator[str]:
    """CHANGELOG.md keeps the form of Keep a Changelog."""
    file = root / "CHANGELOG.md"
    if not file.exists():
        yield "there is no CHANGELOG.md"
        return
    lines = file.read_text("utf-8").splitlines()
    if not lines or not lines[0].startswith("# "):
        yield "CHANGELOG.md does not begin with its title"
    releases = [line for line in lines if line.startswith("## ")]
    if not releases:
        yield "CHANGELOG.md has no release"
    for line in releases:
        match = RELEASE.fullmatch(line)
        if not match or (match[1] != "Unreleased") != bool(match[2]):
            yield f"CHANGELOG.md: {line!r} is not '## [1.2.3] - 2026-01-31' or '## [Unreleased]'"
    for line in lines:
        if line.startswith("### ") and line[4:] not in KINDS:
            yield f"CHANGELOG.md: {line[4:]!r} is none of {', '.join(sorted(KINDS))}"


def _pages(root: Path) -> list[Path]:
    return [
        page
        for page in sorted(root.rglob("*.md"))
        if not SKIPPED & set(page.relative_to(root).parts)
    ]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }
