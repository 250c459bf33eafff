"""Where a node keeps the layouts that it was told: files beside its storage root.

docs/formats/layout.md, "On a node". Takes what the keeper signed and nothing older than what is
here, and signs for it. Removes nothing; who belongs is the keeper's to say.
"""

import threading
from pathlib import Path

from monitoring.log import get_log
from replication.layout import (
    ACK_FORMAT,
    LayoutAck,
    LayoutRefused,
    SignedLayout,
    Standing,
    from_wire,
    read_layout,
    sign_ack,
)
from replication.messages import WireRefusal
from storage.durable import fsync_folder, write_whole_file
from storage.signing import SigningKey, Verifier

log = get_log(__name__)

_DIGITS = 10


class LayoutShelf:
    """The layouts of one node; safe to call from any thread."""

    def __init__(
        self, folder: Path, node: str, node_uuid: str, key: SigningKey, keeper: Verifier
    ) -> None:
        """`folder` lies on the node's disk and is made where it is missing."""
        self._folder = folder
        self._node = node
        self._node_uuid = node_uuid
        self._key = key
        self._keeper = keeper
        self._lock = threading.Lock()
        if not folder.exists():
            folder.mkdir(mode=0o750)
            fsync_folder(folder.parent)
        self._held = self._newest_whole()

    @property
    def held(self) -> SignedLayout | None:
        """The layout that holds here, or None before the first."""
        return self._held

    def take(self, raw: bytes) -> bytes:
        """Keep a layout durably and return the signed ack. Raises LayoutRefused."""
        told = from_wire(raw, self._keeper)
        with self._lock:
            held = self._held
            highest = max((*self._versions(), 0 if held is None else held.layout.version))
            if told.layout.version < highest:
                raise LayoutRefused(f"version {told.layout.version} is over: {highest} is here")
            is_same = held is not None and held.layout.version == told.layout.version
            if is_same and held is not None and held.payload != told.payload:
                raise LayoutRefused(f"another version {highest} is here already")
            if not is_same:
                self._write(told)
                self._held = told
                log.info("layout.kept", node=self._node, version=told.layout.version)
        ack = LayoutAck(ACK_FORMAT, self._node, self._node_uuid, told.layout.version, told.sha256)
        return sign_ack(ack, self._key)

    def kept(self) -> tuple[int, bytes]:
        """Version and bytes of the layout that holds; 0 and none before the first."""
        held = self._held
        return (0, b"") if held is None else (held.layout.version, held.to_wire())

    def refusal_of(self, version: int) -> WireRefusal | None:
        """Why this node takes no new object, or no later version of one; None if it does."""
        held = self._held
        if held is None:
            return None
        member = held.layout.member(self._node)
        state = None if member is None else member.state
        if state is Standing.UP or (state is Standing.DRAINING and version > 1):
            return None
        standing = "in no layout" if state is None else state.value
        text = f"{self._node} is {standing} in layout {held.layout.version} and takes nothing new"
        return WireRefusal(text, "not-taking", retry=True)

    def _write(self, told: SignedLayout) -> None:
        stem = self._folder / f"{told.layout.version:0{_DIGITS}}"
        write_whole_file(stem.with_suffix(".sig"), told.signature, mode=0o444)
        write_whole_file(stem.with_suffix(".json"), told.payload, mode=0o444)

    def _versions(self) -> list[int]:
        found = (path.stem for path in self._folder.glob("*.json"))
        return sorted((int(stem) for stem in found if stem.isdecimal()), reverse=True)

    def _newest_whole(self) -> SignedLayout | None:
        for version in self._versions():
            stem = self._folder / f"{version:0{_DIGITS}}"
            try:
                payload = stem.with_suffix(".json").read_bytes()
                return read_layout(payload, stem.with_suffix(".sig").read_bytes(), self._keeper)
            except (OSError, LayoutRefused) as error:
                log.error("layout.damaged", path=str(stem), reason=str(error))
        return None
