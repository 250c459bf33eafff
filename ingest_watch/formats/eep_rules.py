"""The rules of EEP packages, each with its text and its place in the standard.

DA/T 48-2009 and the schema that implementers use; deviations that real senders make are warnings
with codes of their own. Texts only; docs/formats/eep.md is the table.
"""

from ingest_watch.findings import Rule, Severity

_SOURCE = "DA/T 48-2009"


def _error(code: str, english: str, chinese: str, source: str = _SOURCE) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, source)


def _warning(code: str, english: str, chinese: str, source: str = _SOURCE) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, source)


def _note(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.NOTE, english, chinese, _SOURCE)


ROOT_WRONG = _error(
    "eep-root", "the outermost element is {found}, not 电子文件封装包",
    "根元素为“{found}”，应为“电子文件封装包”",
)  # fmt: skip
DOCUMENTS = _error(
    "eep-documents", "the package must hold one EEP document (eep.xml, or one *.eep); it holds "
    "{count}", "信息包内应有且仅有一个 EEP 文件（eep.xml 或一个 *.eep），实有 {count} 个",
)  # fmt: skip
NAMESPACE_OTHER = _warning(
    "eep-namespace", "the namespace is '{found}', not the standard's",
    "命名空间为“{found}”，与标准不同",
)  # fmt: skip
NESTING = _error(
    "eep-nesting", "packages are nested more than {limit} deep (line {line})",
    "修改型封装包嵌套超过 {limit} 层（第 {line} 行）",
)  # fmt: skip
LIMIT = _error("eep-limit", "the package exceeds a limit: {detail}", "超出限制：{detail}")
ELEMENT_MISSING = _error(
    "eep-element-missing", "{place}: the element {element} is missing",
    "{place}：缺少元素“{element}”",
)  # fmt: skip
ELEMENT_EMPTY = _error(
    "eep-element-empty", "{place}: the element {element} is empty",
    "{place}：元素“{element}”为空",
)  # fmt: skip
ELEMENT_EXPECTED = _warning(
    "eep-element-expected", "{place}: the element {element} is expected and missing",
    "{place}：应有元素“{element}”而未见",
)  # fmt: skip
ELEMENT_REPEATED = _error(
    "eep-element-repeated", "{place}: the element {element} stands {count} times",
    "{place}：元素“{element}”出现 {count} 次",
)  # fmt: skip
ELEMENT_UNKNOWN = _warning(
    "eep-element-unknown", "{place}: the standard knows no element {element} here (first in line "
    "{line})", "{place}：标准中此处没有元素“{element}”（首见于第 {line} 行）",
)  # fmt: skip
ATTRIBUTE_UNKNOWN = _warning(
    "eep-attribute-unknown", "the standard knows no attribute {attribute} of {element} (first in "
    "line {line})", "标准中元素“{element}”没有属性“{attribute}”（首见于第 {line} 行）",
)  # fmt: skip
ENTITY_LEVEL = _warning(
    "eep-entity-level", "the record stands in 文件实体块 itself, without 文件实体 (line {line})",
    "著录内容直接位于“文件实体块”内，缺少“文件实体”一级（第 {line} 行）",
)  # fmt: skip
FORMAT_STRUCTURED = _warning(
    "eep-format-structured", "格式信息 has elements of its own in place of one text",
    "“格式信息”采用子元素而非一段文字",
)  # fmt: skip
DOCUMENT_TYPE = _warning(
    "eep-document-type", "文档类型 stands in place of 文档主从声明",
    "以“文档类型”代替“文档主从声明”",
)  # fmt: skip
ANNEX_FOR_NOTE = _warning(
    "eep-annex-for-note", "附录 stands in place of 附注", "以“附录”代替“附注”"
)
MAIN_DOCUMENT = _warning(
    "eep-main-document", "文档主从声明 is '{found}', not 主文档 or 附属文档",
    "文档主从声明为“{found}”，应为“主文档”或“附属文档”",
)  # fmt: skip
BUSINESS_EMPTY = _warning(
    "eep-block-empty", "{element} is empty: the package says nothing of it",
    "“{element}”为空：信息包未提供此类信息",
)  # fmt: skip
VERSION = _error(
    "eep-version", "{element} is '{found}', not 2009", "“{element}”为“{found}”，应为 2009"
)
TYPE_UNKNOWN = _error(
    "eep-type-unknown", "封装包类型 is '{found}', neither 原始型 nor 修改型",
    "封装包类型为“{found}”，应为“原始型”或“修改型”",
)  # fmt: skip
TYPE_CONTRADICTS = _error(
    "eep-type-contradicts", "封装包类型 is {found}, but what it holds is {content}",
    "封装包类型为“{found}”，但内容为“{content}”",
)  # fmt: skip
FORMAT_DESCRIPTION = _warning(
    "eep-format-description", "封装包格式描述 does not say that the package is made by DA/T 48",
    "“封装包格式描述”未说明依据 DA/T 48 生成",
)  # fmt: skip
TYPE_DESCRIPTION = _warning(
    "eep-type-description", "封装包类型描述 is not the standard's text for {kind}",
    "“封装包类型描述”与标准中“{kind}”的规定文字不同",
)  # fmt: skip
TIME_LOOSE = _warning(
    "eep-time-form", "{element} is '{found}', not as xs:dateTime asks (2009-12-16T08:30:00)",
    "“{element}”为“{found}”，不符合 dateTime 格式（2009-12-16T08:30:00）",
)  # fmt: skip
TIME_INVALID = _error(
    "eep-time-invalid", "{element} is no time: '{found}'", "“{element}”不是有效时间：“{found}”"
)
SIZE_UNIT = _warning(
    "eep-size-unit", "{place}: 计算机文件大小 is '{found}', not a number of bytes",
    "{place}：计算机文件大小为“{found}”，应为字节数",
)  # fmt: skip
SIZE_INVALID = _error(
    "eep-size-invalid", "{place}: 计算机文件大小 is no size: '{found}'",
    "{place}：计算机文件大小不是有效数值：“{found}”",
)  # fmt: skip
IDENTIFIER_MISSING = _error(
    "eep-identifier-missing", "{element} lacks its {attribute} (line {line})",
    "“{element}”缺少 {attribute}（第 {line} 行）",
)  # fmt: skip
IDENTIFIER_REPEATED = _error(
    "eep-identifier-repeated", "the identifier '{identifier}' stands more than once (line {line})",
    "标识“{identifier}”重复出现（第 {line} 行）",
)  # fmt: skip
REFERENCE_UNKNOWN = _error(
    "eep-reference-unknown", "{place}: '{identifier}' is referred to, and there is nothing of that "
    "name", "{place}：引用了“{identifier}”，但不存在该标识",
)  # fmt: skip
REFERENCE_AND_DATA = _error(
    "eep-reference-and-data", "{place}: there are both data and a reference to other data",
    "{place}：既有编码数据又引用其他编码数据",
)  # fmt: skip
KEYWORD_UNKNOWN = _error(
    "eep-encoding-unknown", "{place}: 反编码关键字 '{found}' before the data says nothing that can "
    "be decoded; use base64-<extension> or sha256-base64Binary",
    "{place}：编码数据之前的反编码关键字“{found}”无法识别；"
    "请用 base64-扩展名 或 sha256-base64Binary",
)  # fmt: skip
DESCRIPTION_UNKNOWN = _error(
    "eep-encoding-description", "{place}: 编码描述 names no encoding known here: '{found}'",
    "{place}：编码描述未说明可识别的编码方式：“{found}”",
)  # fmt: skip
MODES_MIXED = _error(
    "eep-encoding-mixed", "some files are embedded and others lie beside the document: send all of "
    "them one way", "部分文件内嵌、部分文件在外；请统一采用一种方式",
)  # fmt: skip
EXTENSION_DIFFERS = _warning(
    "eep-extension-differs",
    "{place}: the file is called '{name}', and 反编码关键字 says {extension}",
    "{place}：文件名为“{name}”，而反编码关键字为“{extension}”",
)  # fmt: skip
FILE_UNNAMED = _error(
    "eep-file-unnamed", "{place}: 计算机文件名 is missing before the data, so the file has no name",
    "{place}：编码数据之前没有计算机文件名，文件无名称",
)  # fmt: skip
BASE64_INVALID = _error(
    "eep-base64-invalid", "{place}: 编码数据 is not Base64: {detail}",
    "{place}：编码数据不是有效的 Base64：{detail}", "RFC 2045 §6.8",
)  # fmt: skip
DATA_EMPTY = _error(
    "eep-data-empty", "{place}: 编码数据 is empty and refers to nothing",
    "{place}：编码数据为空，且未引用其他数据",
)  # fmt: skip
FILE_MISSING = _error(
    "eep-file-missing", "the document describes the file, and it is not there",
    "封装包描述了该文件，但信息包中没有", "DA/T 70 2-11",
)  # fmt: skip
NAME_MATCHED = _warning(
    "eep-name-matched", "there is no file of this very name; '{file}' was taken, which is the same "
    "name in another Unicode form or in GB18030",
    "没有与此完全相同的文件名；已对应到“{file}”（Unicode 规范化形式不同，或为 GB18030 编码）",
    "docs/formats/package.md",
)  # fmt: skip
FILE_SURPLUS = _error(
    "eep-file-surplus", "the file is in the package, and the document does not describe it",
    "信息包中有该文件，但封装包未描述", "DA/T 70 4-3",
)  # fmt: skip
DIGEST_MALFORMED = _error(
    "eep-digest-malformed", "{place}: 编码数据 is no {algorithm} digest in Base64",
    "{place}：编码数据不是 Base64 形式的 {algorithm} 摘要", "DA/T 70 1-1",
)  # fmt: skip
DIGEST_DIFFERS = _error(
    "eep-digest-mismatch", "{algorithm} is {actual}; the document says {expected}",
    "{algorithm} 摘要为 {actual}；封装包记录为 {expected}", "DA/T 70 1-1",
)  # fmt: skip
DIGEST_WEAK = _warning(
    "eep-digest-weak", "only {algorithm} digests came with the files: proof against accidents, not "
    "against intent", "文件仅带有 {algorithm} 摘要，可防意外损坏，不能防篡改", "DA/T 70 1-1",
)  # fmt: skip
ENTITY_COUNT = _error(
    "eep-entity-count", "an EEP holds one record (文件实体) in each layer; here are {count}",
    "每层封装应有且仅有一个“文件实体”，实有 {count} 个", "DA/T 70 2-1",
)  # fmt: skip
UNSIGNED = _note(
    "eep-unsigned", "the package carries no electronic signature", "信息包没有电子签名"
)
NO_DIGESTS = _note(
    "eep-no-digests", "the files are embedded; the package carries no digests for them",
    "文件内嵌于封装包，未附摘要",
)  # fmt: skip
UNREAD = _note("eep-unread", "the document could not be read to its end", "封装包未能读取完毕")
