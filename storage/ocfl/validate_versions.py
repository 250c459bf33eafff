"""The names of versions, and what each version says of itself besides its files.

OCFL 1.1 sections 3.3 (E008 to E013, E104, E105, W001) and 3.5.3.1 (E047 to E049, E054, E094, W007
to W009). Pure.
"""

import datetime as dt
import itertools
import re
from collections.abc import Iterable
from typing import Any

from storage.ocfl.validate_findings import Findings, shown
from storage.ocfl.validate_json import Block

# More digits than any object will ever have versions; a longer number is not read as one.
_VERSION = re.compile(r"v([0-9]{1,18})")
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-](\d\d):(\d\d))", re.ASCII
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_VERSION_KEYS = {"created", "state", "message", "user"}
_USER_KEYS = {"name", "address"}


def is_uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None


def version_number(name: str) -> int | None:
    match = _VERSION.fullmatch(name)
    return int(match[1]) if match else None


def looks_like_version(name: str) -> bool:
    return _VERSION.fullmatch(name) is not None


def check_version_names(
    names: Iterable[str], specification: str, findings: Findings, where: str
) -> list[str]:
    """The usable names, oldest first."""
    numbered: list[tuple[int, str]] = []
    for name in names:
        number = version_number(name)
        if number is None:
            code = "E104" if specification == "1.1" else "E046"
            findings.add(code, where, f"{shown(name)} is no version name: v1, v2, …")
        elif number == 0:
            code = "E105" if specification == "1.1" else "E009"
            findings.add(code, where, f"{shown(name)}: versions are counted from 1")
        else:
            numbered.append((number, name))
    numbered.sort()
    if not numbered:
        findings.add("E008", where, "there is no version, not even v1")
        return []
    _check_sequence([number for number, _ in numbered], findings, where)
    _check_padding([name for _, name in numbered], findings, where)
    return [name for _, name in numbered]


def check_version_block(name: str, block: Block, findings: Findings, where: str) -> None:
    """Everything in a version block but its state."""
    part = f"version {name}"
    for key in block.keys() - _VERSION_KEYS:
        findings.add("E102", where, f"{part} has the key {shown(key)}, which OCFL does not know")
    for key in block.repeated:
        findings.add("E033", where, f"{part} has the key {shown(key)} twice")
    for key in ("created", "state"):
        if key not in block:
            findings.add("E048", where, f"{part} has no {key!r}")
    if "created" in block:
        _check_created(part, block["created"], findings, where)
    if "message" not in block:
        findings.add("W007", where, f"{part} has no 'message'")
    elif not isinstance(block["message"], str):
        message = f"{part}: message must be a string, not {shown(block['message'])}"
        findings.add("E094", where, message)
    if "user" not in block:
        findings.add("W007", where, f"{part} has no 'user'")
    else:
        _check_user(part, block["user"], findings, where)


def _check_sequence(numbers: list[int], findings: Findings, where: str) -> None:
    if numbers[0] != 1:
        findings.add("E009", where, f"the first version is {numbers[0]}, not 1")
    for before, after in itertools.pairwise(numbers):
        if after > before + 1:
            findings.add("E010", where, f"after version {before} comes {after}: one is missing")


def _check_padding(names: list[str], findings: Findings, where: str) -> None:
    """The first version's name sets the convention for all (E012, E013)."""
    first = names[0]
    padded = first.startswith("v0")
    if padded:
        findings.add("W001", where, f"version names such as {first} are padded with zeros")
    for name in names[1:]:
        if padded and not name.startswith("v0"):
            findings.add("E011", where, f"{name} must begin with v0, as {first} does")
            findings.add("E013", where, f"{name} does not follow the naming of {first}")
        elif padded != name.startswith("v0") or (padded and len(name) != len(first)):
            findings.add("E012", where, f"{name} and {first} follow different namings")
            findings.add("E013", where, f"{name} does not follow the naming of {first}")


def _check_created(part: str, created: Any, findings: Findings, where: str) -> None:
    if not isinstance(created, str) or not _is_date_time(created):
        message = f"{part}: created must be an RFC 3339 date and time with seconds and time zone"
        findings.add("E049", where, f"{message}, not {shown(created)}")


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second, *offset = (int(part or 0) for part in match.groups())
    try:
        # A leap second (RFC 3339 section 5.7) is no time that Python knows.
        dt.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=dt.UTC)
    except ValueError:
        return False
    return second <= 60 and offset[0] <= 23 and offset[1] <= 59


def _check_user(part: str, user: Any, findings: Findings, where: str) -> None:
    if not isinstance(user, Block):
        findings.add("E054", where, f"{part}: user must be a JSON object, not {shown(user)}")
        return
    for key in user.keys() - _USER_KEYS:
        message = f"{part}: user has the key {shown(key)}, which OCFL does not know"
        findings.add("E102", where, message)
    name = user.get("name")
    if not isinstance(name, str) or not name:
        findings.add("E054", where, f"{part}: user must have a 'name', a string that is not empty")
    if "address" not in user:
        findings.add("W008", where, f"{part}: user has no 'address'")
    elif not isinstance(user["address"], str):
        message = f"{part}: address must be a string, not {shown(user['address'])}"
        findings.add("E054", where, message)
    elif not is_uri(user["address"]):
        message = f"{part}: address {shown(user['address'])} is no URI (mailto:…, https://…)"
        findings.add("W009", where, message)
