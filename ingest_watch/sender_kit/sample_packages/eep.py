"""封装包样例 · Samples of EEP packages: one XML document that holds a record, or describes it.

DA/T 48-2009: embedded (Base64), detached (digests of files beside `eep.xml`), and modified, which
keeps the earlier layer. Unsigned: a signature needs more than the standard library.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import quoteattr

from sample_packages.files import (  # type: ignore[import-not-found]  # lies in the same folder
    Sample,
    changed,
    elements,
    pdf,
    replaced,
)

_NAMESPACE = "http://www.saac.gov.cn/standards/ERM/encapsulation"
_FORMAT = "本EEP根据中华人民共和国档案行业标准DA/T 48-2009《基于XML的电子文件封装规范》生成"
_ORIGINAL = "本封装包包含电子文件数据及其元数据，原始封装，未经修改"
_MODIFIED = "本封装包包含电子文件数据及其元数据，系修改封装，在保留原封装包的基础上，添加了修改层"
_EMBEDDED = "本封装包中“编码数据”元素存储的是计算机文件二进制流的Base64编码，见RFC 2045"
_BESIDE = "仅提供SHA256摘要信息,文档数据在外部保存"
_UNIT = "示例市人民政府办公室"
_MAIN, _ANNEX = "正文.pdf", "附件.txt"
_FILES = {_MAIN: pdf("Notice (sample)"), _ANNEX: "附件（样例）\n".encode()}
_DIGEST_ELEMENT = '<编码数据 编码数据ID="修改0-文档2-编码1-数据">'


def eep() -> Iterable[Sample]:
    """Every sample."""
    embedded = _written(_signed_object(_FILES))
    beside = {"eep.xml": _written(_signed_object(_FILES, beside=True)), **_FILES}
    yield Sample("通知-0001.eep", embedded)
    yield Sample("通知-0002", beside)
    yield Sample("通知-0003.eep", _written(_modified()))
    for name, code, changes in (
        ("altered-file", "eep-digest-mismatch", {_ANNEX: "附件（改动）\n".encode()}),
        ("missing-file", "eep-file-missing", {_ANNEX: None}),
        ("surplus-file", "eep-file-surplus", {"草稿.txt": b"draft\n"}),
        ("short-digest", "eep-digest-malformed",
         {"eep.xml": replaced(beside["eep.xml"], _DIGEST_ELEMENT, f"{_DIGEST_ELEMENT}AAAA")}),
    ):  # fmt: skip
        yield Sample(name, changed(beside, changes), code)
    for name, code, old, new in (
        ("broken-base64", "eep-base64-invalid", ">JVBERi", ">*VBERi"),
        ("no-data", "eep-data-empty", base64.encodebytes(_FILES[_ANNEX]).decode(), ""),
        ("wrong-size", "attribute-size", "<计算机文件大小>", "<计算机文件大小>9"),
        ("unknown-encoding", "eep-encoding-unknown", "base64-pdf", "hex-pdf"),
        ("wrong-version", "eep-version", "<版本>2009<", "<版本>2010<"),
        ("wrong-type", "eep-type-contradicts", "<封装包类型>原始型<", "<封装包类型>修改型<"),
        ("no-creation-time", "eep-element-empty", "2021-03-06T10:11:12", ""),
        ("no-title", "metadata-empty", "<题名>关于示例事项的通知</题名>", "<题名></题名>"),
        ("repeated-identifier", "eep-identifier-repeated", ">修改0-文档2<", ">修改0-文档1<"),
        ("document-type", "xml-document-type", "?>\n", "?>\n<!DOCTYPE 电子文件封装包>\n"),
        ("cut-off", "xml-not-well-formed", "</电子文件封装包>", ""),
    ):
        yield Sample(f"{name}.eep", replaced(embedded, old, new), code)


def _written(signed_object: str) -> bytes:
    head = elements({"封装包格式描述": _FORMAT, "版本": "2009"})
    root = _group("电子文件封装包", head, signed_object, xmlns=_NAMESPACE)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'.encode()


def _modified() -> str:
    """A package that was changed later: the earlier layer lies in it, with what was signed."""
    revised = _group("修订内容", *_blocks({_MAIN: pdf("Notice, corrected (sample)")}, 1, False))
    earlier = _group("原封装包", _signed_object(_FILES))
    identifier = elements({"修改标识符": "修改1"})
    layer = _group("修改封装内容", identifier, earlier, revised)
    return _group("被签名对象", _about("修改型", _MODIFIED), layer, eep版本="2009")


def _signed_object(files: Mapping[str, bytes], beside: bool = False) -> str:
    content = _group("封装内容", *_blocks(files, 0, beside))
    return _group("被签名对象", _about("原始型", _ORIGINAL), content, eep版本="2009")


def _about(kind: str, description: str) -> str:
    about: str = elements(
        {
            "封装包类型": kind,
            "封装包类型描述": description,
            "封装包创建时间": "2021-03-06T10:11:12",
            "封装包创建单位": _UNIT,
        }
    )
    return about


def _blocks(files: Mapping[str, bytes], layer: int, beside: bool) -> list[str]:
    act = {
        "业务标识符": "业务1", "机构人员标识符": "机构1", "文件标识符": "J001-2021-0001",
        "业务状态": "历史行为", "业务行为": "起草", "行为时间": "2021-03-04T09:00:00",
    }  # fmt: skip
    agent = {"机构人员标识符": "机构1", "机构人员类型": "单位", "机构人员名称": _UNIT}
    return [
        _group("文件实体块", _record(files, layer, beside)),
        _group("业务实体块", _leaves("业务实体", act)),
        _group("机构人员实体块", _leaves("机构人员实体", agent)),
    ]


def _record(files: Mapping[str, bytes], layer: int, beside: bool) -> str:
    origin = {"档案馆名称": "示例市档案馆", "全宗名称": "示例市人民政府", "立档单位名称": _UNIT}
    code = {
        "全宗号": "J001",
        "年度": "2021",
        "保管期限": "D30",
        "机构或问题": "BGS",
        "室编件号": "1",
    }
    content = {"题名": "关于示例事项的通知", "责任者": _UNIT, "日期": "2021-03-05", "密级": "公开"}
    documents = (
        _document(f"修改{layer}-文档{number}", number, file, beside)
        for number, file in enumerate(files.items(), 1)
    )
    return _group(
        "文件实体",
        elements({"聚合层次": "文件"}),
        _leaves("来源", origin),
        elements({"电子文件号": "J001-2021-0001"}),
        _leaves("档号", code),
        _leaves("内容描述", content),
        _leaves("形式特征", {"文件组合类型": "组合文件", "页数": "2"}),
        _leaves("存储位置", {"脱机载体编号": "J001-2021-0001"}),
        _leaves("权限管理", {"控制标识": "开放"}),
        _group("文件数据", *documents),
    )


def _document(place: str, number: int, file: tuple[str, bytes], beside: bool) -> str:
    described = {
        "文档标识符": place,
        "文档序号": str(number),
        "文档主从声明": "主文档" if number == 1 else "附属文档",
    }
    encoded = _encoded(f"{place}-编码1", *file, beside)
    data = _group("文档数据", encoded, 文档数据ID=f"{place}-数据")
    return _group("文档", elements(described), data)


def _encoded(place: str, name: str, content: bytes, beside: bool) -> str:
    """One 编码: the file itself, or its digest where it lies beside the document."""
    extension = name.rpartition(".")[2]
    data = base64.encodebytes(content).decode()
    if beside:
        data = base64.b64encode(hashlib.sha256(content).digest()).decode()
    properties = {
        "格式信息": extension.upper(),
        "计算机文件名": name,
        "计算机文件大小": str(len(content)),
    }
    how = {
        "编码描述": _BESIDE if beside else _EMBEDDED,
        "反编码关键字": "sha256-base64Binary" if beside else f"base64-{extension}",
    }
    return _group(
        "编码",
        _leaves("电子属性", properties),
        elements(how),
        _group("编码数据", data, 编码数据ID=f"{place}-数据"),
        编码ID=place,
    )


def _leaves(name: str, texts: Mapping[str, str]) -> str:
    return _group(name, elements(texts))


def _group(name: str, *content: str, **attributes: str) -> str:
    written = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
    return f"<{name}{written}>{''.join(content)}</{name}>"
