"""An inventory is written and read in memory that does not grow with the number of files."""

import subprocess
import sys
from pathlib import Path


def test_memory_stays_flat_for_many_files(tmp_path: Path) -> None:
    """A hundred thousand files more cost no memory that a smaller package does not cost."""
    program = (
        "import os, sys; sys.path.insert(0, os.getcwd())\n"
        "from pathlib import Path\n"
        "from storage.model import FileEntry\n"
        "from storage.ocfl import sorted_records\n"
        "from storage.ocfl.inventory import InventoryHeader, files_of_head, write_inventory\n"
        "work, count = Path(sys.argv[1]), int(sys.argv[2])\n"
        "entries = (FileEntry(f'received/{i:09}', 1, f'{i * 7919 % count:064x}', None)"
        " for i in range(count))\n"
        "write_inventory(work / 'inventory.json', InventoryHeader('urn:x', '', '', '', ''),"
        " entries, work)\n"
        "assert sum(1 for file in files_of_head(work / 'inventory.json')) == count\n"
        # Not ru_maxrss, which begins with what the process had been before exec: pytest.
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )

    def peak_kib(count: int) -> int:
        command = [sys.executable, "-c", program, str(tmp_path), str(count)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_kib(200_000) < peak_kib(100_000) + 10 * 1024
