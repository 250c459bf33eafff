"""Whether a check of the canaries found exactly what was planted: if not, the check is broken.

docs/formats/volume.md, "Canaries". Judges what the sweep's own code saw; reads no disk itself. A
canary that could not be judged counts as a failure: a check that did not run is never a pass.
"""

from collections.abc import Sequence
from pathlib import Path

from storage.canary.flock import Canary, Found, flock
from storage.ocfl.layout import object_folder
from storage.sweep.model import ObjectCheck, ObjectToCheck


def canaries_to_check(root: Path) -> list[ObjectToCheck]:
    """The canaries below `root` as the sweep is to check them."""
    return [
        ObjectToCheck(
            canary.object_id, root / object_folder(canary.object_id), 1, canary.inventory_sha256
        )
        for canary in flock()
    ]


def what_is_broken(checks: Sequence[ObjectCheck]) -> str:
    """Why the code that made these checks is not to be believed; empty when it is."""
    seen = {check.object_id: check for check in checks}
    reasons = (_difference(canary, seen.get(canary.object_id)) for canary in flock())
    return "; ".join(filter(None, reasons))


def _difference(canary: Canary, check: ObjectCheck | None) -> str:
    if check is None or not check.finished:
        return f"{canary.object_id} could not be judged"
    found: Found = frozenset((damage.kind, damage.path) for damage in check.damages)
    if found == canary.expected:
        return ""
    return f"{canary.object_id} has {_in_words(canary.expected)}; {_in_words(found)} was found"


def _in_words(damages: Found) -> str:
    return ", ".join(sorted(f"{kind.value} {path}" for kind, path in damages)) or "nothing wrong"
