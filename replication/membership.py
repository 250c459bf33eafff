"""Decide who belongs: the first layout, which change of it is acceptable, and who may do what.

docs/operations/membership.md. A person orders each change but two: the keeper itself lets a proven
node in, and says when one that came back was verified. Pure: values in, a layout or a refusal out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from replication.layout import FORMAT, Layout, LayoutRefused, Member, Standing
from replication.peers import Peer
from replication.placement import lies_within

_LEAVING = frozenset({Standing.DRAINING, Standing.LOST})
# From where a person may have a node go to where.
_WAYS: Mapping[Standing, frozenset[Standing]] = {
    Standing.UP: frozenset({Standing.JOINING, Standing.READONLY, Standing.DRAINING}),
    Standing.READONLY: frozenset({Standing.UP, Standing.DRAINING, Standing.LOST}),
    Standing.DRAINING: frozenset({Standing.JOINING, Standing.UP, Standing.READONLY}),
    Standing.LOST: frozenset(Standing) - {Standing.LOST},
}


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who makes a change, when and why."""

    who: str
    at: str
    reason: str


def first_layout(peers: Sequence[Peer], copies: int, by: Signatory) -> Layout:
    """Layout 1: every node of the configuration, as it was before there were layouts.

    Raises LayoutRefused.
    """
    members = (_member(peer, Standing.UP, verified=True) for peer in peers)
    return _checked(_next(None, copies, members, by), frozenset())


def added(layout: Layout, peer: Peer, by: Signatory) -> Layout:
    """The layout with a node more, which takes nothing before it was proven."""
    if layout.member(peer.name) is not None:
        raise LayoutRefused(f"{peer.name} belongs to the archive already 该节点已在名单中")
    joining = _member(peer, Standing.JOINING, verified=False)
    return _checked(_next(layout, layout.copies, [*layout.members, joining], by), frozenset())


def moved(
    layout: Layout, name: str, state: Standing, by: Signatory, unfinished: Collection[str]
) -> Layout:
    """The layout with one node standing otherwise, by a person's word.

    `unfinished`: nodes that leave and whose copies do not all lie elsewhere yet. Raises
    LayoutRefused where the archive would be less safe, or the way is none.
    """
    member = _known(layout, name)
    if member.state is state:
        raise LayoutRefused(f"{name} is {state} already 该节点已是此状态")
    if member.state not in _WAYS.get(state, frozenset()):
        raise LayoutRefused(f"{name} is {member.state}, which cannot become {state} 不允许此变更")
    if state is Standing.UP and not member.verified:
        raise LayoutRefused(
            f"{name} has not been verified: a whole sweep since it came back must end first"
            f" (lantai node show {name}) 尚未完整核验"
        )
    stays_verified = member.verified and state is not Standing.LOST
    changed = msgspec.structs.replace(member, state=state, verified=stays_verified)
    gone = {*unfinished, name} if state in _LEAVING else set(unfinished) - {name}
    return _checked(_with(layout, changed, by), gone)


def proven(layout: Layout, name: str, by: Signatory) -> Layout:
    """The layout with a node that is believed from now on: a joining one is up."""
    member = _known(layout, name)
    assert not member.verified, name
    state = Standing.UP if member.state is Standing.JOINING else member.state
    return _with(layout, msgspec.structs.replace(member, state=state, verified=True), by)


def reconfigured(layout: Layout, copies: int, peers: Iterable[Peer]) -> Layout:
    """The layout with N and the weights as they are configured now; no version of its own."""
    weights = {peer.name: peer.weight for peer in peers}
    members = tuple(
        msgspec.structs.replace(each, weight=weights.get(each.name, each.weight))
        for each in layout.members
    )
    return msgspec.structs.replace(layout, copies=copies, members=members)


def restated(layout: Layout, by: Signatory) -> Layout:
    """The same as another version: what is configured changed, and nobody's state.

    Raises LayoutRefused.
    """
    return _checked(_next(layout, layout.copies, layout.members, by), frozenset())


