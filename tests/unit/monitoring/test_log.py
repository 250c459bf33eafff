"""The log: JSON that any reader parses, Chinese as it is, bytes that are not UTF-8 escaped."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from monitoring.log import configure_log, get_log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream that the log goes to; everything is put back afterwards."""
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    yield io.StringIO()
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


def test_an_event_is_one_json_line_that_begins_with_time_and_level(stream: io.StringIO) -> None:
    configure_log("node", stream)
    get_log("storage.volume").info("volume.commit.finished", objects=3, name="申请表")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert "申请表" in line
    event = json.loads(line)
    assert list(event)[:3] == ["at", "level", "event"]
    assert event["event"] == "volume.commit.finished"
    assert event["role"] == "node"
    assert event["module"] == "storage.volume"
    assert event["objects"] == 3


def test_a_name_that_is_not_utf8_is_written_as_its_escape(stream: io.StringIO) -> None:
    configure_log("ingest", stream)
    get_log("x").warning("drop.name.odd", path=Path(os.fsdecode(b"\xc9\xea.pdf")))
    text = stream.getvalue()
    text.encode("utf-8")
    assert json.loads(text)["path"] == "\udcc9\udcea.pdf"


def test_an_exception_travels_inside_its_line(stream: io.StringIO) -> None:
    configure_log("api", stream)
    try:
        int("why")
    except ValueError:
        get_log("x").exception("part.failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: invalid literal" in json.loads(stream.getvalue())["exception"]


def test_warnings_of_libraries_take_the_same_way(stream: io.StringIO) -> None:
    configure_log("node", stream)
    logging.getLogger("asyncio").error("something %s", "odd")
    logging.getLogger("asyncio").info("not this")
    event = json.loads(stream.getvalue())
    assert event["event"] == "something odd"
    assert event["level"] == "error"


def test_a_person_gets_lines_without_braces(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANTAI_LOG", "console")
    configure_log("node", stream)
    get_log("x").info("volume.opened", objects=3)
    assert "volume.opened" in stream.getvalue()
    assert "objects=3" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_until_configured_only_warnings_reach_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    get_log("x").info("quiet")
    get_log("x").warning("loud")
    written = capsys.readouterr()
    assert written.out == ""
    assert json.loads(written.err)["event"] == "loud"
