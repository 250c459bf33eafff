"""The rules of the carrier layout, each with its text and its place.

档发〔2012〕7号 (《电子档案移交与接收办法》) annex 2, known from a copy; the table is
docs/formats/carrier.md. Texts only. They name columns and labels, never what stands in them.
"""

from ingest_watch.findings import Rule, Severity

_SOURCE = "档发〔2012〕7号 annex 2"


def _error(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, _SOURCE)


def _warning(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, _SOURCE)


NOT_ONE = _error(
    "carrier-not-one",
    "the folder stands beside carriers and is none: it has neither 说明文件.TXT nor a 目录",
    "该文件夹与各载体并列，但本身不是载体：既无说明文件.TXT，也无目录文件",
)
RECORDS_MISSING = _error(
    "carrier-records-missing", "the folder 电子档案/ is missing", "缺少“电子档案”文件夹"
)
OTHERS_MISSING = _warning(
    "carrier-others-missing", "the folder 其他/ is missing", "缺少“其他”文件夹"
)
NAME_VARIANT = _warning(
    "carrier-name-variant", "the name must be written {name}", "该名称应写作 {name}"
)
DESCRIPTION_MISSING = _error(
    "carrier-description-missing", "说明文件.TXT is missing", "缺少说明文件.TXT"
)
DESCRIPTION_TWICE = _error(
    "carrier-description-twice", "there must be one 说明文件.TXT, and there are {count}",
    "说明文件.TXT 应只有一个，实有 {count} 个",
)  # fmt: skip
DESCRIPTION_UNREADABLE = _error(
    "carrier-description-unreadable", "the text cannot be read: {detail}",
    "无法读取该文本文件：{detail}",
)  # fmt: skip
BYTE_ORDER_MARK = _warning(
    "carrier-byte-order-mark",
    "the file begins with a byte-order mark",
    "文件以字节顺序标记（BOM）开头",
)
NUMBER_MISSING = _error(
    "carrier-number-missing", "说明文件 gives no 载体编号", "说明文件未给出载体编号"
)
NUMBER_TWICE = _error(
    "carrier-number-twice", "another carrier of the batch has the same 载体编号: {other}",
    "同一批次中另有载体使用相同的载体编号：{other}",
)  # fmt: skip
FIELD_MISSING = _error("carrier-field-missing", "说明文件 lacks {label}", "说明文件缺少“{label}”")
FIELD_EMPTY = _warning(
    "carrier-field-empty", "{label} in 说明文件 is empty", "说明文件中“{label}”为空"
)
FIELD_TWICE = _error(
    "carrier-field-twice", "说明文件 gives {label} more than once, and differently",
    "说明文件多次给出“{label}”且内容不同",
)  # fmt: skip
CATALOGUE_MISSING = _error(
    "carrier-catalogue-missing", "there is neither 文件目录.XML nor 案卷目录.XML",
    "文件目录.XML 和案卷目录.XML 均缺少",
)  # fmt: skip
CATALOGUE_TWICE = _error(
    "carrier-catalogue-twice", "there must be one {name}, and there are {count}",
    "{name} 应只有一个，实有 {count} 个",
)  # fmt: skip
CATALOGUE_EMPTY = _error("carrier-catalogue-empty", "the 目录 lists nothing", "目录中没有任何条目")
ENCODING_WRONG = _error(
    "carrier-encoding-wrong",
    "the 目录 declares {encoding} and is written in UTF-8: correct the declaration",
    "目录声明编码为 {encoding}，实际为 UTF-8，请更正声明",
)
ENCODING_OTHER = _warning(
    "carrier-encoding-other",
    "the encoding is {encoding}; GB18030, GB2312 or UTF-8 are provided for",
    "编码为 {encoding}；规定使用 GB18030、GB2312 或 UTF-8",
)  # fmt: skip
ROOT = _error(
    "carrier-root", "the root element is {actual}, and must be {expected}",
    "根元素为 {actual}，应为 {expected}",
)  # fmt: skip
ROOT_VARIANT = _warning(
    "carrier-root-variant", "the root element is 目录, and should be {expected}",
    "根元素为“目录”，应为 {expected}",
)  # fmt: skip
ENTRY_NAME = _error(
    "carrier-entry-name", "line {line}: {actual} stands where only {expected} may",
    "第 {line} 行：此处只能是 {expected}，实为 {actual}",
)  # fmt: skip
COLUMN_MISSING = _error(
    "carrier-column-missing", "{place} lacks the column {column}", "{place} 缺少“{column}”栏"
)
COLUMN_TWICE = _error(
    "carrier-column-twice", "{place} has the column {column} more than once",
    "{place} 的“{column}”栏出现多次",
)  # fmt: skip
COLUMN_NESTED = _error(
    "carrier-column-nested", "{place}: the column {column} holds further elements",
    "{place} 的“{column}”栏内含有其他元素",
)  # fmt: skip
COLUMN_EXTRA = _warning(
    "carrier-column-extra", "the column {column} is not provided for; it is kept",
    "“{column}”栏不在规定之列，予以保留",
)  # fmt: skip
CONTENT_UNNAMED = _error(
    "carrier-content-unnamed", "{place}: 电子档案名称 is empty", "{place} 的电子档案名称为空"
)
CONTENT_MISSING = _error(
    "carrier-content-missing", "{place} names it, and it is not below 电子档案/",
    "{place} 著录了该电子档案，但“电子档案”文件夹中没有",
)  # fmt: skip
CONTENT_AMBIGUOUS = _error(
    "carrier-content-ambiguous",
    "{place} names it without its folders, and there are at least {count} of that name",
    "{place} 著录时未写明文件夹，而同名者至少有 {count} 个",
)
CONTENT_OUTSIDE = _error(
    "carrier-content-outside", "{place} names what lies outside the carrier",
    "{place} 指向载体之外的位置",
)  # fmt: skip
CONTENT_BACKSLASH = _warning(
    "carrier-content-backslash", "{place} writes folders with a backslash; '/' was taken",
    "{place} 以反斜杠分隔文件夹，已按“/”处理",
)  # fmt: skip
CONTENT_SIMILAR = _warning(
    "carrier-content-similar",
    "{place} writes the name in other letters or another Unicode form; '{file}' was taken",
    "{place} 中名称的大小写或 Unicode 规范化形式不同，已对应到“{file}”",
)
CONTENT_NO_EXTENSION = _warning(
    "carrier-content-no-extension", "{place} writes the name without its extension",
    "{place} 中的名称未写扩展名",
)  # fmt: skip
NAMES_SEVERAL = _warning(
    "carrier-names-several", "{place} gives several names in 电子档案名称",
    "{place} 的电子档案名称给出多个名称",
)  # fmt: skip
CONTENT_SHARED = _warning(
    "carrier-content-shared", "{count} records of {catalogue} name the same file",
    "{catalogue} 中有 {count} 个条目著录同一文件",
)  # fmt: skip
SURPLUS = _error(
    "carrier-surplus", "no record of the 目录 means this file, and the layout has no place for it",
    "目录中没有条目著录该文件，载体结构中也无其位置",
)  # fmt: skip
COUNT = _error(
    "carrier-count", "the 登记表 states {stated} {unit}; the 目录 lists {actual}",
    "登记表记载 {stated} {unit}，目录实列 {actual} {unit}",
)  # fmt: skip
BYTES = _error(
    "carrier-bytes", "the 登记表 states {stated} GB; there are {actual} bytes in 电子档案/",
    "登记表记载 {stated} GB，“电子档案”实为 {actual} 字节",
)  # fmt: skip
TALLY_UNCLEAR = _error(
    "carrier-tally-unclear", "{element} of the 登记表 is no number that can be compared",
    "登记表中“{element}”不是可比对的数字",
)  # fmt: skip
TALLY_NONE = Rule(
    "carrier-tally-none", Severity.NOTE, "there is no 登记表 in XML that states it",
    "未附 XML 格式的登记表，无从比对", _SOURCE,
)  # fmt: skip
