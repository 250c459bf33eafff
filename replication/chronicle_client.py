"""What only the keeper and a rebuilding say to a node: the ledger, and give me your journal.

docs/wire/README.md (`tell`, `journal`), docs/formats/chronicle.md.
"""

from functools import partial

from replication.chronicle_position import from_wire, to_wire
from replication.messages import DATA_BYTES_MAX, Bytes, Journal, Tell, Told
from replication.node_answers import FilePart
from replication.node_client import NodeClient
from storage.chronicle.page import Page, Position


async def recall(client: NodeClient) -> Position:
    """How far this node has been told. Raises WireRefusal."""
    told, _ = await client.ask(partial(Tell, after=None, upto=None, as_of=0), Told)
    return from_wire(told.upto)


async def tell(client: NodeClient, page: Page) -> Position:
    """Tell one page; where the node is then. Raises WireRefusal."""
    after, upto = to_wire(page.after), to_wire(page.upto)
    making = partial(Tell, after=after, upto=upto, as_of=page.as_of)
    told, _ = await client.ask(making, Told, page.body)
    return from_wire(told.upto)


async def journal_part(client: NodeClient, segment: int, offset: int) -> FilePart:
    """Raw bytes of the node's journal, at most 1 MiB. Raises WireRefusal."""
    making = partial(Journal, segment=segment, offset=offset, length=DATA_BYTES_MAX)
    heard, data = await client.ask(making, Bytes)
    return FilePart(data, heard.end)
