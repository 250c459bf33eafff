"""The role `notary`: holds the signing key; signs what ingest_watch/notary.py lets pass.

Listens on one Unix socket for the ingest beside it. No network, no packages, no catalogue.
"""

import asyncio
from pathlib import Path

import msgspec

from daemon.config import Config, required
from daemon.keys import KeyFolder
from daemon.lifecycle import Opening, Part, Role, Work
from ingest_watch.notary import Demands, KnownNode, examine
from ingest_watch.notary_client import REFUSED, SIGNED, NotaryReply, read_frame, write_frame
from monitoring.log import get_log
from monitoring.metrics import NotaryMetrics, new_registry
from storage.crash_point import crash_point
from storage.errors import LantaiError
from storage.signing import SigningKey, VerifyKey

log = get_log(__name__)

# The stored answer of a package with a million files takes some 200 MB.
STATEMENT_BYTES_MAX = 512 * 1024 * 1024


def build(config: Config) -> Role:
    """Raises ConfigurationError when the file has no [notary]."""
    settings = required(config.notary, "notary")
    registry = new_registry("notary", settings.name)
    metrics = NotaryMetrics(registry)

    async def open_role(opening: Opening) -> Work:
        key = KeyFolder(config.site.keys_folder).signing_key(settings.name)
        notary = Notary(key, known_nodes(config), demands(config), metrics)
        server = await asyncio.start_unix_server(notary.serve, settings.socket)
        opening.stack.push_async_callback(_close, server, settings.socket)
        settings.socket.chmod(0o660)
        return Work((Part("signing", notary.wait),))

    return Role("notary", settings.name, settings.metrics_address, registry, open_role)


def known_nodes(config: Config) -> dict[str, KnownNode]:
    """The nodes that may stand behind a copy, by this host's configuration."""
    return {
        peer.name: KnownNode(peer.name, peer.domain, VerifyKey.from_hex(peer.verify_key))
        for peer in config.peers
    }


def demands(config: Config) -> Demands:
    """What a stored answer must show before it is signed."""
    allow_unproven = config.notary is not None and config.notary.allow_unproven
    return Demands(config.site.copies, allow_unproven)


class Notary:
    """Answers each statement with a signature or a reason."""

    def __init__(
        self,
        key: SigningKey,
        nodes: dict[str, KnownNode],
        demands: Demands,
        metrics: NotaryMetrics,
    ) -> None:
        self._key = key
        self._nodes = nodes
        self._demands = demands
        self._metrics = metrics
        self._signed = 0

    async def wait(self, part: Part) -> None:
        """Beat; the work is done as it is asked for."""
        while True:
            part.beat(f"{self._signed} answers signed since start")
            await part.pause(5)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                body = await read_frame(reader, STATEMENT_BYTES_MAX)
                await write_frame(writer, await asyncio.to_thread(self._answer, body))
        except (EOFError, ConnectionError):
            pass  # the asker has gone; it asks again when it must
        except ValueError as error:
            log.warning("notary.frame.refused", reason=str(error))
        finally:
            writer.close()

    def _answer(self, body: bytes) -> bytes:
        try:
            answer = examine(body, self._nodes, self._demands)
        except LantaiError as error:
            self._metrics.refusals.labels(error.code).inc()
            log.warning("notary.refused", code=error.code, reason=str(error))
            return REFUSED + msgspec.json.encode(NotaryReply(error.code, str(error)))
        crash_point("notary.examined")
        signature = self._key.sign(body)
        crash_point("notary.signed")
        self._signed += 1
        self._metrics.signatures.labels(answer.kind).inc()
        log.info("notary.signed", receipt=answer.receipt_id)
        return SIGNED + signature


async def _close(server: asyncio.Server, socket: Path) -> None:
    server.close()
    socket.unlink(missing_ok=True)
