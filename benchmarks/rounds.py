"""Interleaved rounds: every contestant once in each, in an order drawn anew; medians at the end.

knowledge/performance.md: absolute times on a shared machine drift by half within an hour, ratios
of the same rounds hold. So a ratio here is the median of the rounds' own ratios.
"""

import os
import platform
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One contestant in one round."""

    wall_s: float
    cpu_s: float
    notes: tuple[str, ...] = ()


Contestant = Callable[[], Measured]
Rounds = list[dict[str, Measured]]


def interleaved(contestants: Mapping[str, Contestant], rounds: int, seed: int) -> Rounds:
    """Run all of them so often; each line is printed as it comes."""
    chance = random.Random(seed)
    results: Rounds = []
    for number in range(1, rounds + 1):
        order = list(contestants)
        chance.shuffle(order)
        measured: dict[str, Measured] = {}
        for name in order:
            measured[name] = result = contestants[name]()
            print(f"  round {number}: {name}: {result.wall_s:.2f} s, {result.cpu_s:.2f} CPU-s")
        results.append(measured)
    return results


def table(results: Rounds, names: Sequence[str], against: str, packages: int) -> str:
    """Medians, and how many times as fast as `against` each was in the same rounds."""
    lines = [
        f"| | wall s | packages/s | CPU-ms per package | times as fast as {against} |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        wall_s = statistics.median(each[name].wall_s for each in results)
        cpu_s = statistics.median(each[name].cpu_s for each in results)
        ratios = [each[against].wall_s / each[name].wall_s for each in results]
        lines.append(
            f"| {name} | {wall_s:.2f} | {packages / wall_s:.1f} | {cpu_s / packages * 1000:.1f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |"
        )
    notes = [note for name in names for note in results[-1][name].notes]
    return "\n".join([*lines, *notes])


def machine() -> str:
    """What this was measured on, named by kind and not by host."""
    features = _cpu_flags()
    named = [name for flag, name in _NAMED_FEATURES.items() if flag in features]
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{os.cpu_count()} processors ({', '.join(named) or 'no special instructions'}), "
        f"{memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"load before: {os.getloadavg()[0]:.1f}"
    )


_NAMED_FEATURES = {"sha_ni": "SHA-NI", "avx2": "AVX2", "avx512f": "AVX-512", "aes": "AES"}


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
