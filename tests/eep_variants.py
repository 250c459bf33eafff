"""EEP packages that are right, and others with one flaw each: the table of docs/formats/eep.md."""

import base64
import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from tests.bags import write_files
from tests.certificates import START, ecdsa_key, identity, rsa_key
from tests.eep_packages import (
    FILES,
    Element,
    document,
    encoding,
    leaf,
    leaves,
    modified,
    original,
    signature,
    signed,
    written,
)

# What is dropped: the bytes of one file, by its name, or a folder of files.
Package = tuple[str, bytes] | dict[str, bytes]
Change = Callable[[Element], object]

RSA, ECDSA = rsa_key(), ecdsa_key()
SIGNER = identity("示例市人民政府办公室", RSA)
ECDSA_SIGNER = identity("示例市人民政府办公室", ECDSA)
EXPIRED = identity("expired", RSA, period=(START, START + dt.timedelta(days=1)))
_FIRST_NAME = next(iter(FILES))
_SIGNED = {"seal-not-trusted"}  # no anchors here: that a chain is followed is tried in unit tests


def embedded(change: Change | None = None, name: str = "case.eep") -> Package:
    root = original()
    if change is not None:
        change(root)
    return name, written(root)


def nested(change: Change | None = None) -> Package:
    root = modified(original(), {"正文.pdf": FILES["正文.pdf"]})
    if change is not None:
        change(root)
    return "case.eep", written(root)


def detached(
    change: Change | None = None,
    files: dict[str, bytes] = FILES,
    *,
    digest: str = "sha256",
    name: str = "eep.xml",
) -> dict[str, bytes]:
    root = original(digest=digest)
    if change is not None:
        change(root)
    return {name: written(root), **files}


def with_signature(make: Callable[[bytes], Element], change: Change | None = None) -> Package:
    root = signed(original(), make)
    if change is not None:
        change(root)
    return "case.eep", written(root)


def rsa_signature(content: bytes, **changed: Any) -> Element:
    value = RSA.sign(content, padding.PKCS1v15(), hashes.SHA256())
    return signature(value, SIGNER.der, **changed)


def ecdsa_signature(content: bytes) -> Element:
    value = ECDSA.sign(content, ec.ECDSA(hashes.SHA256()))
    return signature(value, ECDSA_SIGNER.der, algorithm="SHA256withECDSA")


def locked() -> Package:
    """A signature, and a lock over it."""
    root = signed(original(), rsa_signature)
    inner = root.find("电子签名块").find("电子签名")
    value = RSA.sign(inner.written().encode(), padding.PKCS1v15(), hashes.SHA256())
    root.children.append(signature(value, SIGNER.der, locks="修改0-签名1"))
    return "case.eep", written(root)


def set_text(path: str, text: str) -> Change:
    return lambda root: root.set(path, text)


def without(path: str) -> Change:
    return lambda root: root.remove(path)


def doubled(path: str) -> Change:
    return lambda root: root.double(path)


def with_attribute(path: str, name: str, text: str | None) -> Change:
    def change(root: Element) -> None:
        attributes = root.find(path).attributes
        attributes.pop(name, None)
        if text is not None:
            attributes[name] = text

    return change


def added(path: str, *children: Element) -> Change:
    return lambda root: root.add(path, *children)


def reusing(root: Element, identifier: str = "修改0-文档1-文档数据1-编码1-编码数据") -> Element:
    """A second 编码 of the main document that refers to the data of the first one."""
    again = encoding("副本.pdf", FILES["正文.pdf"], "修改0-文档1-文档数据1-编码2")
    again.find("编码数据").text = ""
    again.find("编码数据").attributes["引用编码数据ID"] = identifier
    return root.add("文档数据", again)


def layered(count: int) -> Package:
    root = original()
    for layer in range(1, count + 1):
        root = modified(root, {f"{layer}.txt": b"text"}, layer)
    return "case.eep", written(root)


def without_entity_level(root: Element) -> None:
    block = root.find("文件实体块")
    block.children = block.children[0].children


def as_a_real_sender_writes_it(root: Element) -> None:
    """The deviations of several systems at once."""
    root.set("封装包创建时间", "2023-02-24 16:42:17").set("计算机文件大小", "1 KB")
    root.set("文档主从声明", "主文件").remove("文档主从声明")
    root.add("文档", leaf("文档类型", "1")).add("文件实体", leaf("附录", "无"))
    root.add("内容描述", leaf("ext1", "x")).find("ext1").attributes["descr"] = "扩展"
    found = root.find("格式信息")
    found.text = ""
    found.children = [
        leaf("格式名称", "PDF"),
        leaf("格式版本", "1.4"),
        leaf("MIME媒体类型", "application/pdf"),
    ]
    root.find("业务实体块").children = []


