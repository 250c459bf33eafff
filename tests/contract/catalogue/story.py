"""Values and a narrator for the catalogue's tests."""

import os

from sqlalchemy import Connection

from storage.catalogue import copies, packages, transfers
from storage.catalogue.model import (
    AnswerKind,
    Arrival,
    Claim,
    Copy,
    CopyState,
    Facts,
    NewAnswer,
    NewPackage,
    Package,
    Step,
    Tenure,
    Transfer,
    TransferState,
)
from storage.model import ObjectVersion, SignedAnswer, VerifyMode


def moment(second: int) -> str:
    """A moment of the test's own day."""
    return f"2026-11-22T10:{second // 60:02}:{second % 60:02}.000000Z"


def arrival(name: str = "case-0001", source: str = "portal") -> Arrival:
    return Arrival(source, name, os.fsencode(name), "f" * 64)


def tenure(holder: str = "ingest@one", until: int = 600) -> Tenure:
    return Tenure(holder, moment(until))


class Story:
    """Leads one transfer through its life, in one connection, with a clock that ticks."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now_s = 0

    def tick(self) -> str:
        self.now_s += 1
        return moment(self.now_s)

    def claimed(self, name: str = "case-0001") -> Transfer:
        taken = transfers.claim(self.connection, arrival(name), tenure(), self.tick())
        assert taken is not None
        return taken

    def led_to(self, claim: Claim, *states: TransferState) -> Transfer:
        assert states
        for state in states:
            step = Step(state, f"now {state}", facts=facts() if state == "accepted" else None)
            moved = transfers.move(self.connection, claim, step, self.tick())
        return moved

    def accepted(self, name: str = "case-0001") -> Transfer:
        claim = self.claimed(name).claim
        way = (TransferState.STAGING, TransferState.JUDGING, TransferState.ACCEPTED)
        return self.led_to(claim, *way)

    def writing(self, name: str = "case-0001") -> tuple[Transfer, Package]:
        claim = self.accepted(name).claim
        package = packages.begin_writing(self.connection, claim, new_package(name), self.tick())
        return transfers.get(self.connection, claim.transfer_id), package

    def stored(self, name: str = "case-0001") -> Package:
        transfer, package = self.writing(name)
        for number in (1, 2, 3):
            copies.record(self.connection, copy_of(package, f"node-{number}"))
        return packages.finish(
            self.connection, transfer.claim, package.id, receipt(name), self.tick()
        )


def facts() -> Facts:
    return Facts("case-0001", "1" * 64, "lantai:portal/case-0001", 8, 1_000_000)


def new_package(name: str = "case-0001", identity: str = "1" * 64) -> NewPackage:
    version = ObjectVersion(f"lantai:portal/{name}", 1, "a" * 64, 12, 1_002_000)
    return NewPackage("portal", name, identity, version, "b" * 64, "c" * 32, 3)


def copy_of(package: Package, node: str, domain: str | None = None) -> Copy:
    return Copy(
        package_id=package.id,
        node=node,
        domain=domain or f"room-{node}",
        state=CopyState.COMMITTED,
        verify_mode=VerifyMode.DIRECT,
        committed_at=moment(30),
        checked_at=None,
        answer=SignedAnswer(
            f'{{"node":"{node}","inventory_sha256":"{package.inventory_sha256}"}}'.encode(),
            bytes(64),
        ),
    )


def receipt(name: str = "case-0001", kind: AnswerKind = AnswerKind.STORED) -> NewAnswer:
    body = f'{{"kind":"{kind}","name":"{name}"}}'.encode()
    return NewAnswer(kind, body, "d" * 64, bytes(range(64)))