def takers(layout: Layout, peers: Iterable[Peer], holders: Collection[str] = ()) -> list[Peer]:
    """Whom objects are placed on, with the domains and weights of the layout.

    Where fewer than N of an object's `holders` are up, a draining one still takes a later version
    of it: that lies with the earlier ones, and leaves with them.
    """
    up = layout.in_state(Standing.UP)
    taking = set(up)
    if len(up.intersection(holders)) < layout.copies:
        taking |= layout.in_state(Standing.DRAINING).intersection(holders)
    return as_placed(layout, peers, taking)


def as_placed(layout: Layout, peers: Iterable[Peer], names: Collection[str]) -> list[Peer]:
    """Those of `peers` with these names, as the layout has them."""
    return [
        replace(peer, domain=member.domain, weight=member.weight)
        for peer in peers
        if peer.name in names and (member := layout.member(peer.name)) is not None
    ]


def apart(layout: Layout, nodes: Iterable[str]) -> frozenset[str]:
    """Of `nodes`, those of whom nothing is asked and nothing missed: strangers, joining, lost."""
    heard = layout.in_state(Standing.UP, Standing.READONLY, Standing.DRAINING)
    return frozenset(node for node in nodes if node not in heard)


def unproven(layout: Layout) -> frozenset[str]:
    """Nodes that are asked and on which nothing counts yet: they came back."""
    back = layout.in_state(Standing.READONLY, Standing.DRAINING)
    return frozenset(
        each.name for each in layout.members if each.name in back and not each.verified
    )


def majority(nodes: int) -> int:
    """How many of so many nodes know together all that was ever told (chronicle.md)."""
    return (nodes + 1) // 2


def _member(peer: Peer, state: Standing, *, verified: bool) -> Member:
    return Member(peer.name, peer.domain, peer.weight, state, verified, peer.verify_key)


def _known(layout: Layout, name: str) -> Member:
    member = layout.member(name)
    if member is None:
        names = ", ".join(each.name for each in layout.members)
        raise LayoutRefused(f"{name} does not belong to the archive; there are: {names} 没有该节点")
    return member


def _with(layout: Layout, changed: Member, by: Signatory) -> Layout:
    others = [each for each in layout.members if each.name != changed.name]
    return _next(layout, layout.copies, [*others, changed], by)


def _next(before: Layout | None, copies: int, members: Iterable[Member], by: Signatory) -> Layout:
    version = 1 if before is None else before.version + 1
    listed = tuple(sorted(members, key=lambda member: member.name))
    return Layout(FORMAT, version, copies, by.at, by.who, by.reason, listed)


def _checked(layout: Layout, unfinished: Collection[str]) -> Layout:
    """The layout itself. Raises LayoutRefused."""
    staying = [each for each in layout.members if each.state is not Standing.LOST]
    for one in staying:
        for other in staying:
            if one.domain != other.domain and lies_within(one.domain, other.domain):
                raise LayoutRefused(
                    f"{one.name} is in {one.domain}, a part of {other.domain} where {other.name}"
                    " is: say for both down to the same level 故障域层级不一致"
                )
    domains = {each.domain for each in layout.members if each.state is Standing.UP}
    if len(domains) < layout.copies:
        raise LayoutRefused(
            f"{layout.copies} copies need as many failure domains with a node that is up, and this"
            f" would leave {len(domains)}: add a node in another domain first 可用故障域不足"
        )
    sites = {each.domain.split("/")[0] for each in layout.members if each.name in unfinished}
    if len(sites) > 1:
        raise LayoutRefused(
            f"{', '.join(sorted(unfinished))}: more than one domain would be leaving at once; wait"
            " until the copies of the first lie elsewhere (lantai node show)"
            " 不得同时失去多个故障域"
        )
    return layout
