"""An embedded EEP is opened, and its signature verified, in memory that its size does not touch."""

import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.certificates import identity, rsa_key
from tests.eep_packages import original, signature, signed, written

# Twice the difference that the interpreter itself shows from run to run, and a tenth of one file.
_DIFFERENCE_KIB_MAX = 6 * 1024
_PROGRAM = """
import os, sys; sys.path.insert(0, os.getcwd())
from pathlib import Path
from ingest_watch.formats.eep import Eep
from ingest_watch.formats.package_format import Opening
from ingest_watch.listing import Listing
from ingest_watch.staging import stage_file
work = Path(sys.argv[1])
staged = stage_file(work / "case.eep", work / "staged", work / "listing.sqlite")
with Listing.open(staged.listing) as listing:
    package = Eep().open(Opening(staged.folder, listing, work))
    assert [each.code for each in package.contents()] == []
    assert [each.code for each in package.seals()] == ["seal-valid", "seal-not-trusted"]
    assert (package.decoded.folder / "大.bin").stat().st_size == int(sys.argv[2])
# Not ru_maxrss, which begins with what the process had been before exec: pytest.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def test_a_file_of_64_mib_within_a_signed_package_costs_no_more_memory_than_one_of_4(
    tmp_path: Path,
) -> None:
    key = rsa_key()
    signer = identity("signer", key)

    def peak_kib(mebibytes: int) -> int:
        work = tmp_path / str(mebibytes)
        work.mkdir()
        content = bytes(range(256)) * 4096 * mebibytes
        root = signed(
            original({"大.bin": content}),
            lambda element: signature(
                key.sign(element, padding.PKCS1v15(), hashes.SHA256()), signer.der
            ),
        )
        (work / "case.eep").write_bytes(written(root))
        command = [sys.executable, "-c", _PROGRAM, str(work), str(len(content))]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_kib(64) < peak_kib(4) + _DIFFERENCE_KIB_MAX