def in_cdata(root: Element) -> bytes:
    text = written(root).decode()
    return text.replace("<题名>", "<题名><![CDATA[").replace("</题名>", "]]></题名>").encode()


# What it is, the package, and the warnings that it must give: none besides.
GOOD: dict[str, tuple[Package, set[str]]] = {
    "embedded": (embedded(), set()),
    "embedded, called .xml": (embedded(name="case.xml"), set()),
    "embedded, in GB18030": (("case.eep", written(original(), "gb18030")), set()),
    "embedded, said to be GB2312": (("case.eep", written(original(), "gb18030", "GB2312")), set()),
    "embedded, in UTF-16": (("case.eep", written(original(), "utf-16", "UTF-16")), set()),
    "embedded, in a folder": ({"case.eep": written(original())}, set()),
    "data that refers to other data": (embedded(reusing), set()),
    "modified": (nested(), set()),
    "modified eight times": (layered(8), set()),
    "detached, by SHA-256": (detached(), set()),
    "detached, by SM3": (detached(digest="sm3"), set()),
    "detached, by MD5": (detached(digest="md5"), {"eep-digest-weak"}),
    "detached, a name in the other Unicode form": (
        detached(set_text("计算机文件名", "caf\u00e9.pdf"),
                 {"cafe\u0301.pdf": FILES["正文.pdf"], "附件.txt": FILES["附件.txt"]}),
        {"eep-name-matched"}),
    "texts in CDATA": (("case.eep", in_cdata(original())), set()),
    "signed by RSA": (with_signature(rsa_signature), _SIGNED),
    "signed by ECDSA": (with_signature(ecdsa_signature), _SIGNED),
    "signed, and the signature locked": (locked(), _SIGNED),
    "signed, then modified": (
        ("case.eep", written(modified(signed(original(), rsa_signature), FILES))), _SIGNED),
    "signed without a time": (
        with_signature(lambda content: rsa_signature(content, time=None)), _SIGNED),
    "signed, stated as RSA only": (
        with_signature(lambda content: rsa_signature(content, algorithm="RSA")), _SIGNED),
    "an MD5 in place of a signature": (
        with_signature(lambda content: signature(
            hashlib.md5(content).hexdigest(), algorithm="MD5")), {"seal-digest-only"}),
    "another namespace": (embedded(with_attribute("", "xmlns", "urn:other")), {"eep-namespace"}),
    "no level 文件实体": (embedded(without_entity_level), {"eep-entity-level"}),
    "a time with a space": (
        embedded(set_text("封装包创建时间", "2023-02-24 16:42:17")), {"eep-time-form"}),
    "a size with its unit": (embedded(set_text("计算机文件大小", "1 KB")), {"eep-size-unit"}),
    "主文件 for 主文档": (embedded(set_text("文档主从声明", "主文件")), {"eep-main-document"}),
    "as a real sender writes it": (
        embedded(as_a_real_sender_writes_it),
        {"eep-time-form", "eep-size-unit", "eep-document-type", "eep-annex-for-note",
         "eep-element-unknown", "eep-format-structured", "eep-block-empty"}),
    "no blocks of acts and agents": (
        embedded(lambda root: root.remove("业务实体块").remove("机构人员实体块")),
        {"eep-element-expected"}),
    "no item number in the 档号": (embedded(without("室编件号")), {"eep-element-expected"}),
    "an act that does not say what was done": (
        embedded(without("业务行为")), {"eep-element-expected"}),
    "another text for what it is": (
        embedded(set_text("封装包类型描述", "原始封装")), {"eep-type-description"}),
    "another text for how it was made": (
        embedded(set_text("封装包格式描述", "自定义")), {"eep-format-description"}),
    "a name without extension": (embedded(set_text("计算机文件名", "正文")), set()),
    "an extension that differs": (
        embedded(set_text("反编码关键字", "base64-doc")), {"eep-extension-differs"}),
}  # fmt: skip

