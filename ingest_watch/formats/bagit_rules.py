"""The rules of BagIt, each with its text and its place in the specification.

RFC 8493 (BagIt 1.0); the drafts draft-kunze-bagit-00 to -10 (0.93 to 0.97) where they are more
lenient, which the modules that judge decide. Texts only; docs/formats/bagit.md is the table.
"""

from ingest_watch.findings import Rule, Severity


def _error(code: str, english: str, chinese: str, section: str) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, f"RFC 8493 §{section}")


def _warning(code: str, english: str, chinese: str, section: str) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, f"RFC 8493 §{section}")


DECLARATION_MISSING = _error(
    "bagit-declaration-missing", "bagit.txt is missing", "缺少 bagit.txt", "2.1.1"
)
DECLARATION_INVALID = _error(
    "bagit-declaration-invalid", "bagit.txt is not as it must be: {detail}",
    "bagit.txt 不符合规定：{detail}", "2.1.1",
)  # fmt: skip
DECLARATION_LOOSE = _warning(
    "bagit-declaration-loose", "bagit.txt is not written strictly: {detail}",
    "bagit.txt 书写不严格：{detail}", "2.1.1",
)  # fmt: skip
VERSION_UNSUPPORTED = _error(
    "bagit-version-unsupported",
    "BagIt version {version} is not one of 0.93 to 0.97 and 1.0",
    "不支持 BagIt 版本 {version}（支持 0.93 至 0.97 及 1.0）", "2.1.1",
)  # fmt: skip
ENCODING_UNSUPPORTED = _error(
    "tag-encoding-unsupported",
    "tag files in encoding {encoding} cannot be read; use UTF-8",
    "无法读取编码为 {encoding} 的标签文件；请使用 UTF-8", "2.1.1",
)  # fmt: skip
ENCODING_NOT_UTF8 = _warning(
    "tag-encoding-not-utf8", "tag files are in {encoding}; UTF-8 is recommended",
    "标签文件编码为 {encoding}；建议使用 UTF-8", "2.1.1",
)  # fmt: skip
BYTE_ORDER_MARK = _error(
    "byte-order-mark", "the file begins with a byte-order mark, which it must not",
    "文件以字节顺序标记（BOM）开头，不符合规定", "2.3",
)  # fmt: skip
TAG_FILE_UNREADABLE = _error(
    "tag-file-unreadable", "the file cannot be read as {encoding}: {detail}",
    "无法按 {encoding} 编码读取该文件：{detail}", "2.3",
)  # fmt: skip
PAYLOAD_FOLDER_MISSING = _error(
    "payload-folder-missing", "the folder data/ is missing", "缺少 data/ 文件夹", "2.1.2"
)
MANIFEST_MISSING = _error(
    "manifest-missing", "there is no payload manifest (manifest-<algorithm>.txt)",
    "缺少载荷清单（manifest-<算法>.txt）", "2.1.3",
)  # fmt: skip
MANIFEST_NAME = _error(
    "manifest-name",
    "the algorithm in the manifest's name must be written {algorithm}",
    "清单文件名中的算法应写作 {algorithm}", "2.4",
)  # fmt: skip
MANIFEST_LINE = _error(
    "manifest-line", "line {line} is not a digest and a path: {detail}",
    "第 {line} 行不是“摘要 路径”格式：{detail}", "2.1.3",
)  # fmt: skip
MANIFEST_BLANK_LINE = _warning(
    "manifest-blank-line", "line {line} is empty", "第 {line} 行为空行", "2.1.3"
)
PATH_OUTSIDE = _error(
    "path-outside-payload", "{manifest} names a file outside data/",
    "{manifest} 列出了 data/ 之外的文件", "2.1.3",
)  # fmt: skip
PATH_TRAVERSAL = _error(
    "path-traversal", "{manifest} names a file outside the bag",
    "{manifest} 列出了信息包之外的文件", "5.1",
)  # fmt: skip
PATH_DOT_SLASH = _warning(
    "path-relative", "{manifest} writes the path with './', which other tools may refuse",
    "{manifest} 中路径带有“./”，其他软件可能拒绝", "2.1.3",
)  # fmt: skip
PATH_MD5SUM = _warning(
    "manifest-md5sum",
    "{manifest} was written by md5sum or the like ('*' or a backslash before the path); "
    "the bag fails strict validation",
    "{manifest} 由 md5sum 等工具生成（路径前有“*”或反斜杠）；该包不能通过严格校验", "6.1.3",
)  # fmt: skip
PATH_NOT_ENCODED = _warning(
    "path-not-encoded", "{manifest} writes '%' as it is; in BagIt 1.0 it must be %25",
    "{manifest} 未对“%”编码；BagIt 1.0 要求写作 %25", "2.1.3",
)  # fmt: skip
PATH_NORMALISED = _warning(
    "path-normalised",
    "{manifest} writes the name in another Unicode form; the file '{file}' was taken",
    "{manifest} 中文件名的 Unicode 规范化形式不同；已对应到文件“{file}”", "6.1.1.3",
)  # fmt: skip
PATH_IN_TAG_ENCODING = _warning(
    "path-in-tag-encoding", "the file's name is not UTF-8 but in the tag files' encoding",
    "文件名不是 UTF-8，而是标签文件的编码", "2.1.3",
)  # fmt: skip
PATH_TRIMMED = _warning(
    "path-trimmed", "{manifest} has spaces behind the path; the file without them was taken",
    "{manifest} 中路径末尾有空格；已对应到无空格的文件", "2.1.3",
)  # fmt: skip
PAYLOAD_MISSING = _error(
    "payload-missing", "{manifest} lists the file, and it is not there",
    "{manifest} 列出该文件，但信息包中没有", "3",
)  # fmt: skip
PAYLOAD_MISSING_SIMILAR = _error(
    "payload-missing-similar", "{manifest} lists the file, and there is only '{file}'",
    "{manifest} 列出该文件，但信息包中只有“{file}”", "3",
)  # fmt: skip
LISTED_FOLDER = _error(
    "manifest-lists-folder", "{manifest} lists a folder; only files may be listed",
    "{manifest} 列出了文件夹；只能列出文件", "2.1.3",
)  # fmt: skip
PAYLOAD_UNLISTED = _error(
    "payload-unlisted", "the file is in no payload manifest",
    "该文件未列入任何载荷清单", "3",
)  # fmt: skip
MANIFESTS_DIFFER = _error(
    "manifests-differ", "{manifest} does not list the file, another manifest does",
    "{manifest} 未列出该文件，而另一份清单列出", "3",
)  # fmt: skip
LISTED_TWICE = _error(
    "listed-twice", "{manifest} lists the file {count} times",
    "{manifest} 将该文件列出 {count} 次", "2.1.3",
)  # fmt: skip
LISTED_TWICE_DIFFERENTLY = _error(
    "listed-twice-differently", "{manifest} lists the file with different digests",
    "{manifest} 以不同摘要多次列出该文件", "2.1.3",
)  # fmt: skip
LISTED_TWICE_NORMALISED = _error(
    "listed-twice-normalised",
    "{manifest} lists two names that differ only in Unicode form, and there is one file",
    "{manifest} 列出两个仅 Unicode 规范化形式不同的文件名，而文件只有一个", "6.1.1.3",
)  # fmt: skip
DIGEST_MISMATCH = _error(
    "digest-mismatch", "{algorithm} is {actual}; {manifest} says {expected}",
    "{algorithm} 摘要为 {actual}；{manifest} 记录为 {expected}", "3",
)  # fmt: skip
ALGORITHM_UNKNOWN = _error(
    "algorithm-unknown", "nothing here can compute {algorithm}, so {manifest} proves nothing",
    "本系统无法计算 {algorithm}，{manifest} 不能作为凭证", "2.4",
)  # fmt: skip
ALGORITHM_WEAK = _warning(
    "algorithm-weak",
    "only {algorithm} digests came with the package: proof against accidents, not against intent; "
    "SHA-256 was taken on arrival",
    "信息包仅带有 {algorithm} 摘要，可防意外损坏，不能防篡改；接收时已另行计算 SHA-256", "2.4",
)  # fmt: skip
TAG_MANIFEST_NONE = Rule(
    "tag-manifest-none", Severity.WARNING,
    "there is no tag manifest, so nothing proves the manifests and metadata unchanged",
    "没有标签清单，无法证明清单和元数据未被改动", "RFC 8493 §2.2.1",
)  # fmt: skip
TAG_MANIFEST_INCOMPLETE = _error(
    "tag-manifest-incomplete", "{manifest} does not list the payload manifest",
    "{manifest} 未列出该载荷清单", "2.2.1",
)  # fmt: skip
TAG_FILE_UNLISTED = _warning(
    "tag-file-unlisted", "no tag manifest lists the file, so nothing proves it unchanged",
    "没有标签清单列出该文件，无法证明其未被改动", "2.2.1",
)  # fmt: skip
TAG_MANIFEST_LISTS_ITSELF = _error(
    "tag-manifest-listed", "{manifest} lists a tag manifest, which it must not",
    "{manifest} 列出了标签清单，不符合规定", "2.2.1",
)  # fmt: skip
TAG_MANIFEST_LISTS_PAYLOAD = _error(
    "tag-manifest-payload", "{manifest} lists a payload file, which it must not",
    "{manifest} 列出了载荷文件，不符合规定", "2.2.1",
)  # fmt: skip
TAG_FILE_MISSING = _error(
    "tag-file-missing", "{manifest} lists the file, and it is not there",
    "{manifest} 列出该文件，但信息包中没有", "3",
)  # fmt: skip
METADATA_LINE = _error(
    "metadata-line", "line {line} is not 'Label: value': {detail}",
    "第 {line} 行不是“标签: 值”格式：{detail}", "2.2.2",
)  # fmt: skip
METADATA_REPEATED = _warning(
    "metadata-repeated", "{label} should stand once", "{label} 应只出现一次", "2.2.2"
)
OXUM_INVALID = _error(
    "payload-oxum-invalid", "Payload-Oxum must stand once, as bytes.files: {detail}",
    "Payload-Oxum 应只出现一次，格式为“字节数.文件数”：{detail}", "2.2.2",
)  # fmt: skip
OXUM_MISMATCH = _error(
    "payload-oxum-mismatch",
    "Payload-Oxum says {stated}; there are {actual} (bytes.files)",
    "Payload-Oxum 为 {stated}；实际为 {actual}（字节数.文件数）", "2.2.2",
)  # fmt: skip
OXUM_NONE = Rule(
    "payload-oxum-none", Severity.NOTE, "the bag states no Payload-Oxum",
    "信息包未给出 Payload-Oxum", "RFC 8493 §2.2.2",
)  # fmt: skip
FETCH_NEEDED = _error(
    "fetch-not-allowed",
    "the file is only named in fetch.txt; nothing is ever fetched here, so send the file itself",
    "该文件仅列于 fetch.txt；本系统从不联网取件，请随包移交文件本身", "2.2.3",
)  # fmt: skip
FETCH_OUTSIDE = _error(
    "fetch-outside-payload", "fetch.txt names a file outside data/",
    "fetch.txt 列出了 data/ 之外的文件", "2.2.3",
)  # fmt: skip
FETCH_UNLISTED = _error(
    "fetch-unlisted", "fetch.txt names the file, and {manifest} does not list it",
    "fetch.txt 列出该文件，而 {manifest} 未列出", "2.2.3",
)  # fmt: skip
FETCH_LINE = _error(
    "fetch-line", "line {line} of fetch.txt is not 'URL length path'",
    "fetch.txt 第 {line} 行不是“网址 长度 路径”格式", "2.2.3",
)  # fmt: skip
FETCH_LENGTH = _warning(
    "fetch-length", "fetch.txt gives {stated} bytes; the file has {actual}",
    "fetch.txt 记录为 {stated} 字节；文件实为 {actual} 字节", "2.2.3",
)  # fmt: skip
FETCH_UNUSED = Rule(
    "fetch-unused", Severity.NOTE, "fetch.txt is there and was not followed; every file is here",
    "存在 fetch.txt，未予取件；所列文件均已在包内", "RFC 8493 §2.2.3",
)  # fmt: skip
