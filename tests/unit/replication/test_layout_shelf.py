"""A node keeps the layouts that the keeper signed, and takes nothing older (layout_shelf.py)."""

from pathlib import Path

import pytest

from replication.layout import LayoutRefused, SignedLayout, Standing, read_ack, sign_layout
from replication.layout_shelf import LayoutShelf
from replication.membership import moved
from storage.signing import SigningKey
from tests.unit.replication.layout_samples import BY, five

KEEPER, NODE, STRANGER = (SigningKey.generate() for _ in range(3))


def shelf(folder: Path, node: str = "node-1") -> LayoutShelf:
    return LayoutShelf(folder / "layout", node, "uuid-1", NODE, KEEPER.verify_key)


def told(version: int, state: Standing = Standing.DRAINING) -> SignedLayout:
    """Version 1, or a later one in which node-1 stands otherwise."""
    layout = five()
    for _ in range(version - 1):
        now = layout.member("node-1")
        assert now is not None
        to = state if now.state is Standing.UP else Standing.UP
        layout = moved(layout, "node-1", to, BY, ())
    return sign_layout(layout, KEEPER)


def test_a_layout_is_kept_and_signed_for_with_the_nodes_own_key(tmp_path: Path) -> None:
    first = told(1)
    ack = read_ack(shelf(tmp_path).take(first.to_wire()), NODE.verify_key)
    assert (ack.node, ack.node_uuid, ack.version) == ("node-1", "uuid-1", 1)
    assert ack.layout_sha256 == first.sha256
    assert shelf(tmp_path).kept() == (1, first.to_wire()), "after a restart"


def test_the_same_layout_again_is_signed_for_again_and_an_older_one_refused(tmp_path: Path) -> None:
    here = shelf(tmp_path)
    here.take(told(2).to_wire())
    assert read_ack(here.take(told(2).to_wire()), NODE.verify_key).version == 2
    with pytest.raises(LayoutRefused, match="version 1 is over: 2 is here"):
        here.take(told(1).to_wire())
    assert here.kept()[0] == 2


def test_other_bytes_under_a_known_version_are_refused(tmp_path: Path) -> None:
    here = shelf(tmp_path)
    here.take(told(2).to_wire())
    with pytest.raises(LayoutRefused, match="another version 2"):
        here.take(told(2, Standing.READONLY).to_wire())


@pytest.mark.parametrize(
    "raw", [b"", bytes(64), bytes(200), sign_layout(five(), STRANGER).to_wire()]
)
def test_what_the_keeper_did_not_sign_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(LayoutRefused, match="not signed by the keeper"):
        shelf(tmp_path).take(raw)
    assert shelf(tmp_path).kept() == (0, b"")


def test_every_version_stays_on_the_disk_as_it_was_signed(tmp_path: Path) -> None:
    here = shelf(tmp_path)
    for version in (1, 2, 3):
        here.take(told(version).to_wire())
    names = sorted(path.name for path in (tmp_path / "layout").iterdir())
    assert names == [f"000000000{n}.{kind}" for n in (1, 2, 3) for kind in ("json", "sig")]
    assert (tmp_path / "layout/0000000001.json").read_bytes() == told(1).payload


def test_a_damaged_file_is_passed_over_and_written_again_but_nothing_older_taken(
    tmp_path: Path,
) -> None:
    here = shelf(tmp_path)
    for version in (1, 2, 3):
        here.take(told(version).to_wire())
    damaged = tmp_path / "layout/0000000003.json"
    damaged.chmod(0o600)
    damaged.write_bytes(b"{")
    again = shelf(tmp_path)
    assert again.kept()[0] == 2
    with pytest.raises(LayoutRefused, match="is over: 3 is here"):
        again.take(told(2).to_wire())
    again.take(told(3).to_wire())
    assert shelf(tmp_path).kept() == (3, told(3).to_wire())


def test_a_node_without_a_layout_takes_everything(tmp_path: Path) -> None:
    assert shelf(tmp_path).refusal_of(1) is None


@pytest.mark.parametrize(
    ("state", "new", "later"),
    [
        (Standing.UP, True, True),
        (Standing.DRAINING, False, True),
        (Standing.READONLY, False, False),
        (Standing.LOST, False, False),
    ],
)
def test_a_node_takes_what_its_state_allows(
    tmp_path: Path, state: Standing, new: bool, later: bool
) -> None:
    here = shelf(tmp_path)
    here.take((told(1) if state is Standing.UP else told(2, state)).to_wire())
    refusals = here.refusal_of(1), here.refusal_of(2)
    assert [refusal is None for refusal in refusals] == [new, later]
    for refusal in refusals:
        assert refusal is None or (refusal.refusal_code, refusal.retry) == ("not-taking", True)


def test_a_node_that_no_layout_names_takes_nothing(tmp_path: Path) -> None:
    here = shelf(tmp_path, "node-9")
    here.take(told(1).to_wire())
    refusal = here.refusal_of(1)
    assert refusal is not None
    assert "in no layout" in str(refusal)
