"""What a fault campaign came to, as text: for the terminal, and as docs/fault-campaign.md."""

from statistics import median

from storage.crash_point_names import POINTS_OF_ROLE
from tests.faults.campaign_state import Kind, State

_MEANINGS = {
    "kill-ingest": "SIGKILL of ingest, or of its readers, in an appliance of real processes",
    "kill-keeper": "SIGKILL of keeper or notary in such an appliance",
    "kill-node": "SIGKILL of a node in such an appliance",
    "cut-ext4": "an appliance on four ext4 images; the power of one of its machines is cut, or of"
    " all four at one instant",
    "cut-xfs": "the same on XFS",
    "volume-kill": "SIGKILL of a process that has a volume open, and nothing else",
    "volume-cut-ext4": "the power of that volume's disk is cut, an ext4 image, with nothing written"
    " back or all of it",
    "volume-cut-xfs": "the same on XFS",
    "volume-torn-ext4": "the same on ext4 with a random part of the blocks written back that the"
    " next sync would write; the disk may come back unusable, and then says so",
    "volume-torn-xfs": "the same on XFS",
    "calls-volume": "one system call of a process on its volume's files fails, each in its"
    " turn: it does nothing and says so (BEFORE), does it and says that it failed (AFTER), does"
    " half (SHORT), does half before the disk is full, or fails with all after it (FROM)",
    "calls-intake": "as `calls-volume`, for an intake, its catalogue, staging, drop and return"
    " folders",
    "calls-archive": "as `calls-volume`, while a zip, a tar and a tar.gz are staged, unpacked and"
    " judged",
    "calls-keeper": "as `calls-volume`, for a keeper and its catalogue",
}

_OFTEN = 10
_COLUMNS = (
    "kind", "cases", "deaths", "points", "receipts judged", "copies judged", "lost", "false",
    "double", "partial", "other failures", "minutes", "recovery: median, longest",
)  # fmt: skip
_HEAD = """# Fault campaign: what was run last, and what came of it

故障演练：最近一次运行的结果。
Written by `make faults ARGUMENTS=--write-page` from the record of its run.
"""


def summary(state: State) -> str:
    """A few lines for whoever started it."""
    lines = [f"seed {state.seed}, begun {state.began_at}, commit {state.commit}"]
    for name, kind in state.kinds.items():
        lines.append(
            f"{name}: {kind.cases} cases, {kind.deaths} deaths at {len(kind.hits)} points, "
            f"{kind.receipts} receipts and {kind.copies} copies judged; lost {len(kind.lost)}, "
            f"false {len(kind.false)}, duplicates {len(kind.duplicates)}, "
            f"partial {len(kind.partial)}, other failures {len(kind.failures)}; "
            f"{kind.seconds / 60:.1f} min"
        )
        lines += [f"  {each}" for each in _wrong(kind)]
    return "\n".join(lines)


def _wrong(kind: Kind) -> list[str]:
    return [*kind.lost, *kind.false, *kind.duplicates, *kind.partial, *kind.failures]


def page_text(state: State) -> str:
    """The page."""
    names = list(state.kinds)
    head = (
        f"{_HEAD}\nSeed {state.seed}, begun {state.began_at}, at commit {state.commit}.\n\n"
        f"{_in_all(state)}\n\n"
        f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n"
    )
    rows = [_row(name, kind) for name, kind in state.kinds.items()]
    meanings = [f"- `{name}`: {_MEANINGS.get(name, 'see the remarks')}." for name in names]
    meanings += [
        f"- `{name}`, {note}: {count}."
        for name, kind in state.kinds.items()
        for note, count in kind.notes.items()
    ]
    wrong = [line for kind in state.kinds.values() for line in _wrong(kind)]
    found = ["## What went wrong", "", *(f"- {line}" for line in wrong or ["nothing"])]
    remarks = ["## Remarks", "", *(f"- {line}" for line in state.remarks or ["none"])]
    parts = ("\n".join(each) for each in (rows, meanings, found, remarks, _points(state)))
    return head + "\n\n".join(parts) + "\n"


def _in_all(state: State) -> str:
    kills, cuts = state.hits("kill"), {disk: state.hits(f"cut-{disk}") for disk in ("ext4", "xfs")}
    known = [point for points in POINTS_OF_ROLE.values() for point in points]
    often = sum(kills[point] >= _OFTEN for point in known)
    reached = sum(kills[point] > 0 for point in known)
    cut = "; ".join(
        f"{hits.total()} power cuts on {disk}, at {sum(hits[point] > 0 for point in known)} of them"
        for disk, hits in cuts.items()
    )
    kinds = state.kinds.values()
    return (
        f"In all {kills.total()} SIGKILLs at {reached} of {len(known)} points, {often} of them hit "
        f"{_OFTEN} times or more; {cut}. Lost {sum(len(kind.lost) for kind in kinds)}, false "
        f"{sum(len(kind.false) for kind in kinds)}, double "
        f"{sum(len(kind.duplicates) for kind in kinds)}."
    )


def _points(state: State) -> list[str]:
    names = list(state.kinds)
    lines = ["## Hits of each point", "", f"| point | {' | '.join(names)} |"]
    lines.append(f"|---|{'---|' * len(names)}")
    for known in POINTS_OF_ROLE.values():
        for point in known:
            hits = (str(state.kinds[name].hits.get(point, 0)) for name in names)
            lines.append(f"| `{point}` | {' | '.join(hits)} |")
    return lines


def _row(name: str, kind: Kind) -> str:
    recovered = kind.recovered_s
    shown = f"{median(recovered):.1f} s, {max(recovered):.1f} s" if recovered else "–"
    cells = (
        f"`{name}`", kind.cases, kind.deaths, len(kind.hits), kind.receipts, kind.copies,
        len(kind.lost), len(kind.false), len(kind.duplicates), len(kind.partial),
        len(kind.failures), f"{kind.seconds / 60:.0f}", shown,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"
