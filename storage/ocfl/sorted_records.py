"""Sort more records than memory should hold: runs on disk, merged while they are read.

Used for inventories, which list files by digest where everything else lists them by path. Keeps
at most HELD_RECORDS_MAX records in memory; the runs live in a folder the caller gives and owns.
"""

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

Record = tuple[str, ...]

# About 8 MB of tuples, or 35 where every path has a kilobyte: a reader of packages has 128 MiB in
# all. A package with fewer files never touches the disk here.
HELD_RECORDS_MAX = 25_000


class SortedRecords:
    """Records in ascending order (code points, which is UTF-8 byte order), as often as asked.

    A context manager: its runs are removed when it is left.
    """

    def __init__(
        self, records: Iterable[Record], work: Path, *, held_records_max: int = HELD_RECORDS_MAX
    ) -> None:
        self._work = work
        self._held_records_max = held_records_max
        self._runs: list[Path] = []
        self._held: list[Record] = []
        try:
            self._take(records)
        except BaseException:
            self._remove_runs()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove_runs()

    def __iter__(self) -> Iterator[Record]:
        if not self._runs:
            return iter(self._held)
        return heapq.merge(self._held, *map(_read_run, self._runs))

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            self._held.append(record)
            if len(self._held) >= self._held_records_max:
                self._spill()
        self._held.sort()

    def _spill(self) -> None:
        self._held.sort()
        with tempfile.NamedTemporaryFile(
            "w", dir=self._work, prefix="sorted-", suffix=".jsonl", delete=False, encoding="ascii"
        ) as run:
            self._runs.append(Path(run.name))
            run.writelines(json.dumps(record) + "\n" for record in self._held)
        self._held.clear()

    def _remove_runs(self) -> None:
        for run in self._runs:
            run.unlink(missing_ok=True)
        self._runs.clear()


def _read_run(path: Path) -> Iterator[Record]:
    with path.open(encoding="ascii") as run:
        for line in run:
            yield tuple(json.loads(line))