# What is wrong, the package, and the one code that it must be rejected for.
BROKEN: dict[str, tuple[Package, str]] = {
    "not well-formed": (
        ("case.eep", written(original()).replace("</版本>".encode(), b"")), "xml-not-well-formed"),
    "a document type": (
        ("case.eep", written(original()).replace(b"?>", b"?><!DOCTYPE a>", 1)),
        "xml-document-type"),
    "not in the encoding declared": (
        ("case.eep", written(original(), "gb18030", "UTF-8")), "xml-encoding"),
    "another root": (("case.eep", b"<a/>"), "eep-root"),
    "no root but in a comment": (
        ("case.xml", "<a><!-- 电子文件封装包 --></a>".encode()), "eep-root"),
    "two documents": (
        {"a.eep": written(original()), "b.eep": written(original())}, "eep-documents"),
    "no signed object": (embedded(without("被签名对象")), "eep-element-missing"),
    "no version": (embedded(without("版本")), "eep-element-missing"),
    "another version": (embedded(set_text("版本", "2008")), "eep-version"),
    "another signed version": (
        embedded(with_attribute("被签名对象", "eep版本", "2010")), "eep-version"),
    "no signed version": (embedded(with_attribute("被签名对象", "eep版本", None)), "eep-version"),
    "no type": (embedded(without("封装包类型")), "eep-element-missing"),
    "an unknown type": (embedded(set_text("封装包类型", "复制型")), "eep-type-unknown"),
    "a type that its content contradicts": (
        embedded(lambda root: root.set("封装包类型", "修改型")), "eep-type-contradicts"),
    "a modified one that says original": (
        nested(lambda root: root.set("封装包类型", "原始型")), "eep-type-contradicts"),
    "both kinds of content": (
        embedded(added("被签名对象", leaf("修改封装内容", ""))), "eep-element-missing"),
    "no content": (embedded(without("封装内容")), "eep-element-missing"),
    "no time": (embedded(without("封装包创建时间")), "eep-element-missing"),
    "an empty maker": (embedded(set_text("封装包创建单位", "")), "eep-element-empty"),
    "a time that is none": (embedded(set_text("封装包创建时间", "昨天")), "eep-time-invalid"),
    "an act of no known state": (embedded(set_text("业务状态", "未知")), "metadata-value"),
    "no record": (embedded(without("文件实体")), "eep-entity-count"),
    "two records": (
        embedded(lambda root: root.add("文件实体块", leaves("文件实体"))), "eep-entity-count"),
    "no file data": (embedded(without("文件数据")), "eep-element-missing"),
    "no document": (embedded(lambda root: root.find("文件数据").children.clear()),
                    "eep-element-missing"),
    "no identifier of a document": (embedded(without("文档标识符")), "eep-element-missing"),
    "one identifier twice": (
        embedded(lambda root: root.set("文档标识符", "修改0-文档2")), "eep-identifier-repeated"),
    "one attribute of identity twice": (
        embedded(with_attribute("编码", "编码ID", "修改0-文档2")), "eep-identifier-repeated"),
    "no identifier of the data": (
        embedded(with_attribute("编码数据", "编码数据ID", None)), "eep-identifier-missing"),
    "an envelope element twice": (embedded(doubled("封装包创建单位")), "eep-element-repeated"),
    "no name of the file": (embedded(set_text("计算机文件名", "")), "eep-file-unnamed"),
    "a name that climbs out": (
        embedded(set_text("计算机文件名", "../../etc/passwd")), "path-traversal"),
    "an absolute name": (embedded(set_text("计算机文件名", "/etc/passwd")), "path-absolute"),
    "a name with a drive": (embedded(set_text("计算机文件名", "C:\\正文.pdf")), "path-absolute"),
    "a folder's name": (embedded(set_text("计算机文件名", "正文/")), "path-unclear"),
    "a name that is too long": (
        embedded(set_text("计算机文件名", "长" * 86 + ".pdf")), "name-too-long"),
    "two files of one name": (embedded(set_text("计算机文件名", "附件.txt")), "duplicate"),
    "a file and a folder of one name": (
        ("case.eep", written(original({"a.txt": b"text", "a.txt/b.txt": b"text"}))), "conflict"),
    "two names that differ in Unicode form": (
        ("case.eep", written(original(
            {"caf\u00e9.txt": b"text", "cafe\u0301.txt": b"text"}))), "name-twins"),
    "an unknown keyword": (
        embedded(set_text("反编码关键字", "uuencode-doc")), "eep-encoding-unknown"),
    "a digest that nobody knows": (
        detached(set_text("反编码关键字", "crc32-base64Binary")), "eep-encoding-unknown"),
    "the keyword behind the data": (
        embedded(lambda root: root.find("编码").children.reverse()), "eep-encoding-unknown"),
    "an unknown description": (
        embedded(set_text("编码描述", "见附件")), "eep-encoding-description"),
    "no description": (embedded(without("编码描述")), "eep-element-missing"),
    "embedded and beside at once": (
        detached(lambda root: root.add(
            "文件数据", document(3, "三.txt", b"text", 0, None))), "eep-encoding-mixed"),
    "data that is no Base64": (embedded(set_text("编码数据", "****")), "eep-base64-invalid"),
    "data that is cut short": (embedded(set_text("编码数据", "QUJDR")), "eep-base64-invalid"),
    "data behind the padding": (embedded(set_text("编码数据", "QQ==QUJD")), "eep-base64-invalid"),
    "an element within the data": (
        embedded(lambda root: root.find("编码数据").children.append(leaf("a", "QUJD"))),
        "eep-base64-invalid"),
    "no data": (embedded(set_text("编码数据", " \n")), "eep-data-empty"),
    "a reference to nothing": (
        embedded(lambda root: reusing(root, "修改9")), "eep-reference-unknown"),
    "a reference to itself": (
        embedded(lambda root: reusing(root, "修改0-文档1-文档数据1-编码2-编码数据")),
        "eep-reference-unknown"),
    "a reference beside data": (
        embedded(with_attribute(
            "编码数据", "引用编码数据ID", "修改0-文档2-文档数据1-编码1-编码数据")),
        "eep-reference-and-data"),
    "a size that is none": (embedded(set_text("计算机文件大小", "很大")), "eep-size-invalid"),
    "nine layers": (layered(9), "eep-nesting"),
    "no earlier package in a modified one": (
        nested(without("原封装包")), "eep-element-missing"),
    "a flaw in the earlier package": (
        nested(lambda root: root.find("原封装包").set("编码数据", "****")), "eep-base64-invalid"),
    "detached: another file": (
        detached(files={**FILES, "附件.txt": b"other content!"}), "eep-digest-mismatch"),
    "detached: one bit of SM3": (
        detached(digest="sm3", files={**FILES, "附件.txt": "附件二\n".encode()}),
        "eep-digest-mismatch"),
    "detached: a file is missing": (
        detached(files={_FIRST_NAME: FILES[_FIRST_NAME]}), "eep-file-missing"),
    "detached: a name in other letters": (
        detached(set_text("计算机文件名", "A.pdf"),
                 {"a.pdf": FILES["正文.pdf"], "附件.txt": FILES["附件.txt"]}), "eep-file-missing"),
    "detached: a file too many": (
        detached(files={**FILES, "多余.txt": b"x"}), "eep-file-surplus"),
    "detached: a digest of the wrong length": (
        detached(set_text("编码数据", base64.b64encode(b"short").decode())),
        "eep-digest-malformed"),
    "detached: a name that climbs out": (
        detached(set_text("计算机文件名", "../正文.pdf")), "path-traversal"),
    "detached: no digest": (detached(set_text("编码数据", "")), "eep-data-empty"),
    "signed: one character changed": (
        with_signature(rsa_signature, set_text("内容描述/题名", "其他通知")), "seal-invalid"),
    "signed: one byte of a file changed": (
        with_signature(rsa_signature, set_text("编码数据", base64.b64encode(
            FILES["正文.pdf"] + b"\n").decode())), "seal-invalid"),
    "signed: by another key": (
        with_signature(lambda content: signature(
            RSA.sign(content, padding.PKCS1v15(), hashes.SHA256()), ECDSA_SIGNER.der)),
        "seal-invalid"),
    "signed: no certificate": (
        with_signature(rsa_signature, without("证书块")), "seal-certificate-missing"),
    "signed: a certificate that is none": (
        with_signature(rsa_signature, set_text("证书", "AAAA")), "seal-certificate-unreadable"),
    "signed: no value": (with_signature(rsa_signature, set_text("签名结果", "")), "seal-empty"),
    "signed: after the certificate ended": (
        with_signature(lambda content: signature(
            RSA.sign(content, padding.PKCS1v15(), hashes.SHA256()), EXPIRED.der)),
        "seal-certificate-not-valid"),
    "signed: at no time": (
        with_signature(lambda content: rsa_signature(content, time="某日")), "eep-time-invalid"),
    "signed: no value at all": (
        with_signature(rsa_signature, without("签名结果")), "eep-element-missing"),
    "locked: nothing of that name": (
        with_signature(rsa_signature, lambda root: root.children.append(
            signature(b"x" * 256, SIGNER.der, locks="修改0-签名9"))), "eep-reference-unknown"),
    "signed, then the earlier package changed": (
        ("case.eep", written(modified(signed(original(), rsa_signature), FILES).set(
            "原封装包/被签名对象/封装包创建单位", "其他单位"))), "seal-invalid"),
}  # fmt: skip
# Flaws that cannot but be others too.
ALSO: dict[str, set[str]] = {
    "no signed object": {"eep-entity-count"},
    "no content": {"eep-entity-count"},
    "both kinds of content": {"eep-type-contradicts"},
    "two records": {"eep-element-missing"},  # the second one is empty
    "signed: no value at all": {"seal-empty"},
    "detached: a name in other letters": {"eep-file-surplus"},
}


def dropped(folder: Path, package: Package) -> Path:
    if isinstance(package, dict):
        return write_files(folder / "case", package)
    (folder / package[0]).write_bytes(package[1])
    return folder / package[0]
