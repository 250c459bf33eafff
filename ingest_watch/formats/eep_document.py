"""What one reading of an EEP document tells, as values.

DA/T 48-2009. Made by eep_reading.py, asked by eep.py. Layer 0 is the newest; each 修改型 layer
holds the one before it, so layer n is what `n` times 原封装包 leads to.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from ingest_watch.findings import Finding
from ingest_watch.formats.eep_keywords import Keyword
from ingest_watch.records import Field

# One EEP describes one record (件), and what it says is kept in memory: so many computer files
# cost a reader 20 MiB of the 96 it may use.
ENCODINGS_MAX = 5_000
SIGNATURES_MAX = 64
# Of all metadata of all layers, an element without text counting as many as it costs memory.
TEXT_CHARACTERS_MAX = 8 * 1024 * 1024
ELEMENT_CHARACTERS = 32
FINDINGS_MAX = 1_000  # of one kind of question; what is left out is more of the same
LEAF_CHARACTERS_MAX = 1024 * 1024
LAYERS_MAX = 8


@dataclass(frozen=True, slots=True)
class Span:
    """Where an element stands in the document as UTF-8: its start tag, and its end tag."""

    start: int
    end_tag: int


@dataclass(slots=True)
class Encoding:
    """One 编码: one computer file."""

    place: str
    layer: int
    name: str = ""  # 计算机文件名, as sent
    size: str | None = None
    format: str | None = None
    description: str = ""
    keyword_text: str = ""
    keyword: Keyword | None = None
    data_id: str = ""
    reference: str = ""  # 引用编码数据ID
    has_data: bool = False
    path: str | None = None  # in `content/` when embedded, in the package when beside
    digest: bytes | None = None  # what the document says, when the file lies beside it
    is_malformed: bool = False  # its data cannot be decoded: said already, so nothing else is


@dataclass(slots=True)
class Signature:
    """One 电子签名 or 锁定签名."""

    place: str
    layer: int
    identifier: str = ""
    locks: str | None = None  # 被锁定签名标识符, of a signature over a signature
    value: str = ""
    certificates: list[str] = field(default_factory=list)
    algorithm: str = ""
    time: str = ""
    span: Span | None = None


@dataclass(slots=True)
class Layer:
    """One 被签名对象 and what is said about it."""

    kind: str = ""  # 封装包类型
    created: str = ""  # 封装包创建时间
    span: Span | None = None
    entities: int = 0  # 文件实体, or 1 where its block holds what it should hold
    fields: list[Field] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """The whole document."""

    path: str  # of the document, relative to the package
    layers: list[Layer] = field(default_factory=lambda: [Layer()])
    encodings: list[Encoding] = field(default_factory=list)
    structure: list[Finding] = field(default_factory=list)  # 1-13
    descriptions: list[Finding] = field(default_factory=list)  # 1-12
    contents: list[Finding] = field(default_factory=list)  # 2-11
    flaw: Finding | None = None  # why it could not be read to its end

    def tell(self, where: list[Finding], findings: Iterable[Finding]) -> None:
        """Add to one of the lists above, up to a limit: a document may have any number of flaws."""
        where += islice(findings, FINDINGS_MAX - len(where))
