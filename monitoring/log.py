"""The log: dotted events with fields, one JSON object a line on standard output.

journald keeps what a role writes there (sd-daemon(7)); a terminal, or LANTAI_LOG=console, gets
lines for people instead. Until `configure_log` is called, as in the `lantai` verbs, only warnings
are written, to standard error. Decides no wording and keeps no file: no personal data and no
metadata value of a record may be a field.
"""

import json
import logging
import os
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger


def get_log(name: str) -> FilteringBoundLogger:
    """The log of one module: `log.info("volume.commit.finished", objects=3, duration_s=0.1)`."""
    log: FilteringBoundLogger = structlog.get_logger(module=name)
    return log


def configure_log(role: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard output), every line naming `role`.

    The standard library's log (asyncio, aiohttp, alembic) takes the same way out, from WARNING on.
    """
    stream = stream or sys.stdout
    console = _wants_console(stream)
    level = logging.DEBUG if os.environ.get("LANTAI_DEBUG") == "1" else logging.INFO
    _configure(role, stream, level, console=console)


def render_json(_log: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line of JSON; names that are not UTF-8 become escapes, paths become text."""
    ordered = {key: event.pop(key) for key in ("at", "level", "event") if key in event}
    text = json.dumps({**ordered, **event}, ensure_ascii=False, default=str)
    # A lone surrogate (a raw byte of a file's name) comes out as its JSON escape.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _wants_console(stream: TextIO) -> bool:
    chosen = os.environ.get("LANTAI_LOG")
    return chosen == "console" or (chosen is None and stream.isatty())


def _configure(role: str, stream: TextIO, level: int, *, console: bool) -> None:
    def name_role(_log: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        # Not a context variable: the threads of a pool do not inherit those.
        event["role"] = role
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        name_role,
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at")]
        if console
        else [structlog.processors.format_exc_info, render_json]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


class _StandardErrorNow:
    """Standard error as it is at each write, since tests and pagers exchange it."""

    def write(self, text: str) -> Any:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _quiet_until_configured() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            render_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(_StandardErrorNow()),  # type: ignore[arg-type]  # needs write and flush only
        cache_logger_on_first_use=False,
    )


_quiet_until_configured()
