"""One line on a terminal that says how far long work is; nothing where nobody looks."""

import sys
import time

import click

_EVERY_S = 0.2
_CLEAR_LINE = "\r\x1b[K"


class ProgressLine:
    """On standard error, written over again and again."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._shown_s = time.monotonic()

    def show(self, text: str) -> None:
        now_s = time.monotonic()
        if self._is_shown and now_s - self._shown_s >= _EVERY_S:
            self._shown_s = now_s
            click.echo(f"{_CLEAR_LINE}{text}", err=True, nl=False)

    def clear(self) -> None:
        """Before anything else is said, and at the end."""
        if self._is_shown:
            click.echo(_CLEAR_LINE, err=True, nl=False)
