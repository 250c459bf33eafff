"""The simulated disk forgets what real ones were measured to forget (knowledge §0, M1 to M5)."""

from random import Random

import pytest

from tests.simulation.disk import Disk, SimulatedSync, StillCached, Trouble


def disk(keeps: float = 0.0) -> Disk:
    """One that keeps what was not synced at a power cut with this chance."""

    def refuse(trouble: Trouble) -> None:
        raise AssertionError(trouble)

    return Disk("disk", Random(1), refuse, keeps)


def test_a_write_without_a_sync_is_gone_after_a_power_cut() -> None:
    one = disk()
    one.create("a", b"bytes")
    one.cut_power()
    assert not one.exists("a")


def test_bytes_that_were_synced_without_their_name_are_gone_too() -> None:
    one = disk()
    one.create("a", b"bytes")
    one.fsync("a")
    one.cut_power()
    assert not one.exists("a")


def test_a_rename_without_a_sync_comes_back_undone() -> None:
    one = disk()
    one.create("staging/x/a", b"bytes")
    one.sync()
    one.rename("staging/x", "root/x")
    one.cut_power()
    assert list(one.names) == ["staging/x/a"]
    assert one.read("staging/x/a") == b"bytes"


def test_a_name_that_is_durable_before_its_bytes_stands_for_an_empty_file() -> None:
    one = disk()
    one.create("a", b"bytes")
    file = one.names["a"]
    one.durable["a"] = file
    one.cut_power()
    assert one.read_medium("a") == b""


def test_a_write_back_error_is_told_once_and_the_bytes_are_gone() -> None:
    one = disk()
    one.create("a", b"")
    one.sync()
    one.append("a", b"bytes")
    one.prepare(Trouble.WRITE_BACK_ERROR, 1)
    with pytest.raises(OSError, match="fsync"):
        one.fsync("a")
    one.fsync("a")
    assert one.read("a") == b"bytes", "from memory it looks right"
    assert one.read_medium("a") == b""


def test_each_descriptor_opened_before_hears_of_a_lost_write_and_a_later_one_does_not() -> None:
    one = disk()
    earlier = [SimulatedSync(one), SimulatedSync(one)]
    one.create("a", b"bytes")
    one.prepare(Trouble.WRITE_BACK_ERROR, 1)
    for sync in earlier:
        with pytest.raises(OSError, match="syncfs"):
            sync.ask()
        sync.ask()
    SimulatedSync(one).ask()


def test_what_was_not_written_back_cannot_be_read_from_the_medium() -> None:
    one = disk()
    one.create("a", b"bytes")
    with pytest.raises(StillCached):
        one.read_medium("a")
    one.sync()
    assert one.read_medium("a") == b"bytes"


def test_rot_changes_the_medium_and_leaves_names_alone() -> None:
    one = disk()
    one.create("a", b"bytes")
    one.sync()
    one.rot(one.names["a"])
    assert one.read("a") != b"bytes"


def test_a_killed_process_leaves_what_it_wrote_in_memory() -> None:
    def die(trouble: Trouble) -> None:
        raise KeyboardInterrupt(trouble)

    one = Disk("disk", Random(1), die)
    one.create("a", b"bytes")
    one.prepare(Trouble.KILL, 1)
    with pytest.raises(KeyboardInterrupt):
        one.rename("a", "b")
    assert one.read("a") == b"bytes"
