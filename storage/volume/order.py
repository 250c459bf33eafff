"""What a writer announces before it sends a package, and whether that can be believed.

docs/wire/put.md; docs/formats/volume.md, "order.json". Pure: the disk is asked elsewhere.
"""

import re
from dataclasses import asdict, dataclass

import msgspec

from storage.file_list import FILES_MAX
from storage.volume.refusals import OrderInvalid

OBJECT_ID_BYTES_MAX = 1024
VERSIONS_MAX = 10_000
CONTENT_BYTES_MAX = 10 * 1024**4
# A million lines, each with a path of at most 1 KiB in JSON.
FILE_LIST_BYTES_MAX = 4 * 1024**3
INVENTORY_BYTES_MAX = 8 * 1024**3

KEEPER_SCOPE = "keeper"

_OP_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class VersionStream:
    """One version's part of a stream: file list, inventory, content."""

    file_list_bytes: int
    inventory_bytes: int
    content_bytes: int
    file_count: int
    file_list_sha256: str
    inventory_sha256: str

    @property
    def total_bytes(self) -> int:
        """Length of this part."""
        return self.file_list_bytes + self.inventory_bytes + self.content_bytes


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """One `put`: an operation, the object it makes, all lengths and digests.

    A mend brings every version of the object in one stream, the oldest first.
    """

    op_id: str
    object_id: str
    version: int
    epoch: int
    file_list_bytes: int
    inventory_bytes: int
    content_bytes: int
    file_count: int
    file_list_sha256: str
    inventory_sha256: str
    replaces_damaged: bool = False  # a repair: the copy that is here is bad
    earlier: tuple[VersionStream, ...] = ()  # of a repair: the versions before this one
    earlier_files: int = 0  # in the content of the versions before this one
    earlier_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Length of the whole stream."""
        return sum(stream.total_bytes for _, stream in self.streams)

    @property
    def streams(self) -> list[tuple[int, VersionStream]]:
        """The parts of the stream, each with its version's number."""
        own = VersionStream(
            self.file_list_bytes,
            self.inventory_bytes,
            self.content_bytes,
            self.file_count,
            self.file_list_sha256,
            self.inventory_sha256,
        )
        return list(enumerate((*self.earlier, own), start=self.version - len(self.earlier)))

    @property
    def adds_version(self) -> bool:
        """Whether the object is here already, and gets one version more."""
        return self.version > 1 and not self.replaces_damaged

    @property
    def epoch_scope(self) -> str:
        """Whose lease the epoch belongs to: the keeper's, or the claim on this one package.

        A claim keeps its operation over every change of hands, so the operation names it.
        """
        return KEEPER_SCOPE if self.replaces_damaged else self.op_id

    def needed_bytes(self) -> int:
        """Space to ask for: everything, the second inventory, and a block for each name."""
        inventories = sum(stream.inventory_bytes for _, stream in self.streams)
        return self.total_bytes + inventories + self.needed_names() * 4096

    def needed_names(self) -> int:
        """Files, folders and our own records, at most."""
        return sum(2 * stream.file_count + 16 for _, stream in self.streams)


class _OrderFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    op_id: str
    object_id: str
    version: int
    epoch: int
    file_list_bytes: int
    inventory_bytes: int
    content_bytes: int
    file_count: int
    file_list_sha256: str
    inventory_sha256: str
    replaces_damaged: bool
    earlier: tuple[VersionStream, ...] = ()
    earlier_files: int = 0
    earlier_bytes: int = 0


def check_order(order: StoreOrder) -> None:
    """Raises OrderInvalid if the announcement cannot be carried out."""
    flaw = _flaw(order)
    if flaw is not None:
        raise OrderInvalid(flaw)


def encode_order(order: StoreOrder) -> bytes:
    """The order as `order.json` keeps it."""
    return msgspec.json.encode(asdict(order))


def decode_order(content: bytes) -> StoreOrder | None:
    """The order in an `order.json`; None if the file is not one, as after a power cut."""
    try:
        kept = msgspec.json.decode(content, type=_OrderFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return StoreOrder(**msgspec.structs.asdict(kept))


def _flaw(order: StoreOrder) -> str | None:
    if _OP_ID.fullmatch(order.op_id) is None:
        return "op_id must be 32 lower-case hexadecimal digits"
    if not _usable_object_id(order.object_id):
        return f"object_id must be 1 to {OBJECT_ID_BYTES_MAX} bytes of UTF-8 without NUL"
    if order.version < 1 or order.epoch < 1:
        return "versions and epochs count from 1"
    if order.version > VERSIONS_MAX:
        return f"an object has at most {VERSIONS_MAX} versions"
    if len(order.earlier) != (order.version - 1 if order.replaces_damaged else 0):
        return "a mend brings every version of the object, and nothing else brings more than one"
    flaws = (_stream_flaw(stream) for _, stream in order.streams)
    return next((flaw for flaw in flaws if flaw is not None), None)


def _stream_flaw(stream: VersionStream) -> str | None:
    for digest in (stream.file_list_sha256, stream.inventory_sha256):
        if _DIGEST.fullmatch(digest) is None:
            return "a SHA-256 must be 64 lower-case hexadecimal digits"
    limits = (
        ("file_count", stream.file_count, 1, FILES_MAX),
        ("file_list_bytes", stream.file_list_bytes, 1, FILE_LIST_BYTES_MAX),
        ("inventory_bytes", stream.inventory_bytes, 1, INVENTORY_BYTES_MAX),
        ("content_bytes", stream.content_bytes, 0, CONTENT_BYTES_MAX),
    )
    for name, value, smallest, largest in limits:
        if not smallest <= value <= largest:
            return f"{name} is {value}, and must be between {smallest} and {largest}"
    return None


def _usable_object_id(object_id: str) -> bool:
    try:
        encoded = object_id.encode()
    except UnicodeEncodeError:
        return False
    return 0 < len(encoded) <= OBJECT_ID_BYTES_MAX and "\0" not in object_id
