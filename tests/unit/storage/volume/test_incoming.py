"""Streams that are not what they were announced to be, and paths that want to leave."""

import hashlib
import json
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from storage.volume.incoming import Incoming
from storage.volume.refusals import ContentRefused, OperationClosed, VolumeBusy
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, make_package, names, send, store

FILES = {"received/a.txt": b"abc", "received/b.txt": b"defgh"}


def with_lines(
    package: MadePackage, change: Callable[[list[dict[str, object]]], object]
) -> MadePackage:
    """The package with another file list, announced rightly."""
    order = package.order
    raw = package.stream[: order.file_list_bytes]
    lines = [json.loads(line) for line in raw.splitlines()]
    change(lines)
    file_list = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    return replace(
        package,
        order=replace(
            order,
            file_list_bytes=len(file_list),
            file_list_sha256=hashlib.sha256(file_list).hexdigest(),
        ),
        stream=file_list + package.stream[order.file_list_bytes :],
    )


def refused(volume: Volume, package: MadePackage, said: str) -> None:
    with pytest.raises(ContentRefused, match=said):
        send(volume, package)
    assert names(volume.settings.staging) == []
    assert volume.state().state == "ready"


@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
async def test_a_stream_may_come_in_pieces_of_any_size(volume: Volume, piece_bytes: int) -> None:
    package = make_package(FILES)
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    for offset in range(0, len(package.stream), piece_bytes):
        incoming.write(offset, package.stream[offset : offset + piece_bytes])
    await volume.commit(incoming)
    path = "v1/content/received/b.txt"
    assert volume.read(package.order.object_id, path, 0, 100) == b"defgh"


async def test_a_package_of_empty_files_has_no_content_stream(volume: Volume) -> None:
    package = make_package({"received/a": b"", "received/z": b""})
    await store(volume, package)
    assert volume.file_size(package.order.object_id, "v1/content/received/z") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "received/../../../x",
        "received/./x",
        "received//x",
        "received/",
        "../x",
        "received/\0x",
        f"received/{'x' * 256}",
        "elsewhere/x",
        "received",
        "inventory.json",
    ],
)
def test_a_path_that_leaves_its_place_is_refused(volume: Volume, path: str) -> None:
    package = make_package(FILES)

    def rename(lines: list[dict[str, object]]) -> None:
        lines[-1]["path"] = path
        lines.sort(key=lambda line: str(line["path"]).encode())

    refused(volume, with_lines(package, rename), "path|lies below")
    assert not (volume.settings.beside.parent / "x").exists()


def test_a_name_that_is_both_file_and_folder_is_refused(volume: Volume) -> None:
    package = make_package({"received/a": b"file", "received/a/b": b"below it"})
    refused(volume, package, "both a file and a folder")


def test_the_list_and_the_announcement_must_agree(volume: Volume) -> None:
    package = with_lines(make_package(FILES), lambda lines: lines.pop())
    refused(volume, package, "announced")


def test_another_file_list_than_announced_is_refused(volume: Volume) -> None:
    package = make_package(FILES)
    refused(volume, replace(package, stream=b"{" + package.stream[1:][::-1]), "SHA-256 announced")


def test_an_inventory_that_names_other_files_is_refused(volume: Volume) -> None:
    one, other = make_package(FILES), make_package({**FILES, "received/c.txt": b""})
    inventory = other.stream[other.order.file_list_bytes :][: other.order.inventory_bytes]
    order = replace(
        one.order,
        inventory_bytes=len(inventory),
        inventory_sha256=other.order.inventory_sha256,
    )
    body = one.stream[one.order.file_list_bytes + one.order.inventory_bytes :]
    stream = one.stream[: one.order.file_list_bytes] + inventory + body
    refused(volume, replace(one, order=order, stream=stream), "inventory")


def test_an_inventory_of_another_object_is_refused(volume: Volume) -> None:
    package = make_package(FILES)
    order = replace(package.order, object_id="lantai:s/another")
    refused(volume, replace(package, order=order), "inventory: id")


def test_one_flipped_byte_of_content_is_refused(volume: Volume) -> None:
    package = make_package(FILES)
    stream = bytearray(package.stream)
    stream[-1] ^= 1
    refused(volume, replace(package, stream=bytes(stream)), "SHA-256 of the list")


def test_a_wrong_block_root_is_refused(volume: Volume) -> None:
    package = make_package({"received/large": os.urandom(1024 * 1024 + 1)})
    refused(
        volume,
        with_lines(package, lambda lines: lines[-1].update(block_root="0" * 64)),
        "block root",
    )


def test_more_bytes_than_announced_are_refused(volume: Volume) -> None:
    package = make_package(FILES)
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    with pytest.raises(ContentRefused, match="more bytes"):
        incoming.write(0, package.stream + b"x")
    with pytest.raises(ContentRefused):
        incoming.write(0, package.stream)


async def test_a_refused_operation_may_be_sent_again_as_it_should_be(volume: Volume) -> None:
    package = make_package(FILES)
    stream = bytearray(package.stream)
    stream[-1] ^= 1
    with pytest.raises(ContentRefused):
        send(volume, replace(package, stream=bytes(stream)))
    await store(volume, package)


async def test_a_committed_operation_takes_no_more_bytes(volume: Volume) -> None:
    package = make_package(FILES)
    incoming = send(volume, package)
    await volume.commit(incoming)
    with pytest.raises(OperationClosed):
        incoming.write(len(package.stream), b"x")


async def test_an_object_id_of_any_length_finds_its_own_folder_again(
    volume: Volume, tmp_path: Path
) -> None:
    long_id = "lantai:s/" + "长" * 60
    package = make_package(FILES, object_id=long_id)
    await store(volume, package)
    folder = volume.object_folder(long_id)
    assert (volume.root / folder).is_dir()
    assert volume.owns_folder(folder)
    assert not volume.owns_folder(folder.with_name(folder.name[:-1] + "0"))


def test_a_process_without_descriptors_is_busy_and_its_disk_is_not_broken(volume: Volume) -> None:
    order = make_package().order
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(VolumeBusy):
            volume.begin(order)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert volume.state().state == "ready"
    assert isinstance(volume.begin(order), Incoming)
