"""What a burn-in came to, as the file beside a disk's identity that its node signed.

docs/formats/volume.md, "node-burn-in". Written whole; a later burn-in takes its place. How the
disk was tried is proof.py's affair.
"""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from storage.burn_in.device import Device, DeviceFacts
from storage.durable import write_whole_file
from storage.errors import Refusal
from storage.node_answer import NOT_BURNED_IN
from storage.signing import SIGNATURE_BYTES, SigningKey, VerifyKey

RESULT_NAME = "node-burn-in"
SIGNATURE_NAME = "node-burn-in.sig"
RESULT_FORMAT = "lantai.node-burn-in.v1"

Outcome = Literal["passed", "failed", "remark", "not-told"]


class BurnInUnreadable(Refusal):
    """The file is not a burn-in's result, or its node did not sign it."""

    code = "burn-in-unreadable"


class Examined(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was looked at."""

    check: str
    outcome: Outcome
    detail: str
    detail_zh: str


class BurnIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's members, in the order in which they are written."""

    format: str
    node_uuid: str
    node: str
    at: str
    software: str
    kernel: str
    outcome: Literal["passed", "failed"]
    verify_mode: str
    tested_bytes: int
    disk: DeviceFacts
    examined: tuple[Examined, ...]


def encode(result: BurnIn) -> bytes:
    """The file's bytes."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def keep(root: Path, result: BurnIn, key: SigningKey) -> str:
    """Put it beside the identity in `root`, durably; returns its SHA-256.

    A crash between the two files leaves a signature that does not fit, which counts as none.
    """
    content = encode(result)
    write_whole_file(root / SIGNATURE_NAME, key.sign(content), mode=0o444)
    write_whole_file(root / RESULT_NAME, content, mode=0o444)
    return hashlib.sha256(content).hexdigest()


def read(root: Path, key: VerifyKey) -> tuple[BurnIn, str] | None:
    """The result kept in `root` and its SHA-256; None where there is none. BurnInUnreadable."""
    try:
        content = (root / RESULT_NAME).read_bytes()
        signature = (root / SIGNATURE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BurnInUnreadable(f"{root / RESULT_NAME} cannot be read: {error}") from error
    if len(signature) != SIGNATURE_BYTES or not key.verify(content, signature):
        raise BurnInUnreadable(f"{root / RESULT_NAME} is not signed by its node's key")
    try:
        result = msgspec.json.decode(content, type=BurnIn)
    except msgspec.DecodeError as error:
        raise BurnInUnreadable(f"{root / RESULT_NAME} is signed, but no result") from error
    if result.format != RESULT_FORMAT:
        raise BurnInUnreadable(f"{root / RESULT_NAME} is of another format: {result.format!r}")
    return result, hashlib.sha256(content).hexdigest()


def named_burn_in(root: Path, key: VerifyKey) -> str:
    """What the answers of the volume at `root` name: the SHA-256 of the result, or `failed`.

    `none` where there is none, where it cannot be believed, and where it is another disk's.
    """
    try:
        known = read(root, key)
    except BurnInUnreadable:
        return NOT_BURNED_IN
    if known is None:
        return NOT_BURNED_IN
    burned, sha256 = known
    if burned.outcome != "passed":
        return "failed"
    return sha256 if burned.disk.is_same_disk(Device(root).facts()) else NOT_BURNED_IN
