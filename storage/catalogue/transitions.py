"""The life of one transfer, as a table of the steps it may take. Pure.

    waiting ─▶ claimed ─▶ staging ─▶ judging ─▶ accepted ─▶ writing ─▶ stored
       ▲          │          │          ├─▶ rejected   └─ (a duplicate) ──▶┘
       └──────────┴──────────┘          └─▶ held ─▶ accepted, rejected (a person decides)

Where custody passes only at the signed registration (custody.py), `awaiting-registration` comes
between the last step and `stored`: N copies are proven, and a person confirms the form.

A batch goes from accepted to divided while its parts, transfers of their own, come to their
answers, and back (batches.py).

Any working state may fail (our fault, not the package's); a failed transfer is tried again.
DESIGN.md §4. What each step does is intake's affair (ingest_watch).
"""

from storage.catalogue.model import TransferState as State

# Nothing leads out of these: the sender has, or will have, the final answer.
FINAL = frozenset({State.STORED, State.REJECTED, State.WITHDRAWN})

# Decided, if not told yet: what awaits its registration is on its nodes and can only become stored.
DECIDED = FINAL | {State.AWAITING_REGISTRATION}

# A process is at work on these, under a claim. After a crash they are what must be resumed.
WORKING = frozenset({State.CLAIMED, State.STAGING, State.JUDGING, State.ACCEPTED, State.WRITING})

LEGAL: dict[State, frozenset[State]] = {
    # The sender takes it away again before we claimed it: withdrawn.
    State.WAITING: frozenset({State.CLAIMED, State.WITHDRAWN}),
    # Back to waiting: the entry changed after all, so it was not complete.
    State.CLAIMED: frozenset({State.STAGING, State.WAITING, State.FAILED}),
    # Rejected while copying: too many files, a device, a link out of the package.
    # Back to claimed: resumed after a crash, the half copy is thrown away.
    State.STAGING: frozenset(
        {State.JUDGING, State.CLAIMED, State.WAITING, State.REJECTED, State.FAILED}
    ),
    # Back to waiting: complete_when = "proven", and its digests do not match yet.
    State.JUDGING: frozenset(
        {State.ACCEPTED, State.REJECTED, State.HELD} | {State.CLAIMED, State.WAITING, State.FAILED}
    ),
    # Straight to stored: the same package is kept already and gets the same receipt.
    # Rejected: another transfer took the identifier in the meantime.
    State.ACCEPTED: frozenset(
        {State.WRITING, State.STORED, State.AWAITING_REGISTRATION, State.DIVIDED}
        | {State.REJECTED, State.FAILED}
    ),
    # Its parts have their answers, or one needs the batch opened again.
    State.DIVIDED: frozenset({State.ACCEPTED}),
    State.WRITING: frozenset({State.STORED, State.AWAITING_REGISTRATION, State.FAILED}),
    State.AWAITING_REGISTRATION: frozenset({State.STORED}),
    State.HELD: frozenset({State.ACCEPTED, State.REJECTED}),
    # To writing: the operation is in the catalogue and perhaps on a node, so it must be finished.
    State.FAILED: frozenset({State.WAITING, State.WRITING, State.REJECTED}),
    State.STORED: frozenset(),
    State.REJECTED: frozenset(),
    State.WITHDRAWN: frozenset(),
}

# Steps that a person orders, and that need no claim because no process is at work.
BY_A_PERSON: dict[State, frozenset[State]] = {
    State.AWAITING_REGISTRATION: frozenset({State.STORED}),
    State.HELD: frozenset({State.ACCEPTED, State.REJECTED}),
    State.FAILED: frozenset({State.WAITING, State.WRITING, State.REJECTED}),
}


def sources_of(target: State) -> frozenset[State]:
    """Every state from which `target` may be reached."""
    return frozenset(source for source, targets in LEGAL.items() if target in targets)
