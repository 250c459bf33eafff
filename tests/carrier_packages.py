"""Carriers of 档发〔2012〕7号 for tests: right by default, wrong where a test wants them."""

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

DESCRIPTION = {
    "载体参数（容量、类型）": "4.7GB，DVD-R",
    "载体编号": "J001-2021-0001",
    "载体保管单位": "某市档案馆",
    "载体制作单位": "某市人民政府办公室",
    "载体检查单位": "某市档案馆",
    "读取本载体内档案所需要的软硬件环境": "PDF 阅读软件",
    "其他说明": "无",
}
PAGE = "正文\n".encode()


def small_pdf(text: str = "page") -> bytes:
    """A PDF of one page that readers open."""
    drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out = b"%PDF-1.4\n"
    starts = []
    for number, content in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    count = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (count, table, count, len(out))
    )


def record(number: int, content: str, **changed: str | None) -> dict[str, str]:
    """The columns of one 文件 or 案卷; None leaves a column out."""
    columns: dict[str, str | None] = {
        "顺序号": str(number),
        "档号": f"J001-WS·2021·D30-BGS-{number:04d}",
        "责任者": "某市人民政府办公室",
        "题名": f"关于第{number}号事项的通知",
        "日期": f"2021-03-{number:02d}",
        "密级": "公开",
        "电子档案名称": content,
        "备注": "",
        **changed,
    }
    return {name: text for name, text in columns.items() if text is not None}


FIRST = "电子档案/2021/BGS/0001.pdf"
SECOND = "电子档案/2021/BGS/0002.txt"
RECORDS = (record(1, FIRST), record(2, SECOND))


def catalogue(
    records: Iterable[Mapping[str, str]] = RECORDS,
    *,
    root: str = "文件目录",
    entry: str = "文件",
    encoding: str = "GB18030",
    codec: str | None = None,
) -> bytes:
    """A 目录 as XML; `codec` where it is written in another encoding than it declares."""
    lines = [f'<?xml version="1.0" encoding="{encoding}"?>', f"<{root}>"]
    for columns in records:
        cells = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in columns.items())
        lines.append(f"  <{entry}>{cells}</{entry}>")
    return "\n".join([*lines, f"</{root}>", ""]).encode(codec or encoding)


def description(
    changed: Mapping[str, str | None] | None = None, *, codec: str = "gb18030"
) -> bytes:
    """A 说明文件; `changed` adds, replaces or leaves out a field."""
    fields = {**DESCRIPTION, **(changed or {})}
    lines = (f"{label}：{text}\r\n" for label, text in fields.items() if text is not None)
    return "".join(lines).encode(codec)


def tally(files: str = "2", data: str = "0.000") -> bytes:
    """A 登记表 in XML."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<登记表>'
        f"<移交电子档案数量>{files}</移交电子档案数量><移交数据量>{data}</移交数据量></登记表>"
    ).encode()


def carrier_files(
    changed: Mapping[str, bytes | None] | None = None, *, below: str = ""
) -> dict[str, bytes]:
    """The files of one carrier, by path; `changed` adds, replaces or removes."""
    files: dict[str, bytes | None] = {
        "说明文件.TXT": description(),
        "文件目录.XML": catalogue(),
        FIRST: small_pdf(),
        SECOND: PAGE,
        "其他/元数据方案.TXT": "元数据方案\n".encode(),
        **(changed or {}),
    }
    return {below + path: content for path, content in files.items() if content is not None}
