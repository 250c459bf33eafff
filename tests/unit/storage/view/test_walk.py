"""Walking sources, packages and versions."""

from storage.view.holdings import HeldVersion
from storage.view.listing import FileListing, NameListing
from storage.view.reader import VersionFiles, ViewFile
from storage.view.tree import Position, Root
from storage.view.walk import Entry, Walker
from tests.stored_copies import FixedHoldings

ROOT = Position(Root())


class NoFiles:
    """A reader of versions that hold nothing: these tests stop above the files."""

    async def files(self, held: HeldVersion) -> VersionFiles:
        return VersionFiles(FileListing(b""), NameListing(b""))

    async def records(self, held: HeldVersion) -> FileListing:
        return FileListing(b"")

    async def read(self, file: ViewFile, offset: int, length: int) -> bytes:
        raise AssertionError("nothing to read")


def held(identifier: str, version: int = 1) -> HeldVersion:
    return HeldVersion(f"lantai:gov/{identifier}", version, "a" * 64, "2026-11-22T08:00:00Z", ())


def holdings(*identifiers: str) -> FixedHoldings:
    return FixedHoldings({"gov": {identifier: [held(identifier)] for identifier in identifiers}})


async def descend(walker: Walker, *names: bytes) -> Entry:
    """Look up one name after the other, from the root."""
    entry = await walker.entry(ROOT)
    for name in names:
        found = await walker.lookup(entry.position, name)
        assert found is not None, name
        entry = found
    return entry


async def test_packages_that_arrive_while_listing_come_last_and_none_twice() -> None:
    many = holdings(*(f"case-{number}" for number in range(700)))
    walker = Walker(many, NoFiles())
    source = (await descend(walker, b"gov")).position
    seen: list[bytes] = []
    cookie = 0
    while True:
        # The kernel takes some entries at a time, and asks again from the last cookie.
        taken = 0
        async for entry in walker.entries(source, cookie):
            seen.append(entry.name)
            cookie = entry.cookie
            taken += 1
            if taken == 40:
                break
        if len(seen) == 400:
            many.add("gov", "a-late-one", [held("a-late-one")])
        if taken < 40:
            break
    assert seen == [b"case-%d" % number for number in range(700)] + [b"a-late-one"]


async def test_an_identifier_that_no_folder_could_have_is_found_by_its_escaped_name() -> None:
    walker = Walker(holdings("a/b", ".."), NoFiles())
    source = (await descend(walker, b"gov")).position
    assert [entry.name async for entry in walker.entries(source, 0)] == [b"a%2Fb", b"%2E%2E"]
    assert (await descend(walker, b"gov", b"a%2Fb")).position.offset == 1
    assert await walker.lookup(source, b"..") is None


async def test_a_package_shows_each_version_and_its_records() -> None:
    two = FixedHoldings({"gov": {"case": [held("case", 1), held("case", 2)]}})
    walker = Walker(two, NoFiles())
    package = (await descend(walker, b"gov", b"case")).position
    names = [entry.name async for entry in walker.entries(package, 0)]
    assert names == [b"v1", b"v1.lantai", b"v2", b"v2.lantai"]
    assert [entry.name async for entry in walker.entries(package, 3)] == [b"v2.lantai"]
    assert await walker.lookup(package, b"v3") is None
    second = await descend(walker, b"gov", b"case", b"v2.lantai")
    assert await walker.entry(second.position) == Entry(
        b"", second.position, None, second.modified_ns
    )


async def test_what_is_not_held_is_not_there() -> None:
    walker = Walker(holdings("case"), NoFiles())
    assert await walker.lookup(ROOT, b"other") is None
    assert await walker.lookup(ROOT, b"\xff") is None
    source = (await descend(walker, b"gov")).position
    assert await walker.lookup(source, b"case-2") is None
    assert await walker.lookup(source, b"\xff") is None


async def test_an_empty_version_is_an_empty_folder() -> None:
    walker = Walker(holdings("case"), NoFiles())
    version = (await descend(walker, b"gov", b"case", b"v1")).position
    assert [entry async for entry in walker.entries(version, 0)] == []
    assert await walker.lookup(version, b"x") is None
    assert await walker.file(version) is None
