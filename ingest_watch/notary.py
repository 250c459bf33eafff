"""What the notary demands before it signs: for a stored answer, N nodes' own signatures.

docs/formats/answers.md ("The notary signs stored only if"). Pure: bytes and keys come in, the
answer or a refusal comes out. The signing key is not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from ingest_watch.answers import (
    Answer,
    CopyEntry,
    read_answer,
)
from storage.catalogue.model import AnswerKind
from storage.errors import Refusal
from storage.model import VerifyMode
from storage.node_answer import believe
from storage.signing import VerifyKey


class StatementRefused(Refusal):
    """The statement is not borne out by what the nodes signed; the notary does not sign it."""

    code = "statement-refused"


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node by the notary's own list, never by what an answer says of itself."""

    name: str
    domain: str
    verify_key: VerifyKey


@dataclass(frozen=True, slots=True)
class Demands:
    """What a stored answer must show."""

    copies: int
    allow_unproven: bool = False


def examine(body: bytes, nodes: Mapping[str, KnownNode], demands: Demands) -> Answer:
    """Return the answer in `body` if it may be signed.

    Answers other than `stored` promise nothing about copies and need none.
    Raises AnswerUnreadable, NodeAnswerRefused or StatementRefused.
    """
    answer = read_answer(body)
    if answer.kind is AnswerKind.STORED:
        _examine_copies(answer, nodes, demands)
    elif answer.copies is not None:
        raise StatementRefused(f"a {answer.kind} answer may not claim copies")
    return answer


def _examine_copies(answer: Answer, nodes: Mapping[str, KnownNode], demands: Demands) -> None:
    if answer.files is UNSET or answer.version is None or answer.inventory_sha256 is None:
        raise StatementRefused("a stored answer must name its version, inventory and files")
    proven: dict[str, str] = {}
    for copy in answer.copies or ():
        node = nodes.get(copy.node)
        if node is None:
            raise StatementRefused(f"node {copy.node!r} is not on the notary's list")
        _examine_copy(answer, copy, node, demands)
        if node.name in proven:
            raise StatementRefused(f"node {node.name} is counted twice")
        proven[node.name] = node.domain
    if len(proven) < demands.copies:
        raise StatementRefused(f"{len(proven)} of {demands.copies} copies are proven")
    if len(set(proven.values())) < demands.copies:
        raise StatementRefused(f"the copies span fewer than {demands.copies} failure domains")


def _examine_copy(answer: Answer, copy: CopyEntry, node: KnownNode, demands: Demands) -> None:
    said = believe(copy.signed(), node.name, node.verify_key)
    claimed = (answer.object_id, answer.version, answer.inventory_sha256)
    if (said.object_id, said.version, said.inventory_sha256) != claimed:
        raise StatementRefused(f"node {node.name} signed another object, version or inventory")
    if (copy.verify_mode, copy.node_uuid) != (said.verify_mode, said.node_uuid):
        raise StatementRefused(f"the statement about node {node.name} is not what it signed")
    if said.verify_mode == VerifyMode.UNPROVEN and not demands.allow_unproven:
        raise StatementRefused(
            f"node {node.name} could not prove its read-back; notary.allow_unproven is off"
        )
