"""What the nodes are told of the ledger gives the same catalogue back, on every database.

docs/formats/chronicle.md; storage/catalogue/chronicle.py, replay.py, pouring.py.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.catalogue import (
    answers,
    chronicle,
    copies,
    findings,
    index_comparison,
    leases,
    packages,
    pouring,
    repairs,
    schema,
    volumes,
)
from storage.catalogue import scratch as scratch_tables
from storage.catalogue.answer_assembly import assemble
from storage.catalogue.chronicle import Sliced, Standing
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import (
    Actor,
    AnswerKind,
    CopyState,
    NewAnswer,
    NodeFinding,
    Package,
    Tenure,
)
from storage.catalogue.replay import JournalRecord, Replay, disagreements_of
from storage.catalogue.replay_settling import settle
from storage.catalogue.scratch import Scratch
from storage.chronicle.page import FIRST_CHAIN, PAGE_BYTES_MAX, Page, Position, Row, pack, unpack
from tests.contract.catalogue.story import Story, copy_of, moment, new_package, receipt

START = Position()


def tell(catalogue: Catalogue, after: Position = START) -> list[Page]:
    """Every page that a node at `after` is told."""
    upto = catalogue.act(chronicle.horizon)
    pages: list[Page] = []
    reached, sliced = after, Sliced()
    while (made := catalogue.look(chronicle.next_page, reached, upto, sliced)) is not None:
        page, sliced = made
        assert len(page.body) <= PAGE_BYTES_MAX
        assert page.after == reached
        reached = page.upto
        pages.append(page)
    return pages


def as_records(pages: list[Page]) -> list[JournalRecord]:
    """The journal of a node that was told them."""
    return [
        JournalRecord(
            number, moment(number), "told",
            {
                "event_sequence": page.upto.event_sequence, "answer_id": page.upto.answer_id,
                "chain": page.upto.chain, "as_of": page.as_of,
                "page_base64": base64.b64encode(page.body).decode(),
            },
        )
        for number, page in enumerate(pages, start=1)
    ]  # fmt: skip


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    made = Scratch.create(tmp_path)
    yield made
    made.close()


def stored(catalogue: Catalogue, count: int = 3) -> None:
    with catalogue.writing() as connection:
        story = Story(connection)
        for number in range(count):
            story.stored(f"case-{number:04}")


def test_what_was_told_to_any_node_gives_every_index_row_back(
    catalogue: Catalogue, scratch: Scratch, tmp_path: Path
) -> None:
    stored(catalogue)
    long = b'{"files":"' + b"0123456789abcdef" * 20_000 + b'"}'
    with catalogue.writing() as connection:
        held = Story(connection).accepted("case-long")
        given = NewAnswer(AnswerKind.RECEIVED, long, hashlib.sha256(long).hexdigest(), b"s" * 64)
        answers.give(connection, held.id, given, moment(900))
    pages = tell(catalogue)
    replay = Replay(scratch, lambda _node, _answer: True)
    replay.take("node-1", as_records(pages))
    replay.take("node-2", as_records(pages[:-1]))  # it was away in the end
    settle(scratch)
    assemble(scratch)
    url = f"sqlite:///{tmp_path}/again.sqlite"
    upgrade(url)
    again = Catalogue.open(url)
    try:
        pouring.pour(scratch, again, moment(1000), lambda _table, _rows: None)
        for table in (schema.packages, schema.copies, schema.tallies, schema.events):
            assert rows_of(again, table.name) == rows_of(catalogue, table.name)
        found = again.look(answers.find, held.id, AnswerKind.RECEIVED)
        assert found is not None
        assert found.body == long
    finally:
        again.close()
    assert list(index_comparison.differences(scratch, catalogue)) == []


def test_damage_told_of_one_version_comes_back_for_all_of_the_object(
    catalogue: Catalogue, scratch: Scratch
) -> None:
    """Every version was told while it was good; then the node's copy of them is found damaged."""
    with catalogue.writing() as connection:
        story = Story(connection)
        first = story.stored()
        second = store_version(story, 2)
    pages = tell(catalogue)
    found = NodeFinding("node-1", 4, moment(500), first.object_id, "altered", "v1/x", "…", "{}")
    heard = repairs.ToldFinding(found, second.id, CopyState.DAMAGED)
    catalogue.act(repairs.record_found, heard, moment(501))
    pages += tell(catalogue, pages[-1].upto)
    Replay(scratch, lambda _node, _answer: True).take("node-2", as_records(pages))
    settle(scratch)
    assert list(index_comparison.differences(scratch, catalogue)) == []
    with scratch.catalogue.reading() as connection:
        (told,) = connection.execute(select(scratch_tables.findings)).mappings()
    assert (told["node"], told["sequence"], told["kind"]) == ("node-1", 4, "altered")


