"""Good and bad samples of each format, to try a platform against its rehearsal folder.

生成各格式的合格与不合格样例，供联调使用：

    python make_samples.py FOLDER [FORMAT …]

Writes `FOLDER/<format>/good/…`, `FOLDER/<format>/bad/…` and `FOLDER/<format>/expected.json`: for
each bad sample a code that its rejection must have. Python 3.8 or later, nothing to install. A
further format is one function in `sample_packages/`, and one line in FORMATS.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from sample_packages.bags import bagit  # type: ignore[import-not-found]  # lies beside it
from sample_packages.carriers import carrier  # type: ignore[import-not-found]  # lies beside it
from sample_packages.cases import case, case_batch  # type: ignore[import-not-found]  # lies beside
from sample_packages.csip import csip  # type: ignore[import-not-found]  # lies beside it
from sample_packages.eep import eep  # type: ignore[import-not-found]  # lies beside it
from sample_packages.files import Sample  # type: ignore[import-not-found]  # lies beside it

FORMATS: dict[str, Callable[[], Iterable[Sample]]] = {
    "bagit": bagit,
    "carrier": carrier,
    "case": case,
    "case-batch": case_batch,
    "csip": csip,
    "eep": eep,
}


def make(folder: Path, formats: list[str]) -> None:
    """Write the samples of `formats`; each into a folder of its own, which must not exist."""
    for name in formats:
        target = folder / name
        target.mkdir(parents=True)
        expected = {}
        for sample in FORMATS[name]():
            place = f"{'bad' if sample.code else 'good'}/{sample.name}"
            _write(target / place, sample.content)
            if sample.code:
                expected[place] = sample.code
            for part, code in sample.parts.items():
                expected[f"{place}/{part}"] = code
        text = json.dumps(expected, ensure_ascii=False, indent=2) + "\n"
        (target / "expected.json").write_bytes(text.encode())


def _write(target: Path, content: bytes | dict[str, bytes]) -> None:
    """Write one file, or a folder of files by path."""
    if isinstance(content, dict):
        for path, inner in content.items():
            _write(target / path, inner)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def main() -> int:
    """Run the command line and return its exit code."""
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(FORMATS):
        print(f"usage 用法: make_samples.py FOLDER [{' | '.join(FORMATS)}]")
        return 2
    make(Path(sys.argv[1]), sys.argv[2:] or list(FORMATS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
