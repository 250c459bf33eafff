"""Small OCFL objects and storage roots, written by hand: a test breaks one rule at a time.

Written with the standard library only, on purpose: what is tested must not help to write it.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIRST, SECOND = b"first\n", b"second\n"
Inventory = dict[str, Any]


def sha512(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


def good_inventories(
    version: str = "1.1", object_id: str = "urn:example:a"
) -> dict[str, Inventory]:
    """Two versions: v1 has a.txt, v2 adds sub/b.txt."""
    user = {"name": "A Person", "address": "mailto:person@example.org"}
    v1_state = {sha512(FIRST): ["a.txt"]}
    v2_state = {sha512(FIRST): ["a.txt"], sha512(SECOND): ["sub/b.txt"]}
    blocks = {
        "v1": {"created": "2026-01-01T00:00:00Z", "message": "m", "user": user, "state": v1_state},
        "v2": {"created": "2026-01-02T00:00:00Z", "message": "n", "user": user, "state": v2_state},
    }
    v1 = {
        "id": object_id,
        "type": f"https://ocfl.io/{version}/spec/#inventory",
        "digestAlgorithm": "sha512",
        "head": "v1",
        "manifest": {sha512(FIRST): ["v1/content/a.txt"]},
        "versions": {"v1": blocks["v1"]},
    }
    v2 = {
        **v1,
        "head": "v2",
        "manifest": {
            sha512(FIRST): ["v1/content/a.txt"],
            sha512(SECOND): ["v2/content/sub/b.txt"],
        },
        "versions": blocks,
    }
    return copy.deepcopy({"v1": v1, "v2": v2})


def write_inventory_by_hand(folder: Path, inventory: Any, algorithm: str = "sha512") -> None:
    """An inventory (JSON, or bytes as they are) and a sidecar that is right."""
    data = inventory if isinstance(inventory, bytes) else json.dumps(inventory, indent=1).encode()
    (folder / "inventory.json").write_bytes(data)
    digest = hashlib.new(algorithm, data).hexdigest()
    (folder / f"inventory.json.{algorithm}").write_text(f"{digest} inventory.json\n")


def write_good_object(folder: Path, version: str = "1.1", object_id: str = "urn:example:a") -> Path:
    inventories = good_inventories(version, object_id)
    (folder / "v1/content").mkdir(parents=True)
    (folder / "v2/content/sub").mkdir(parents=True)
    (folder / "v1/content/a.txt").write_bytes(FIRST)
    (folder / "v2/content/sub/b.txt").write_bytes(SECOND)
    (folder / f"0=ocfl_object_{version}").write_text(f"ocfl_object_{version}\n")
    write_inventory_by_hand(folder / "v1", inventories["v1"])
    write_head(folder, inventories["v2"])
    return folder


def write_head(folder: Path, inventory: Any, algorithm: str = "sha512") -> None:
    """The newest version's inventory, in both of its places."""
    write_inventory_by_hand(folder / "v2", inventory, algorithm)
    write_inventory_by_hand(folder, inventory, algorithm)


def change_head(folder: Path, change: Callable[[Inventory], object]) -> None:
    inventory = json.loads((folder / "inventory.json").read_bytes())
    change(inventory)
    write_head(folder, inventory)


def change_first(folder: Path, change: Callable[[Inventory], object]) -> None:
    """The same for the inventory in v1."""
    inventory = json.loads((folder / "v1/inventory.json").read_bytes())
    change(inventory)
    write_inventory_by_hand(folder / "v1", inventory)


def write_good_root(root: Path, version: str = "1.1") -> Path:
    """Layout 0003 with one tuple of two digits, two objects."""
    extension = "0003-hash-and-id-n-tuple-storage-layout"
    configuration = {"extensionName": extension, "tupleSize": 2, "numberOfTuples": 1}
    (root / "extensions" / extension).mkdir(parents=True)
    (root / "extensions" / extension / "config.json").write_text(json.dumps(configuration))
    layout = {"extension": extension, "description": "two digits, then the id"}
    (root / "ocfl_layout.json").write_text(json.dumps(layout))
    (root / f"0=ocfl_{version}").write_text(f"ocfl_{version}\n")
    for name in ("one", "two"):
        tuple_name = hashlib.sha256(f"urn:{name}".encode()).hexdigest()[:2]
        write_good_object(root / tuple_name / f"urn%3a{name}", version, f"urn:{name}")
    return root
