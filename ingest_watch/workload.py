"""What a job says and asks while it runs in a worker process.

A job knows how much there is to read only once it has looked; the limits on its time and output
grow with that. What it may not do itself, it asks its owner for. Knows nothing of processes:
worker_process.py listens and answers.
"""

from collections.abc import Callable

_listeners: list[Callable[[int], None]] = []
_answering: list[Callable[[object], object]] = []


def listen(listener: Callable[[int], None]) -> None:
    """Have `listener` told from now on, in this process, what jobs expect."""
    _listeners.append(listener)


def expect(content_bytes: int) -> None:
    """Say how many bytes this job is about to read or write; outside a worker nobody listens."""
    for listener in _listeners:
        listener(content_bytes)


def answer_by(answering: Callable[[object], object]) -> None:
    """Have what jobs in this process ask answered by `answering` from now on."""
    _answering[:] = [answering]


def ask(question: object) -> object:
    """Ask this process's owner; None where nobody answers. Blocks."""
    for answering in _answering:
        return answering(question)
    return None
