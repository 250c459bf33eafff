"""移交载体样例 · Samples of the carrier layout: what the discs of a transfer would hold.

档发〔2012〕7号, annex 2: 说明文件.TXT, 文件目录.XML, 电子档案/, 其他/. One carrier, or several side
by side.
"""

from __future__ import annotations

from collections.abc import Iterable

from sample_packages.files import (  # type: ignore[import-not-found]  # lies in the same folder
    Sample,
    below,
    changed,
    elements,
    pdf,
    replaced,
)

_CODEC = "gb18030"
_DESCRIPTION, _CATALOGUE = "说明文件.TXT", "文件目录.XML"
_REGISTRATION = "其他/电子档案移交与接收登记表.xml"
_FIRST, _SECOND = "电子档案/2021/BGS/0001.pdf", "电子档案/2021/BGS/0002.txt"
_NUMBER = "J001-2021-0001"


def carrier() -> Iterable[Sample]:
    """Every sample."""
    files = _carrier()
    second = _carrier("J001-2021-0002", 3)
    yield Sample("载体-0001", files)
    yield Sample("载体-0002", {**below("0001", files), **below("0002", second)})
    for name, code, changes in (
        ("missing-file", "carrier-content-missing", {_SECOND: None}),
        ("unlisted-file", "carrier-surplus", {"电子档案/2021/BGS/0003.txt": b"surplus\n"}),
        ("no-description", "carrier-description-missing", {_DESCRIPTION: None}),
        ("no-catalogue", "carrier-catalogue-missing", {_CATALOGUE: None}),
        ("no-carrier-number", "carrier-number-missing",
         {_DESCRIPTION: replaced(files[_DESCRIPTION], _NUMBER, "", _CODEC)}),
        ("no-classification", "carrier-column-missing",
         {_CATALOGUE: replaced(files[_CATALOGUE], "<密级>公开</密级>", "", _CODEC)}),
        ("wrong-encoding", "carrier-encoding-wrong",
         {_CATALOGUE: files[_CATALOGUE].decode(_CODEC).encode()}),
        ("path-outside", "carrier-content-outside",
         {_CATALOGUE: replaced(files[_CATALOGUE], _SECOND, "../0002.txt", _CODEC), _SECOND: None}),
        ("wrong-count", "carrier-count", {_REGISTRATION: _registration(3)}),
    ):  # fmt: skip
        yield Sample(name, changed(files, changes), code)
    yield Sample("same-number-twice", {**below("0001", files), **below("0002", files)},
                 "carrier-number-twice")  # fmt: skip


def _carrier(number: str = _NUMBER, first: int = 1) -> dict[str, bytes]:
    return {
        _DESCRIPTION: _description(number),
        _CATALOGUE: _catalogue(first),
        _REGISTRATION: _registration(2),
        _FIRST: pdf("Notice (sample)"),
        _SECOND: "附件（样例）\n".encode(),
    }


def _description(number: str) -> bytes:
    fields = {
        "载体参数（容量、类型）": "4.7GB，DVD-R",
        "载体编号": number,
        "载体保管单位": "示例市档案馆",
        "载体制作单位": "示例市人民政府办公室",
        "载体检查单位": "示例市档案馆",
        "读取本载体内档案所需要的软硬件环境": "PDF 阅读软件",
        "其他说明": "无",
    }
    return "".join(f"{label}：{text}\r\n" for label, text in fields.items()).encode(_CODEC)


def _catalogue(first: int) -> bytes:
    entries = ""
    for number, path in enumerate((_FIRST, _SECOND)):
        entries += "<文件>" + elements(
            {
                "顺序号": str(number + 1),
                "档号": f"J001-WS·2021·D30-BGS-{first + number:04}",
                "责任者": "示例市人民政府办公室",
                "题名": f"关于第{first + number}号事项的通知（样例）",
                "日期": "2021-03-05",
                "密级": "公开",
                "电子档案名称": path,
                "备注": "",
            }
        ) + "</文件>\n"  # fmt: skip
    text = f'<?xml version="1.0" encoding="GB18030"?>\n<文件目录>\n{entries}</文件目录>\n'
    return text.encode(_CODEC)


def _registration(count: int) -> bytes:
    counted = elements({"移交电子档案数量": str(count)})
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<登记表>{counted}</登记表>\n'.encode()
