"""Every error as what a peer is told of it: a code, a text, and whether to try again.

docs/wire/session.md, "Refusals". Only here does an unexpected error become a polite answer; it is
logged whole.
"""

from monitoring.log import get_log
from replication.messages import WireRefusal
from storage.errors import LantaiError

log = get_log(__name__)


def to_wire(error: Exception, act: str) -> WireRefusal:
    """The refusal that says `error` to a peer."""
    if isinstance(error, WireRefusal):
        return error
    if isinstance(error, LantaiError):
        retry = bool(getattr(error, "retry", False))
        return WireRefusal(str(error), error.code, retry=retry)
    if isinstance(error, OSError):
        log.warning("wire.disk.failed", act=act, errno=error.errno)
        return WireRefusal(f"the disk failed: {error.strerror or error}", "disk-failed", retry=True)
    log.error("wire.internal", act=act, error=repr(error), exc_info=error)
    return WireRefusal("the node failed; its log says why", "internal", retry=True)
