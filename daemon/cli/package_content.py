"""The bytes of a kept package, through the api's control socket, hashed again on this side.

docs/operations/control.md, verbs `files` and `read`. The role has verified every block against a
signed root; what arrives here is held against the digest of the file list once more, and written
by the person who asked, under that person's rights. Decides no name but the escaped ones of
docs/formats/package.md, "Names".
"""

import base64
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from daemon.control_client import ControlClient
from storage.errors import Refusal, VerificationFailed

READ_BYTES = 1024 * 1024
FILES_PAGE = 1000
RECEIVED = "received/"
NAMES = "lantai/names.jsonl"


class ExportRefused(Refusal):
    """The package cannot be written there."""

    code = "export-refused"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One line of the file list."""

    path: str
    size_bytes: int
    sha256: str


class KeptPackage:
    """One version of one package."""

    def __init__(self, client: ControlClient, object_id: str, version: int) -> None:
        """`version` 0 is the newest one."""
        self._client = client
        self.object_id = object_id
        self.version = version

    def files(self) -> Iterator[KeptFile]:
        """Every file in the order of its path, page by page."""
        after = ""
        while True:
            page = self._client.ask(
                "files",
                object_id=self.object_id,
                version=self.version,
                after=after,
                limit=FILES_PAGE,
            )
            # A version that arrives meanwhile must not mix with the one being read.
            self.version = page["version"]
            for file in page["files"]:
                after = file["path"]
                yield KeptFile(after, file["size_bytes"], file["sha256"])
            if not page["more"]:
                return

    def content(self, file: KeptFile) -> Iterator[bytes]:
        """The file's bytes. Raises VerificationFailed at the end if they are not what was kept."""
        digest, offset = hashlib.sha256(), 0
        while offset < file.size_bytes:
            answer = self._client.ask(
                "read",
                object_id=self.object_id,
                version=self.version,
                path=file.path,
                offset=offset,
                length=min(READ_BYTES, file.size_bytes - offset),
            )
            data = base64.b64decode(answer["data_base64"])
            if not data:
                break
            digest.update(data)
            offset += len(data)
            yield data
        if offset != file.size_bytes or digest.hexdigest() != file.sha256:
            raise VerificationFailed(f"{file.path}: the bytes are not those that were signed")


def write_received(package: KeptPackage, target: Path) -> tuple[int, int]:
    """Write the sender's files into the new folder `target`; returns their number and bytes.

    The folder gets its name only when everything in it is verified. Raises ExportRefused when
    `target` exists, or a name cannot be written.
    """
    if target.exists():
        raise ExportRefused(f"{target} exists; choose another --to. 目标已存在。")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        written = _write_all(package, part)
        part.chmod(0o755)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return written


def default_folder_name(object_id: str) -> str:
    """What an exported package's folder is called: its identifier, which has no "/" in it."""
    name = object_id.rpartition("/")[2]
    if name in ("", ".", ".."):
        raise ExportRefused(f"{object_id!r} is not the id of a package")
    return name


def _raw_names(package: KeptPackage) -> dict[str, bytes]:
    """Escaped path → the sender's own bytes, for names that are not UTF-8."""
    listed = next((file for file in package.files() if file.path == NAMES), None)
    if listed is None:
        return {}
    lines = b"".join(package.content(listed)).splitlines()
    # What has an encoding was read as text when it came, and goes out as that.
    names = [entry for entry in map(json.loads, lines) if "encoding" not in entry]
    raw = {entry["path"]: base64.b64decode(entry["raw_base64"]) for entry in names}
    for path, name in raw.items():
        if unquote_to_bytes(path) != name:
            raise ExportRefused(f"{path}: {NAMES} says another name than its own escapes")
    return raw


def _inside(folder: Path, name: bytes) -> Path:
    """Where `name` goes below `folder`; it may not climb out, whatever the list says."""
    parts = name.split(b"/")
    if any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise ExportRefused(f"{os.fsdecode(name)!r} is not a path inside a package")
    return folder / os.fsdecode(name)


def _write_all(package: KeptPackage, folder: Path) -> tuple[int, int]:
    raw_names = _raw_names(package)
    files = content_bytes = 0
    for file in package.files():
        if file.path.startswith(RECEIVED):
            name = raw_names.get(file.path, os.fsencode(file.path))
            _write(package, file, _inside(folder, name.removeprefix(os.fsencode(RECEIVED))))
            files, content_bytes = files + 1, content_bytes + file.size_bytes
    return files, content_bytes


def _write(package: KeptPackage, file: KeptFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        for data in package.content(file):
            stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
