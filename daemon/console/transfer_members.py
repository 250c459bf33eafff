"""One transfer as every door tells it: the api's socket, its HTTP pages, and the commands on them.

docs/operations/control.md. Derives nothing but the time that is left; all else is on record.
"""

from typing import Any

from storage.catalogue.model import Transfer
from storage.catalogue.transfer_lists import seconds_left


def transfer_members(transfer: Transfer) -> dict[str, Any]:
    """The members, of JSON values."""
    return {
        "transfer": str(transfer.id),
        "source": transfer.source,
        "name": transfer.name,
        "state": transfer.state,
        "since": transfer.updated_at,
        "reason": transfer.message,
        "bytes_done": transfer.bytes_done,
        "bytes_total": transfer.bytes_total,
        "bytes_per_second": transfer.bytes_per_second,
        "seconds_left": seconds_left(transfer),
    }
