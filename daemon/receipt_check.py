"""Judge a signed answer as a sender or an auditor would: what it claims, and who stands for it.

docs/formats/answers.md. Works on the bytes alone, with the notary's public key and, when they are
known, the nodes'. Pure: reads no file and asks nobody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET

from ingest_watch.answers import Answer, AnswerUnreadable, CopyEntry, all_files, read_answer
from storage.catalogue.model import AnswerKind
from storage.file_list import identity
from storage.node_answer import NOT_BURNED_IN, NodeAnswerRefused, believe, read_node_answer
from storage.signing import VerifyKey


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that was looked at: it holds, it does not, or it could not be looked at."""

    outcome: Literal["passed", "failed", "could-not-run"]
    subject: str
    message: str
    message_zh: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All statements about one answer; it holds when none failed."""

    answer: Answer | None
    statements: tuple[Statement, ...]

    @property
    def holds(self) -> bool:
        """True when nothing that was looked at failed."""
        return all(statement.outcome != "failed" for statement in self.statements)


def judge_receipt(
    body: bytes, signature: bytes, notary: VerifyKey, nodes: Mapping[str, VerifyKey]
) -> Verdict:
    """Judge `body`. A node that `nodes` does not have could not be looked at."""
    if not notary.verify(body, signature):
        failed = Statement(
            "failed",
            "signature",
            "the signature is not the notary's over these bytes",
            "签名不是由签章密钥对此文件作出",
        )
        return Verdict(None, (failed,))
    signed = Statement("passed", "signature", "signed by the notary's key", "签名有效")
    try:
        answer = read_answer(body)
    except AnswerUnreadable as error:
        return Verdict(None, (signed, Statement("failed", "format", str(error), "格式不符")))
    return Verdict(answer, (signed, *_contents(answer, nodes)))


def _contents(answer: Answer, nodes: Mapping[str, VerifyKey]) -> Iterator[Statement]:
    if answer.kind is not AnswerKind.STORED:
        return
    yield _identity(answer)
    copies = answer.copies or []
    for copy in copies:
        yield _copy(answer, copy, nodes.get(copy.node))
    domains = {copy.domain for copy in copies}
    if not copies or len(domains) < len(copies):
        yield Statement(
            "failed", "copies", "copies share a failure domain", "副本未分布于独立故障域"
        )
    else:
        count = len(copies)
        message = f"{count} copies in {count} failure domains"
        yield Statement("passed", "copies", message, f"{count} 份副本分布于 {count} 个故障域")


def _identity(answer: Answer) -> Statement:
    if answer.files is UNSET or answer.identity != identity(all_files(answer)):
        return Statement(
            "failed", "files", "the files do not give the identity", "文件清单与包指纹不符"
        )
    count = answer.file_count
    return Statement("passed", "files", f"{count} files give the identity", "文件清单与包指纹相符")


def _copy(answer: Answer, copy: CopyEntry, key: VerifyKey | None) -> Statement:
    subject = f"copy on {copy.node}"
    try:
        signed = copy.signed()
        said = read_node_answer(signed.payload) if key is None else believe(signed, copy.node, key)
    except (AnswerUnreadable, NodeAnswerRefused) as error:
        return Statement("failed", subject, str(error), "节点签名无效")
    claimed = (answer.object_id, answer.version, answer.inventory_sha256, copy.node, copy.domain)
    if (said.object_id, said.version, said.inventory_sha256, said.node, said.domain) != claimed:
        return Statement(
            "failed", subject, "the node signed another object or place", "节点签名与回执不一致"
        )
    if key is None:
        return Statement(
            "could-not-run",
            subject,
            "this node's key is not known here (--config, --node-key); the notary has checked it",
            "此处没有该节点公钥,未核验",
        )
    burn_in = said.burn_in or NOT_BURNED_IN
    message = f"signed by the node; read back from the medium ({said.verify_mode}); burn-in"
    return Statement(
        "passed",
        subject,
        f"{message}: {burn_in}",
        f"节点签名有效;介质回读方式 {said.verify_mode};上线前检验 {burn_in}",
    )
