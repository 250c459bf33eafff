"""Read 说明文件.TXT: what a carrier says of itself, label by label.

档发〔2012〕7号 annex 2; docs/formats/carrier.md. Lines are `label：value`. Holds the text whole,
so it may be 1 MiB and no more. What the values say is for people.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.findings import Finding
from ingest_watch.formats.carrier_rules import (
    BYTE_ORDER_MARK,
    DESCRIPTION_UNREADABLE,
    FIELD_EMPTY,
    FIELD_MISSING,
    FIELD_TWICE,
    NUMBER_MISSING,
)

BYTES_MAX = 1024 * 1024
_NUMBER = "载体编号"
_ENVIRONMENT = "软硬件环境"
# 读取本载体内档案所需要的软硬件环境, in one line or in two.
_ENVIRONMENT_NAMED = re.compile("软、?硬件|软件(?:和|及|与)?硬件|(?:软件|硬件)环境")
_REQUIRED = ("载体参数", "载体保管单位", "载体制作单位", "载体检查单位", _ENVIRONMENT)
# What a label begins with, or holds, and the field that it is then.
_BEGINNINGS = (
    *((label, label) for label in (_NUMBER, *_REQUIRED)),
    ("载体容量", "载体参数"),
    ("载体类型", "载体参数"),
)
_LINE = re.compile(r"\s*([^：:]{1,60})[：:](.*)")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Description:
    """What one 说明文件 says, and what is wrong with it."""

    number: str | None = None  # 载体编号
    findings: tuple[Finding, ...] = ()  # 1-12
    unreadable: Finding | None = None  # 3-1


def read_description(content: bytes, path: str) -> Description:
    """Judge the content of the 说明文件 at `path`."""
    if len(content) > BYTES_MAX:
        detail = f"it has more than {BYTES_MAX} bytes"
        return Description(unreadable=DESCRIPTION_UNREADABLE.found(path, detail=detail))
    text = _decoded(content)
    if text is None or "\0" in text:
        detail = "it is neither UTF-8 nor GB18030"
        return Description(unreadable=DESCRIPTION_UNREADABLE.found(path, detail=detail))
    fields: dict[str, list[str]] = {}
    for label, value in _fields(text):
        fields.setdefault(label, []).append(value)
    findings = list(_judge(fields, path))
    if content.startswith((codecs.BOM_UTF8, *_UTF16)):
        findings.append(BYTE_ORDER_MARK.found(path))
    number = next((value for value in fields.get(_NUMBER, []) if value), None)
    return Description(number, tuple(findings))


def _judge(fields: dict[str, list[str]], path: str) -> Iterator[Finding]:
    if not any(fields.get(_NUMBER, [])):
        yield NUMBER_MISSING.found(path)
    for label in _REQUIRED:
        if label not in fields:
            yield FIELD_MISSING.found(path, label=label)
        elif not any(fields[label]):
            yield FIELD_EMPTY.found(path, label=label)
    # 载体参数 may be given as capacity and as kind, the environment as software and as hardware.
    for label in (_NUMBER, *_REQUIRED[1:-1]):
        if len(set(fields.get(label, []))) > 1:
            yield FIELD_TWICE.found(path, label=label)


def _decoded(content: bytes) -> str | None:
    for mark, codec in _UTF16.items():
        if content.startswith(mark):
            return _tried(content[len(mark) :], codec)
    text = _tried(content.removeprefix(codecs.BOM_UTF8), "utf-8")
    return text if text is not None else _tried(content, "gb18030")


def _tried(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield field and value of every labelled line, with the lines that go on with it."""
    label, value = "", ""
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        field = None if match is None else _field_of(match[1])
        if match is None or field is None:
            value = f"{value} {line.strip()}".strip()
            continue
        if label:
            yield label, value
        label, value = field, match[2].strip()
    if label:
        yield label, value


def _field_of(written: str) -> str | None:
    """Return the field that a label means; its own text for one that is not asked for."""
    label = re.sub(r"\s|^[0-9一二三四五六七八九十]+[.、．)）]", "", written)
    for beginning, field in _BEGINNINGS:
        if label.startswith(beginning):
            return field
    return _ENVIRONMENT if _ENVIRONMENT_NAMED.search(label) else label or None
