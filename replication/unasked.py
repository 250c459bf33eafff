"""Nodes of whom the keeper asks nothing and misses nothing, each with the reason in words.

docs/operations/absence.md, docs/operations/membership.md. Reads the catalogue only.
"""

from collections.abc import Iterable

from replication.layout import Layout
from replication.membership import apart
from storage.catalogue import absences
from storage.catalogue.writer import CatalogueWriter

AWAY = "away by plan"
_IN_CHINESE = {"lost": "已丢失", "joining": "加入中"}


async def unasked(
    catalogue: CatalogueWriter, layout: Layout | None, nodes: Iterable[str], at: str
) -> dict[str, str]:
    """Node → why nothing is asked of it at this moment."""
    away = absences.nodes_of(await catalogue.look(absences.present, at))
    reasons = dict.fromkeys(away, f"{AWAY} 按计划离线")
    if layout is not None:
        reasons |= {node: _standing(layout, node) for node in apart(layout, nodes)}
    return reasons


def _standing(layout: Layout, node: str) -> str:
    member = layout.member(node)
    if member is None:
        return "not in the layout: lantai node add 不在成员布局中"
    return f"{member.state} {_IN_CHINESE.get(member.state, '')}"
