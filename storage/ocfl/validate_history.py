"""Compare the inventories of an object's versions with each other and with the newest.

OCFL 1.1 sections 3.3.1 (E019, E020), 3.5.1 (E037, E110), 3.7 (E066, W011) and 3.7.1 (E103). Pure.
"""

from collections.abc import Iterable

from storage.ocfl.validate_findings import Findings, shown, shown_list
from storage.ocfl.validate_inventory import DESCRIPTION_KEYS, InventoryFacts


def check_history(
    root: InventoryFacts, prior: Iterable[tuple[str, InventoryFacts]], findings: Findings
) -> None:
    """`prior` is (version, its own inventory), oldest first, without the newest version's."""
    in_order = list(prior)
    for version, inventory in in_order:
        _check_identity(root, inventory, findings)
        _check_head_is(version, inventory, findings)
        for described in inventory.versions:
            _check_state(root, inventory, described, findings)
            _check_description(root, inventory, described, findings)
    _check_content_directories(root, in_order, findings)
    _check_specifications(root, [inventory for _, inventory in in_order], findings)


def _check_identity(root: InventoryFacts, prior: InventoryFacts, findings: Findings) -> None:
    if None in (root.object_id, prior.object_id) or root.object_id == prior.object_id:
        return
    message = f"id {shown(prior.object_id)} is not the object's id {shown(root.object_id)}"
    findings.add("E037", prior.where, message)
    if root.specification != "1.0":
        findings.add("E110", prior.where, message)


def _check_head_is(version: str, prior: InventoryFacts, findings: Findings) -> None:
    newest = prior.versions[-1] if prior.versions else None
    if newest is not None and newest != version:
        message = f"the inventory in {version} must have {version} as its head, not {newest}"
        findings.add("E040", prior.where, message)


def _check_state(
    root: InventoryFacts, prior: InventoryFacts, version: str, findings: Findings
) -> None:
    if version not in root.versions:
        message = f"version {version} is not in the object's newest inventory"
        findings.add("E066", prior.where, message)
        return
    if version not in prior.states or version not in root.states:
        return
    then, now = prior.states[version].paths, root.states[version].paths
    if differing := sorted(then.keys() ^ now.keys()):
        message = f"version {version} has other logical paths in the newest inventory"
        findings.add("E066", prior.where, f"{message}: {shown_list(differing)}")
    changed = _changed_content(root, prior, then, now)
    if changed:
        message = f"version {version} has other content in the newest inventory"
        findings.add("E066", prior.where, f"{message}: {shown_list(changed)}")


def _changed_content(
    root: InventoryFacts, prior: InventoryFacts, then: dict[str, str], now: dict[str, str]
) -> list[str]:
    """Logical paths that both have, with different content.

    With one algorithm digests tell; otherwise the content files that the digests stand for.
    """
    both = then.keys() & now.keys()
    if prior.algorithm_name == root.algorithm_name:
        return sorted(path for path in both if then[path] != now[path])
    contents_then, contents_now = _contents(prior), _contents(root)
    return sorted(
        path
        for path in both
        if not contents_then.get(then[path], set()) <= contents_now.get(now[path], set())
    )


def _contents(inventory: InventoryFacts) -> dict[str, set[str]]:
    contents: dict[str, set[str]] = {}
    for path, digest in inventory.manifest.paths.items():
        contents.setdefault(digest, set()).add(path)
    return contents


def _check_description(
    root: InventoryFacts, prior: InventoryFacts, version: str, findings: Findings
) -> None:
    then, now = prior.described.get(version), root.described.get(version)
    if then is None or now is None:
        return
    for key in DESCRIPTION_KEYS:
        if then.get(key) != now.get(key):
            message = f"version {version}: {key} differs from the newest inventory"
            findings.add("W011", prior.where, message)


def _check_content_directories(
    root: InventoryFacts, prior: list[tuple[str, InventoryFacts]], findings: Findings
) -> None:
    first = prior[0][1] if prior and prior[0][0] == root.versions[0] else None
    later = [*(inventory for _, inventory in prior[1 if first else 0 :]), root]
    for inventory in later:
        reference = first or root
        name = inventory.content_directory_set
        if first and name is not None and name != first.content_directory_set:
            message = f"contentDirectory {shown(name)} was not set so in the first version"
            findings.add("E019", inventory.where, message)
        if inventory.content_directory != reference.content_directory:
            message = f"contentDirectory was {shown(reference.content_directory)}"
            findings.add(
                "E020", inventory.where, f"{message} and is {shown(inventory.content_directory)}"
            )


def _check_specifications(
    root: InventoryFacts, prior: list[InventoryFacts], findings: Findings
) -> None:
    before: InventoryFacts | None = None
    for inventory in (*prior, root):
        if inventory.specification is None:
            continue
        if before and before.specification and inventory.specification < before.specification:
            message = (
                f"OCFL {inventory.specification} after {before.specification} in an earlier version"
            )
            findings.add("E103", inventory.where, message)
        before = inventory
