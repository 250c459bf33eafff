"""A node that lies when it is audited: `lying_node.py HOW run node --config FILE`.

Everything but its auditor is the product's own. HOW is one of

- `table`: answers from the digests in its inventories, which it remembers; reads no content.
- `replay`: answers honestly once for each object, and says the same ever after.

Either says of itself, whenever it is asked to check a copy, that the copy is intact.
"""

import json
import sys
from pathlib import Path
from typing import ClassVar

from daemon.config import load_config
from daemon.lifecycle import run_role
from daemon.roles import node
from monitoring.log import configure_log
from replication.auditing import CopyAuditor
from storage.audit.answer import AuditAnswer
from storage.audit.framing import FileFrame, ObjectFrame, Question
from storage.model import VerifyMode
from storage.sweep.recheck import Recheck, RecheckOutcome


class LyingAuditor(CopyAuditor):
    """Swears that whatever it holds is intact."""

    async def recheck(self, object_id: str) -> Recheck:
        stored = self._volume.stored_object(object_id)
        assert stored is not None
        size = stored.content_bytes
        return Recheck(RecheckOutcome.INTACT, stored.inventory_sha256, 0, size)


class TableAuditor(LyingAuditor):
    """Has the digest of every file, and nothing else that it would need to read."""

    async def audit(self, question: Question) -> AuditAnswer:
        folder = self._volume.root / self._volume.object_folder(question.object_id)
        manifest = json.loads((folder / "inventory.json").read_bytes())["manifest"]
        frame = ObjectFrame(question)
        for sha256, paths in manifest.items():
            for path in paths:
                file = FileFrame(question, path)
                file.update(bytes.fromhex(sha256))
                frame.add(file.finish(len(sha256)))
        return AuditAnswer(frame.finish(), frame.file_count, 1000, 0, VerifyMode.EVICTED)


class ReplayAuditor(LyingAuditor):
    """Said the truth once."""

    _said: ClassVar[dict[str, AuditAnswer]] = {}

    async def audit(self, question: Question) -> AuditAnswer:
        if question.object_id not in self._said:
            self._said[question.object_id] = await super().audit(question)
        return self._said[question.object_id]


LIES = {"table": TableAuditor, "replay": ReplayAuditor}


def main(how: str, config_file: Path) -> int:
    """Run the node until it is stopped."""
    config = load_config(config_file)
    configure_log(f"lying-{how}")
    return run_role(node.build(config, LIES[how]), config.site.run_folder, debug=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[-1])))
