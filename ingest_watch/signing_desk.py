"""Have answers signed: asks the notary until it answers, and keeps the bytes that were signed.

docs/formats/answers.md. Whether an answer deserves a signature is the notary's to say.
"""

import asyncio
import hashlib
from pathlib import Path

from ingest_watch import notary_client
from ingest_watch.notary_client import NotaryUnreachable
from monitoring.log import get_log
from storage.catalogue.model import AnswerKind, NewAnswer

log = get_log(__name__)

_RETRY_S_MAX = 30.0


class SigningDesk:
    """Where this intake's answers are taken to be signed."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def signed(self, kind: AnswerKind, body: bytes) -> NewAnswer:
        """Return `body` with the notary's signature. Waits for a notary that is away.

        Raises NotaryRefused when it will not sign.
        """
        delay_s = 0.5
        while True:
            try:
                signature = await notary_client.sign(self._socket, body)
            except NotaryUnreachable as error:
                log.warning("intake.notary.away", reason=str(error), delay_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _RETRY_S_MAX)
            else:
                return NewAnswer(kind, body, hashlib.sha256(body).hexdigest(), signature)
