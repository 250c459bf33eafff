"""What a source may hand over, and for how long it is kept: 归档范围与保管期限.

DESIGN.md §4; DA/T 70-2018 item 2-9; docs/formats/scope.md (保管期限, 密级).
Pure: the table is read by scope_table.py. Decides no verdict: what is outside the scope is for a
person to judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# From the longest down. Of several records the longest counts for their package.
RETENTIONS = ("Y", "D30", "D10")
_RETENTION_ALIASES = {
    "永久": "Y", "定期30年": "D30", "30年": "D30", "定期10年": "D10", "10年": "D10",
}  # fmt: skip
# From the most open up.
CLASSIFICATIONS = ("公开", "内部", "秘密", "机密", "绝密")
_OPEN_UP_TO = CLASSIFICATIONS.index("内部")
# "Not classified" says nothing of being public.
_CLASSIFICATION_ALIASES = {"非密": "内部", "非涉密": "内部", "无": "内部", "无密级": "内部"}


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """One line of the table."""

    retention: str  # of RETENTIONS
    record_class: str  # 类别; may be empty
    ceiling: str  # of CLASSIFICATIONS: the highest that may be handed over


@dataclass(frozen=True, slots=True)
class ScopeTable:
    """The scope-and-retention table of one source: matter code → entry."""

    entries: Mapping[str, ScopeEntry]
    broken: str = ""  # why there is no table although the source should have one


@dataclass(frozen=True, slots=True)
class PackageScope:
    """What the scope says of one package. None where nobody said, or its records differ."""

    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None

    def joined(self, other: "PackageScope") -> "PackageScope":
        """The scope of both together: the longer retention, and what they have in common."""
        return PackageScope(
            self.matter if self.matter == other.matter else None,
            self.record_class if self.record_class == other.record_class else None,
            longer_retention(self.retention, other.retention),
        )


def retention_of(stated: str) -> str | None:
    """The retention code of what a sender or a table writes; None for what is none (长期, 短期)."""
    text = stated.strip()
    return text if text in RETENTIONS else _RETENTION_ALIASES.get(text)


def longer_retention(one: str | None, other: str | None) -> str | None:
    """The longer of two; what is not known is shorter than anything."""
    known = [code for code in (one, other) if code is not None]
    return min(known, key=RETENTIONS.index, default=None)


def classification_of(stated: str) -> str | None:
    """The classification that a sender or a table writes; None for what is none."""
    text = stated.strip()
    return text if text in CLASSIFICATIONS else _CLASSIFICATION_ALIASES.get(text)


def is_classified(classification: str | None) -> bool:
    """Whether it is a secret of the state, or nobody can tell."""
    return classification is None or CLASSIFICATIONS.index(classification) > _OPEN_UP_TO


def is_above(classification: str, ceiling: str) -> bool:
    """Whether it is higher than may be handed over."""
    return CLASSIFICATIONS.index(classification) > CLASSIFICATIONS.index(ceiling)
