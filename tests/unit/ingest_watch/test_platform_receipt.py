"""Answers in the platform's own codes (ingest_watch/platform_receipt.py)."""

import json
from dataclasses import replace

import pytest

from ingest_watch.answers import Reason, read_answer, rejected
from ingest_watch.platform_receipt import encode, platform_receipt
from storage.catalogue.model import AnswerKind
from tests.answer_samples import FACTS, REASON, body_of, failed_check


def receipt_of(body: bytes) -> dict[str, object]:
    receipt = platform_receipt(read_answer(body))
    assert receipt is not None
    members = json.loads(encode(receipt))
    assert isinstance(members, dict)
    return members


def test_a_stored_case_is_archived() -> None:
    assert receipt_of(body_of(AnswerKind.STORED)) == {
        "businessId": "case-1",
        "state": 1,
        "result": 1,
        "result_str": "归档成功",
    }


@pytest.mark.parametrize("kind", [AnswerKind.RECEIVED, AnswerKind.HELD])
def test_what_is_not_final_has_no_receipt(kind: AnswerKind) -> None:
    assert platform_receipt(read_answer(body_of(kind))) is None


@pytest.mark.parametrize(
    ("code", "is_found", "result"),
    [
        ("digest-mismatch", True, 5),
        ("archive-damaged", True, 4),
        ("zip-overlap", True, 4),
        ("encrypted", True, 4),
        ("batch-zip-missing", True, 3),
        ("identifier-taken", False, 2),
        ("rejected-by-person", False, 2),
    ],
)
def test_a_rejection_has_the_result_of_its_reasons(code: str, is_found: bool, result: int) -> None:
    checks = [failed_check(code)] if is_found else [failed_check("other")]
    members = receipt_of(rejected(FACTS, checks, [replace(REASON, code=code)]))
    assert (members["state"], members["result"]) == (3, result)
    assert "摘要不符" in str(members["result_str"])


def test_a_package_too_broken_to_say_its_identifier_is_called_by_its_name() -> None:
    facts = replace(FACTS, identifier=None, name="batch-7/A001.ZIP")
    assert receipt_of(rejected(facts, [], [REASON]))["businessId"] == "A001"


def test_a_thousand_reasons_are_cut_to_what_a_column_holds() -> None:
    reasons = [Reason("c", None, "m", f"第 {number} 项不符") for number in range(1000)]
    text = str(receipt_of(rejected(FACTS, [failed_check("c")], reasons))["result_str"])
    assert len(text) == 500
    assert text.endswith("…")
