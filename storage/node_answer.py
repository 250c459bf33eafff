"""Read what a node signed of a copy: the node answer of docs/formats/answers.md.

Signing it is the volume's affair (storage/volume/events.py). Whether it is to be believed depends
on the key, and `believe` asks for it.
"""

import msgspec

from storage.errors import Refusal
from storage.model import SignedAnswer, VerifyMode
from storage.signing import VerifyKey

FORMAT = "lantai.node-answer.v1"
# What an answer names when its disk was never burned in, or is another one now.
NOT_BURNED_IN = "none"


class NodeAnswerRefused(Refusal):
    """The bytes are not a node's answer, or its key did not sign them."""

    code = "node-answer-refused"


class NodeAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload, member for member."""

    format: str
    op_id: str
    node: str
    node_uuid: str
    domain: str
    object_id: str
    version: int
    inventory_sha256: str
    file_count: int
    content_bytes: int
    verify_mode: VerifyMode
    committed_at: str
    journal_sequence: int
    # SHA-256 of the disk's burn-in, "failed" or "none"; empty in answers from before there was one.
    burn_in: str = ""


def read_node_answer(payload: bytes) -> NodeAnswer:
    """Raises NodeAnswerRefused when `payload` is not a node answer this version knows."""
    try:
        said = msgspec.json.decode(payload, type=NodeAnswer)
    except msgspec.MsgspecError as error:
        raise NodeAnswerRefused(f"not a node's answer: {error}") from error
    if said.format != FORMAT:
        raise NodeAnswerRefused(f"format {said.format!r} is not {FORMAT!r}")
    return said


def believe(answer: SignedAnswer, node: str, key: VerifyKey) -> NodeAnswer:
    """Return what `node` said, if its key signed it. Raises NodeAnswerRefused."""
    if not key.verify(answer.payload, answer.signature):
        raise NodeAnswerRefused(f"the answer of node {node} does not verify under its key")
    said = read_node_answer(answer.payload)
    if said.node != node:
        raise NodeAnswerRefused(f"node {node} signed an answer in the name of {said.node!r}")
    return said
