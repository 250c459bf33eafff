"""EEP packages for tests: right by default, wrong exactly where a test wants them.

A package is a tree of elements, so a test changes what it wants before the tree is written out.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from xml.sax.saxutils import escape, quoteattr

from tests.carrier_packages import small_pdf

NAMESPACE = "http://www.saac.gov.cn/standards/ERM/encapsulation"
FILES = {"正文.pdf": small_pdf("main"), "附件.txt": "附件一\n".encode()}
ORIGINAL = "本封装包包含电子文件数据及其元数据，原始封装，未经修改"
UNIT = "示例市人民政府办公室"
MODIFIED = "本封装包包含电子文件数据及其元数据，系修改封装，在保留原封装包的基础上，添加了修改层"


@dataclass
class Element:
    """One element: its text, or its children."""

    name: str
    text: str = ""
    children: list["Element"] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)

    def find(self, path: str) -> "Element":
        """The first element of this path below: `封装内容/文件实体块`, or a name at any depth."""
        found = self
        for name in filter(None, path.split("/")):
            found = next(each for each in found.walk() if each.name == name and each is not found)
        return found

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def parent_of(self, wanted: "Element") -> "Element":
        return next(each for each in self.walk() if any(child is wanted for child in each.children))

    def set(self, path: str, text: str) -> Self:
        self.find(path).text = text
        return self

    def remove(self, path: str) -> Self:
        found = self.find(path)
        parent = self.parent_of(found)
        parent.children = [child for child in parent.children if child is not found]
        return self

    def add(self, path: str, *children: "Element") -> Self:
        (self.find(path) if path else self).children += children
        return self

    def double(self, path: str) -> Self:
        found = self.find(path)
        parent = self.parent_of(found)
        parent.children.insert(parent.children.index(found), found)
        return self

    def written(self) -> str:
        attributes = "".join(f" {name}={quoteattr(text)}" for name, text in self.attributes.items())
        content = "".join(child.written() for child in self.children) or escape(self.text)
        return f"<{self.name}{attributes}>{content}</{self.name}>"


def leaf(name: str, text: str, **attributes: str) -> Element:
    return Element(name, text, attributes=attributes)


def group(name: str, *children: Element, **attributes: str) -> Element:
    return Element(name, children=list(children), attributes=attributes)


def leaves(name: str, /, **texts: str) -> Element:
    return group(name, *(leaf(child, text) for child, text in texts.items()))


def encoding(name: str, content: bytes, place: str, *, digest: str | None = None) -> Element:
    """One 编码: the file itself, or its digest by this algorithm where it lies beside."""
    extension = name.rpartition(".")[2]
    if digest is None:
        description = "本封装包中“编码数据”元素存储的是计算机文件二进制流的Base64编码，见RFC 2045"
        keyword, data = f"base64-{extension}", base64.encodebytes(content).decode()
    else:
        description = f"仅提供{digest.upper()}摘要信息,文档数据在外部保存"
        keyword = f"{digest}-base64Binary"
        data = base64.b64encode(hashlib.new(digest, content).digest()).decode()
    return group(
        "编码",
        leaves(
            "电子属性",
            格式信息=extension.upper(),
            计算机文件名=name,
            计算机文件大小=str(len(content)),
        ),
        leaf("编码描述", description),
        leaf("反编码关键字", keyword),
        leaf("编码数据", data, 编码数据ID=f"{place}-编码数据"),
        编码ID=place,
    )


def document(number: int, name: str, content: bytes, layer: int, digest: str | None) -> Element:
    place = f"修改{layer}-文档{number}"
    return group(
        "文档",
        leaf("文档标识符", place),
        leaf("文档序号", str(number)),
        leaf("文档主从声明", "主文档" if number == 1 else "附属文档"),
        group("文档数据", encoding(name, content, f"{place}-文档数据1-编码1", digest=digest),
              文档数据ID=f"{place}-文档数据1"),
    )  # fmt: skip


def record(files: Mapping[str, bytes], layer: int = 0, digest: str | None = None) -> Element:
    return group(
        "文件实体",
        leaf("聚合层次", "文件"),
        leaves("来源", 档案馆名称="示例市档案馆", 全宗名称="示例市人民政府", 立档单位名称=UNIT),
        leaf("电子文件号", "J001-2021-0001"),
        leaves("档号", 全宗号="J001", 年度="2021", 保管期限="D30", 机构或问题="BGS", 室编件号="1"),
        leaves("内容描述", 题名="关于示例事项的通知", 责任者=UNIT, 日期="2021-03-05", 密级="公开"),
        leaves("形式特征", 文件组合类型="组合文件", 页数="2"),
        leaves("存储位置", 脱机载体编号="J001-2021-D01"),
        leaves("权限管理", 控制标识="开放"),
        group("文件数据", *(
            document(number, name, content, layer, digest)
            for number, (name, content) in enumerate(files.items(), 1)
        )),
    )  # fmt: skip


def content_blocks(record_element: Element) -> tuple[Element, ...]:
    act = leaves("业务实体", 业务标识符="业务1", 机构人员标识符="机构1", 文件标识符="J001",
                 业务状态="历史行为", 业务行为="起草", 行为时间="2021-03-04T09:00:00")  # fmt: skip
    agent = leaves(
        "机构人员实体",
        机构人员标识符="机构1",
        机构人员类型="单位",
        机构人员名称=UNIT,
    )
    return (
        group("文件实体块", record_element),
        group("业务实体块", act),
        group("机构人员实体块", agent),
    )


def signed_object(kind: str, content: Element) -> Element:
    return group(
        "被签名对象",
        leaf("封装包类型", kind),
        leaf("封装包类型描述", ORIGINAL if kind == "原始型" else MODIFIED),
        leaf("封装包创建时间", "2021-03-06T10:11:12"),
        leaf("封装包创建单位", UNIT),
        content,
        eep版本="2009",
    )


def envelope(signed: Element) -> Element:
    return group(
        "电子文件封装包",
        leaf(
            "封装包格式描述",
            "本EEP根据中华人民共和国档案行业标准DA/T 48-2009《基于XML的电子文件封装规范》生成",
        ),
        leaf("版本", "2009"),
        signed,
        xmlns=NAMESPACE,
    )


def original(files: Mapping[str, bytes] = FILES, digest: str | None = None) -> Element:
    """An original EEP; with a digest its files lie beside it."""
    return envelope(
        signed_object("原始型", group("封装内容", *content_blocks(record(files, 0, digest))))
    )


def modified(
    earlier: Element, files: Mapping[str, bytes], layer: int = 1, digest: str | None = None
) -> Element:
    """A modified EEP around an earlier one, keeping its signatures."""
    kept = [each for each in earlier.children if each.name in {"被签名对象", "电子签名块"}]
    return envelope(
        signed_object(
            "修改型",
            group(
                "修改封装内容",
                leaf("修改标识符", f"修改{layer}"),
                group("原封装包", *kept),
                group("修订内容", *content_blocks(record(files, layer, digest))),
            ),
        )
    )


def written(root: Element, codec: str = "utf-8", declared: str | None = None) -> bytes:
    declaration = f'<?xml version="1.0" encoding="{declared or codec.upper()}"?>\n'
    return (declaration + root.written() + "\n").encode(codec)


def signature(
    value: bytes | str,
    *certificates: bytes,
    algorithm: str = "SHA256withRSA",
    time: str | None = "2024-05-06T07:08:09+08:00",
    identifier: str = "修改0-签名1",
    locks: str | None = None,
) -> Element:
    """One 电子签名, or a 锁定签名."""
    text = value if isinstance(value, str) else base64.b64encode(value).decode()
    found = group(
        "锁定签名" if locks else "电子签名",
        leaf("被锁定签名标识符", locks) if locks else leaf("签名标识符", identifier),
        leaf("签名规则", "对被签名对象签名"),
        *([leaf("签名时间", time)] if time else []),
        leaf("签名人", UNIT),
        leaf("签名结果", text),
    )
    if certificates:
        encoded = [leaf("证书", base64.b64encode(each).decode()) for each in certificates]
        found.children.append(group("证书块", *encoded))
    found.children.append(leaf("签名算法标识", algorithm))
    return found


def signed(
    root: Element, make: Callable[[bytes], Element], over: Callable[[Element], bytes] | None = None
) -> Element:
    """Sign 被签名对象: `make` gets its bytes, or what `over` makes of it."""
    found = next(each for each in root.children if each.name == "被签名对象")
    content = found.written().encode() if over is None else over(found)
    root.children.append(group("电子签名块", make(content)))
    return root
