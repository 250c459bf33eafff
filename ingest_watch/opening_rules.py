"""The rules that opening a package is judged by, before any format is looked at.

What a sender's folder or archive may not hold: the intake attack catalogue (A1-A31) and
docs/formats/package.md (names, limits). Texts only; staging.py and archives/ decide.
"""

from ingest_watch.findings import Rule, Severity

_PAGE = "docs/formats/package.md"
_ZIP = "APPNOTE.TXT 4.3"
_TAR = "POSIX.1 pax"


def _refusal(code: str, english: str, chinese: str, source: str = _PAGE) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, source)


PATH_TRAVERSAL = _refusal(
    "path-traversal",
    "the name leads out of the package ('..'); pack the files again with relative names",
    "文件名含“..”，指向信息包之外；请使用相对路径重新打包",
)
PATH_ABSOLUTE = _refusal(
    "path-absolute",
    "the name is absolute (a leading slash, a drive letter or a network share); pack again "
    "with relative names",
    "文件名为绝对路径（以斜杠、盘符或网络共享开头）；请使用相对路径重新打包",
)
PATH_UNCLEAR = _refusal(
    "path-unclear",
    "the name has an empty component, '.' inside, a backslash as separator, or a NUL: "
    "programs would not agree where the file belongs",
    "文件名含空目录名、中间的“.”、作为分隔符的反斜杠或空字符，不同软件会得出不同位置",
)
LINK = _refusal(
    "link",
    "symbolic and hard links are not accepted; put the file itself into the package",
    "不接受符号链接或硬链接；请将文件本身放入信息包",
)
SPECIAL = _refusal(
    "special-file",
    "only ordinary files and folders are accepted; this is a device, a pipe or a socket",
    "只接受普通文件和文件夹；此项为设备、管道或套接字",
)
MOUNT = _refusal(
    "mount-crossing",
    "another file system is mounted here; copy the files into the package",
    "此处挂载了另一个文件系统；请将文件复制到信息包内",
)
DEPTH = _refusal(
    "depth",
    "folders are nested deeper than {limit} levels",
    "文件夹嵌套超过{limit}层",
)
TOO_MANY_FILES = _refusal(
    "entries",
    "the package has more than {limit} files, or folders",
    "信息包的文件或文件夹超过{limit}个",
)
TOO_LARGE = _refusal(
    "too-large",
    "the package holds more than {limit} bytes",
    "信息包超过{limit}字节",
)
NAME_TOO_LONG = _refusal(
    "name-too-long",
    "a name may have {component_limit} bytes and a path {path_limit}; this one has more",
    "文件名不得超过{component_limit}字节，路径不得超过{path_limit}字节；此项超出",
)
NAME_COLLISION = _refusal(
    "name-collision",
    "two different names would be kept under this one name",
    "两个不同的文件名将以同一名称保存",
)
DUPLICATE = _refusal(
    "duplicate",
    "the archive holds this name more than once",
    "压缩包内此文件名出现多次",
)
CONFLICT = _refusal(
    "conflict",
    "the same name is a file and a folder",
    "同一名称既是文件又是文件夹",
)
RATIO = _refusal(
    "ratio",
    "unpacking yields more than {limit} times the compressed bytes: a decompression bomb, "
    "or data that must be sent unpacked",
    "解压后数据超过压缩数据的{limit}倍：疑似解压炸弹；此类数据请不压缩移交",
)
ARCHIVE_UNKNOWN = _refusal(
    "archive-unknown",
    "the file is not a zip, tar or tar.gz archive",
    "该文件不是 zip、tar 或 tar.gz 压缩包",
)
ARCHIVE_NAME = _refusal(
    "archive-name",
    "the name ends in {suffix}, but the content is {serialisation}",
    "文件扩展名为 {suffix}，但内容是 {serialisation}",
)
ARCHIVE_DAMAGED = _refusal(
    "archive-damaged",
    "the archive is cut short or damaged: {detail}",
    "压缩包不完整或已损坏：{detail}",
)
ARCHIVE_TRAILING = _refusal(
    "archive-trailing-data",
    "there is data before, between or after the archive's own: {detail}",
    "压缩包之前、之间或之后有多余数据：{detail}",
)
ZIP_INCONSISTENT = _refusal(
    "zip-inconsistent",
    "the zip contradicts itself: {detail}",
    "zip 文件自相矛盾：{detail}",
    _ZIP,
)
ZIP_OVERLAP = _refusal(
    "zip-overlap",
    "entries of the zip overlap: the same bytes are used twice",
    "zip 条目相互重叠：同一数据被重复使用",
    _ZIP,
)
ZIP_UNSUPPORTED = _refusal(
    "zip-unsupported",
    "the zip uses what is not accepted: {detail}; pack it as an ordinary zip",
    "zip 使用了不接受的功能：{detail}；请以普通 zip 重新打包",
    _ZIP,
)
ENCRYPTED = _refusal(
    "encrypted",
    "the entry is encrypted; send it without encryption",
    "该条目已加密；请解密后移交",
    "DA/T 70 3-8",
)
TAR_UNSUPPORTED = _refusal(
    "tar-unsupported",
    "the tar uses what is not accepted: {detail}; pack it as an ordinary tar",
    "tar 使用了不接受的功能：{detail}；请以普通 tar 重新打包",
    _TAR,
)
KILLED_THE_READER = _refusal(
    "opening-killed-the-reader",
    "the program that opens packages died of this one, twice ({cause}); if the package is in "
    "order, ask the archive to look at it",
    "打开该信息包的程序两次异常终止（{cause}）；如信息包无误，请联系档案馆查看",
)
NAME_FROM_GB18030 = Rule(
    "name-from-gb18030",
    Severity.NOTE,
    "the zip does not say how its names are encoded; they were read as GB18030, and the bytes kept",
    "zip 未声明文件名编码；已按 GB18030 读取，并保留原始字节",
    _PAGE,
)
NAME_FROM_ENCODING = Rule(
    "name-from-encoding",
    Severity.NOTE,
    "the zip does not say how its names are encoded; they were read as {encoding}, as agreed with "
    "this source, and the bytes kept",
    "zip 未声明文件名编码；已按与移交单位约定的 {encoding} 读取，并保留原始字节",
    _PAGE,
)
MODE_SPECIAL = Rule(
    "mode-special",
    Severity.NOTE,
    "the file came with the special permissions {mode}; no permission of the sender's is applied",
    "文件带有特殊权限位 {mode}；移交方的任何权限均不沿用",
    _PAGE,
)
NAME_NOT_UTF8 = Rule(
    "name-not-utf8",
    Severity.WARNING,
    "the name is not UTF-8; it is kept percent-escaped, with its bytes in names.jsonl",
    "文件名非 UTF-8 编码；以百分号转义保存，原始字节记入 names.jsonl",
    _PAGE,
)
