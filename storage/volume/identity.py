"""Who a disk is, and whether it is still the one that was opened.

docs/formats/volume.md, "node-identity". An unmounted disk leaves an empty folder that takes
writes gladly; so device and inode numbers are compared before every operation and publication.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.durable import write_whole_file
from storage.signing import SigningKey, VerifyKey
from storage.volume.refusals import DiskChanged, IdentityWrong

IDENTITY_NAME = "node-identity"
SIGNATURE_NAME = "node-identity.sig"
IDENTITY_FORMAT = "lantai.node-identity.v1"


class NodeIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's members, in the order in which they are written."""

    format: str
    node_uuid: str
    node: str
    domain: str
    created_at: str
    verify_key: str


def make_identity(root: Path, node: str, domain: str, created_at: str, key: SigningKey) -> None:
    """Write a new identity into `root`, the signature first, both durably."""
    identity = NodeIdentity(
        IDENTITY_FORMAT, str(uuid.uuid4()), node, domain, created_at, key.verify_key.hex()
    )
    content = msgspec.json.format(msgspec.json.encode(identity), indent=2) + b"\n"
    write_whole_file(root / SIGNATURE_NAME, key.sign(content), mode=0o444, replace=False)
    write_whole_file(root / IDENTITY_NAME, content, mode=0o444, replace=False)


def read_identity(root: Path, node: str, key: VerifyKey) -> NodeIdentity:
    """The identity of the disk at `root`.

    Raises IdentityWrong unless it is there, signed by this node's key, and of this node.
    """
    try:
        content = (root / IDENTITY_NAME).read_bytes()
        signature = (root / SIGNATURE_NAME).read_bytes()
    except OSError as error:
        raise IdentityWrong(
            f"{root} holds no readable {IDENTITY_NAME} ({error.strerror}): is the disk mounted?"
        ) from error
    if len(signature) != 64 or not key.verify(content, signature):
        raise IdentityWrong(f"{root / IDENTITY_NAME} is not signed by the key of {node}")
    try:
        identity = msgspec.json.decode(content, type=NodeIdentity)
    except msgspec.DecodeError as error:
        raise IdentityWrong(f"{root / IDENTITY_NAME} is signed, but no identity") from error
    if identity.format != IDENTITY_FORMAT or identity.node != node:
        raise IdentityWrong(f"{root} is the disk of {identity.node}, not of {node}")
    return identity


@dataclass(frozen=True, slots=True)
class MountGuard:
    """Remembers which disk was opened."""

    root: Path
    marks: tuple[int, int, int, int]

    @classmethod
    def remember(cls, root: Path) -> "MountGuard":
        """Take the disk that is mounted now for the right one; its identity was just checked."""
        return cls(root, _marks(root))

    def check(self) -> None:
        """Raises DiskChanged if the root is on another disk now, or on none."""
        try:
            marks = _marks(self.root)
        except OSError as error:
            raise DiskChanged(
                f"{self.root} has lost its {IDENTITY_NAME} ({error.strerror}): is it mounted?"
            ) from error
        if marks != self.marks:
            raise DiskChanged(f"{self.root} is not the disk that was opened: restart the node")


def _marks(root: Path) -> tuple[int, int, int, int]:
    folder = root.stat()
    identity = (root / IDENTITY_NAME).lstat()
    return folder.st_dev, folder.st_ino, identity.st_dev, identity.st_ino