def test_damage_that_was_heard_of_after_its_mend_comes_back_as_mended(
    catalogue: Catalogue, scratch: Scratch
) -> None:
    with catalogue.writing() as connection:
        package = Story(connection).stored()
    found = NodeFinding("node-1", 4, moment(500), package.object_id, "altered", "v1/x", "…", "{}")
    heard = repairs.ToldFinding(found, package.id, CopyState.DAMAGED, mended_at=moment(501))
    catalogue.act(repairs.record_found, heard, moment(502))
    Replay(scratch, lambda _node, _answer: True).take("node-2", as_records(tell(catalogue)))
    settle(scratch)
    assert list(index_comparison.differences(scratch, catalogue)) == []
    with scratch.catalogue.reading() as connection:
        (told,) = connection.execute(select(scratch_tables.findings)).mappings()
    (known,) = catalogue.look(findings.page)
    assert (told["mended_at"], told["outcome"]) == (known.mended_at, known.outcome)
    assert known.mended_at == moment(501)


def test_a_replaced_disk_keeps_its_numbers_apart_from_those_of_the_old_one(
    catalogue: Catalogue, scratch: Scratch
) -> None:
    actor, uuids = Actor("keeper", "one"), ("a" * 36, "b" * 36)
    stored(catalogue, 1)
    catalogue.act(volumes.meet, "node-1", uuids[0], actor, moment(600))
    found = NodeFinding("node-1", 9, moment(601), None, "stray-object", "x", "…", "{}")
    heard = repairs.ToldFinding(found, None, CopyState.DAMAGED)
    catalogue.act(repairs.record_found, heard, moment(602))
    assert catalogue.act(volumes.meet, "node-1", uuids[1], actor, moment(603))
    Replay(scratch, lambda _node, _answer: True).take("node-2", as_records(tell(catalogue)))
    settle(scratch)
    assert list(index_comparison.differences(scratch, catalogue)) == []
    with scratch.catalogue.reading() as connection:
        (known,) = connection.execute(select(scratch_tables.volumes)).mappings()
    assert (known["node_uuid"], known["findings_before"]) == (uuids[1], 9)


def store_version(story: Story, number: int) -> Package:
    """The next version of the object that `Story.stored` makes."""
    new = new_package(identity=str(number) * 64)
    digest = f"{number}a" * 32
    new = replace(new, version=replace(new.version, version=number, inventory_sha256=digest))
    claim = story.accepted(f"again {number}").claim
    package = packages.begin_writing(story.connection, claim, new, story.tick())
    for node in (1, 2, 3):
        copies.record(story.connection, copy_of(package, f"node-{node}"))
    return packages.finish(story.connection, claim, package.id, receipt(), story.tick())


def rows_of(catalogue: Catalogue, name: str) -> list[dict[str, object]]:
    table = schema.metadata.tables[name]
    columns = [table.c[each] for each in pouring.columns_of(table)]
    with catalogue.reading() as connection:
        query = select(*columns).order_by(*table.primary_key.columns)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_a_node_is_told_from_where_it_is_and_the_chain_goes_on(catalogue: Catalogue) -> None:
    stored(catalogue, 1)
    first = tell(catalogue)[-1].upto
    stored_later(catalogue)
    assert tell(catalogue, first)[-1].upto == tell(catalogue)[-1].upto
    assert catalogue.look(chronicle.chain_at, first.event_sequence) == first.chain
    assert catalogue.look(chronicle.chain_at, 0) == FIRST_CHAIN


def stored_later(catalogue: Catalogue) -> None:
    with catalogue.writing() as connection:
        Story(connection).stored("case-later")


def test_a_catalogue_that_knows_less_than_a_node_is_behind_and_another_past_is_forked(
    catalogue: Catalogue,
) -> None:
    stored(catalogue, 1)
    reached = tell(catalogue)[-1].upto

    def stands(said: Position, epoch: int = 1) -> Standing:
        return catalogue.look(chronicle.standing, said, epoch)

    assert stands(reached) is Standing.LEVEL
    assert stands(START) is Standing.LEVEL
    ahead = Position(reached.event_sequence + 1, reached.answer_id, "a" * 64)
    assert stands(ahead) is Standing.BEHIND
    assert stands(Position(reached.event_sequence, reached.answer_id + 1, reached.chain)) is (
        Standing.BEHIND
    )
    assert stands(Position(reached.event_sequence, 0, "a" * 64)) is Standing.FORKED
    assert stands(reached, epoch=2) is Standing.BEHIND
    tenure = Tenure("keeper@one", moment(5))
    catalogue.act(leases.acquire, "keeper", tenure, moment(1))
    catalogue.act(leases.raise_keeper_epoch, 2, moment(6))
    assert stands(reached, epoch=2) is Standing.LEVEL


def test_two_nodes_that_were_told_different_pasts_are_a_disagreement(
    catalogue: Catalogue, scratch: Scratch
) -> None:
    stored(catalogue, 1)
    pages = tell(catalogue)
    rows = [row for row in unpack(pages[-1].body) if row.table == "events"]
    others = [Row("events", {**row.values, "who": "somebody else"}) for row in rows]
    replay = Replay(scratch, lambda _node, _answer: True)
    replay.take("node-1", as_records(pages))
    replay.take("node-2", as_records([replace(pages[-1], body=pack(others))]))
    found = disagreements_of(scratch)
    assert {(each.node, each.code) for each in found} == {("node-2", "event-differs")}
    assert len(found) == len(others)
