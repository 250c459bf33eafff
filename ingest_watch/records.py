"""What a package's metadata says, in one shape for all formats: records, and the files they state.

DA/T 46-2009 (elements), DA/T 70-2018 (which checks ask for them). A format module yields these as
it reads; checks judge them by a profile's rules. Values may be personal data: they go into reports
that travel to the sender, never into logs, metrics or the text of an exception.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a record and its value, as sent, without white space around it."""

    name: str  # element names from the record down, "/" between: `内容描述/题名`
    value: str
    line: int | None = None  # in the document it stands in


@dataclass(frozen=True, slots=True)
class Record:
    """One described thing: a file-level record (件), a volume (案卷), a case (办件)."""

    place: str  # where it stands, for people: "文件目录.XML, 文件 3"
    path: str  # the document it stands in, relative to the package
    fields: tuple[Field, ...]

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of a field, named whole or by its last element."""
        return tuple(
            field.value
            for field in self.fields
            if field.name == name or field.name.endswith("/" + name)
        )


@dataclass(frozen=True, slots=True)
class StatedDigest:
    """A digest that the metadata gives for a file."""

    algorithm: str | None  # normalised (algorithms.py); None: not said, or not known to us
    value: str  # lower-case hexadecimal, however it was written


@dataclass(frozen=True, slots=True)
class StatedFile:
    """One content file as the metadata describes it."""

    place: str  # where it is described, for people
    path: str | None  # where it is in the content listing; None: the metadata does not resolve
    stated_path: str  # what the metadata says, as sent
    size: str | None = None  # as sent: "130048" or "127 KB"
    format: str | None = None  # as sent
    digest: StatedDigest | None = None
