"""One valid example of every message, and a put to play with."""

from replication.chronicle_position import ToldUpTo
from replication.messages import (
    Account,
    Accounted,
    Audit,
    Audited,
    Blocks,
    Branch,
    Bytes,
    Chunk,
    Committed,
    Fetch,
    Findings,
    FromNode,
    Hello,
    Journal,
    Laid,
    Layout,
    Leaves,
    Listing,
    Mend,
    Mended,
    Object,
    Objects,
    Ping,
    Pong,
    Proceed,
    Put,
    Read,
    Recheck,
    Rechecked,
    Refused,
    Source,
    Stat,
    State,
    Status,
    Sweep,
    Sweeping,
    Tell,
    Told,
    ToNode,
    Tree,
    Welcome,
    Working,
)
from replication.sweep_account import ListedForecast, SweptCycle

OP_ID = "0123456789abcdef0123456789abcdef"
DIGEST = "ab" * 32
OBJECT_ID = "lantai:政务服务/case-1"
CURVE_KEY = "k" * 40
UPTO = ToldUpTo(7, 4, DIGEST)
CYCLE = SweptCycle(5, "2026-11-22T00:00:00Z", None, 10, 1000, 1)

PUT = Put(
    op_id=OP_ID,
    attempt=1,
    object_id=OBJECT_ID,
    version=1,
    epoch=3,
    file_list_bytes=100,
    inventory_bytes=200,
    content_bytes=700,
    file_count=2,
    file_list_sha256=DIGEST,
    inventory_sha256=DIGEST,
)

TO_NODE: list[ToNode] = [
    Hello(1, "ingest"),
    Ping(7),
    PUT,
    Chunk(OP_ID, 1, 0),
    Stat(1, OBJECT_ID),
    Read(2, OBJECT_ID, "v1/content/received/申请表.pdf", 0, 1024),
    Blocks(3, OBJECT_ID, "v1/content/received/申请表.pdf", 0, 32),
    Objects(4, "", 1000),
    Sweep(5, "start", "full", "source", "政务服务", 86400),
    Account(10, 4),
    Findings(6, 0, 1000),
    Tree(13, 1, 15),
    Leaves(14, 1751, "", 1000),
    Mend(7, OBJECT_ID, 1, DIGEST, 3, Source("node-2", "tcp://10.1.0.12:5570", CURVE_KEY)),
    Fetch(8, OBJECT_ID, "inventory.json", 0, 1024),
    Status(9),
    Audit(11, OBJECT_ID, 1, DIGEST, 64),
    Recheck(12, OBJECT_ID),
    Layout(15),
    Tell(16, UPTO, ToldUpTo(8, 5, DIGEST), 9),
    Journal(17, 1, 0, 1048576),
]

FORECAST = ListedForecast("default", 90.0, 7000, 100, "2026-11-23T00:00:00Z", -60)
SWEEPING = Sweeping(
    request=5,
    running=True,
    paused=False,
    cycle=2,
    checked_objects=10,
    checked_bytes=1000,
    damaged_objects=0,
    total_objects=20,
    oldest_checked_at="2026-11-01T00:00:00Z",
    last_finished_at=None,
    broken="",
    paused_until=None,
    kind="full",
    scope="class",
    subject="default",
    reason="deadline",
    cache="direct",
    forecasts=(FORECAST,),
)

FROM_NODE: list[FromNode] = [
    Welcome(1, "node-1", "6f1c", "shelf-a", 3),
    Pong(7),
    Proceed(OP_ID, 1, 0, 1000),
    Committed(OP_ID),
    Object(1, OBJECT_ID, 1, DIGEST, 2, 700, "2026-11-22T00:00:00Z"),
    Bytes(2, 0, True),
    Listing(4, False),
    Branch(13),
    SWEEPING,
    Accounted(10, 2592000, None, (1, 2, 3, 4, 5, 6), (CYCLE,)),
    Mended(7, "mended"),
    State(9, "ready", "", 1, 2, 3, 4),
    Audited(11, DIGEST, 7, 1000, 0, "evicted"),
    Rechecked(12, "damaged", DIGEST, 1, 1000),
    Laid(15, 2),
    Told(16, UPTO),
    Working(7),
    Refused(None, OP_ID, "full", "no room", True),
]


def data_for(message: ToNode | FromNode) -> bytes | None:
    """A data frame where the message must have one."""
    return b"data" if message.carries_data == "always" else None
