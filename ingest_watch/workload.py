"""What a job says and asks while it runs in a worker process.

A job knows how much there is to read only once it has looked; the limits on its time and output
grow with that. What it may not do itself, it asks its owner for. Knows nothing of processes:
worker_process.py listens and answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

_listeners: list[Callable[[int], None]] = []
_answering: list[Callable[[object, int | None], object]] = []


def _is_never_given_up() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Enquiry:
    """What a job asks, as its owner meets it."""

    question: object
    descriptor: int | None = None  # of a file that the job opened; the answering must not keep it
    # Whether nobody waits for the answer any more: for what may take long to answer.
    is_given_up: Callable[[], bool] = _is_never_given_up


def listen(listener: Callable[[int], None]) -> None:
    """Have `listener` told from now on, in this process, what jobs expect."""
    _listeners.append(listener)


def expect(content_bytes: int) -> None:
    """Say how many bytes this job is about to read or write; outside a worker nobody listens."""
    for listener in _listeners:
        listener(content_bytes)


def answer_by(answering: Callable[[object, int | None], object]) -> None:
    """Have what jobs in this process ask answered by `answering` from now on."""
    _answering[:] = [answering]


def ask(question: object, descriptor: int | None = None) -> object:
    """Ask this process's owner, about an open file or not; None where nobody answers. Blocks."""
    for answering in _answering:
        return answering(question, descriptor)
    return None
