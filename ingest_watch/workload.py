"""What a job says of itself while it runs in a worker process.

A job knows how much there is to read only once it has looked; the limits on its time and output
grow with that. Knows nothing of processes: worker_process.py listens.
"""

from collections.abc import Callable

_listeners: list[Callable[[int], None]] = []


def listen(listener: Callable[[int], None]) -> None:
    """Have `listener` told from now on, in this process, what jobs expect."""
    _listeners.append(listener)


def expect(content_bytes: int) -> None:
    """Say how many bytes this job is about to read or write; outside a worker nobody listens."""
    for listener in _listeners:
        listener(content_bytes)
