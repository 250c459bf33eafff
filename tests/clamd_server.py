"""A real clamd with a signature file of our own: it knows EICAR and nothing else."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import CLAMD_PATH
from tests.content_samples import EICAR

_START_S = 30.0
# MaxFileSize is small, so that "too large" can be tried; AlertExceedsMax as the role sets it.
_CONFIG = """
DatabaseDirectory {folder}/signatures
LocalSocket {socket}
Foreground yes
LogFile {folder}/clamd.log
PidFile {folder}/clamd.pid
MaxFileSize 1M
MaxScanSize 1M
AlertExceedsMax yes
MaxThreads 2
"""


@contextmanager
def running_clamd(folder: Path) -> Iterator[Path]:
    """Yields the socket's path."""
    (folder / "signatures").mkdir(parents=True)
    pattern = EICAR.hex()
    (folder / "signatures" / "own.ndb").write_text(f"Test.Eicar:0:0:{pattern}\n")
    socket = folder / "clamd.sock"
    config = folder / "clamd.conf"
    config.write_text(_CONFIG.format(folder=folder, socket=socket))
    binary = shutil.which("clamd", path=CLAMD_PATH)
    assert binary is not None
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [binary, f"--config-file={config}"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _expect_socket(socket, process, folder / "output")
        yield socket
    finally:
        process.terminate()
        process.wait(10)


def _expect_socket(socket: Path, process: "subprocess.Popen[bytes]", output: Path) -> None:
    """Wait until clamd has read its signatures; it tells nobody when."""
    deadline = time.monotonic() + _START_S
    while not socket.exists():
        assert time.monotonic() < deadline, "clamd did not start"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            raise AssertionError(output.read_text())
