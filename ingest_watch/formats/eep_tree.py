"""The element tree of an EEP, as far as its structure goes: what may and must stand where.

DA/T 48-2009, from the schema that implementers use. What the metadata elements must say (DA/T 46)
is for the rules of a profile, so those are only known here and never demanded. Order within an
element is not judged, but that what is needed to decode stands before the data.
"""

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "http://www.saac.gov.cn/standards/ERM/encapsulation"
ROOT = "电子文件封装包"

Need = Literal["must", "should", "may"]

# Parent: children. Once and demanded, unless marked: ? may stand once, * any number, + at least
# once, ~ once and expected: senders leave it out, which is told and accepted.
_TREE = """
电子文件封装包: 封装包格式描述~ 版本 被签名对象 电子签名块? 锁定签名*
被签名对象: 封装包类型 封装包类型描述~ 封装包创建时间 封装包创建单位 封装内容? 修改封装内容?
封装内容: 文件实体块 业务实体块~ 机构人员实体块~
修改封装内容: 修改标识符 原封装包 修订内容
原封装包: 被签名对象 电子签名块? 锁定签名*
修订内容: 文件实体块 业务实体块~ 机构人员实体块~
文件实体块: 文件实体* 文件实体关系*
文件实体: 聚合层次? 来源 电子文件号? 档号 内容描述 形式特征~ 存储位置~ 权限管理~ 信息系统描述* 附注* 文件数据
来源: 档案馆名称? 档案馆代码? 全宗名称? 立档单位名称?
档号: 全宗号? 目录号? 年度? 保管期限? 机构或问题? 类别号? 室编案卷号? 馆编案卷号? 室编件号? 馆编件号? 页号?
内容描述: 题名? 并列题名? 副题名? 说明题名文字? 主题词* 关键词? 人名? 摘要? 分类号? 文件编号? 责任者? 日期? 文种? 紧急程度? 主送? 抄送? 密级? 保密期限?
形式特征: 文件组合类型? 件数? 页数? 语种? 稿本?
存储位置: 当前位置? 脱机载体编号* 脱机载体存址* 缩微号?
权限管理: 知识产权说明? 授权* 控制标识?
授权: 授权对象? 授权行为?
文件数据: 文档+
文档: 文档标识符 文档序号? 文档主从声明? 题名? 文档数据+
文档数据: 编码+
编码: 电子属性 数字化属性? 编码描述 反编码关键字 编码数据
电子属性: 格式信息? 计算机文件名 计算机文件大小 文档创建程序?
数字化属性: 数字化对象形态? 扫描分辨率~ 扫描色彩模式~ 图像压缩方案?
文件实体关系: 文件标识符 被关联文件标识符 关系类型? 关系? 关系描述?
业务实体块: 业务实体*
业务实体: 业务标识符~ 机构人员标识符~ 文件标识符~ 业务状态~ 业务行为~ 行为时间~ 行为依据? 行为描述?
机构人员实体块: 机构人员实体* 机构人员实体关系*
机构人员实体: 机构人员标识符~ 机构人员类型? 机构人员名称~ 组织机构代码? 个人职位? 机构人员实体关系*
机构人员实体关系: 机构人员标识符 被关联机构人员标识符 关系类型? 关系? 关系描述?
电子签名块: 电子签名+
电子签名: 签名标识符~ 签名规则~ 签名时间? 签名人? 签名结果 证书块* 签名算法标识~
锁定签名: 被锁定签名标识符 签名规则~ 签名时间? 签名人? 签名结果 证书块* 签名算法标识~
证书块: 证书+ 证书引证*
"""  # noqa: E501 - one line of the tree for each element
_ATTRIBUTES = {
    "被签名对象": frozenset({"eep版本"}), "主题词": frozenset({"主题词表名称"}),
    "文档数据": frozenset({"文档数据ID"}), "编码": frozenset({"编码ID"}),
    "编码数据": frozenset({"编码数据ID", "引用编码数据ID"}),
}  # fmt: skip
# Elements and attributes of type xs:ID, which must be there and differ across the document.
IDENTIFYING_ELEMENTS = frozenset({"文档标识符", "签名标识符", "修改标识符"})
IDENTIFYING_ATTRIBUTES = {"文档数据": "文档数据ID", "编码": "编码ID", "编码数据": "编码数据ID"}


@dataclass(frozen=True, slots=True)
class Place:
    """How often a child may and must stand in its parent."""

    need: Need
    is_repeatable: bool


def _parsed(tree: str) -> dict[str, dict[str, Place]]:
    marks: dict[str, tuple[Need, bool]] = {
        "?": ("may", False), "*": ("may", True), "+": ("must", True), "~": ("should", False),
    }  # fmt: skip
    elements: dict[str, dict[str, Place]] = {}
    for line in tree.strip().splitlines():
        parent, _, children = line.partition(": ")
        elements[parent] = {
            child.rstrip("?*+~"): Place(*marks.get(child[-1], ("must", False)))
            for child in children.split()
        }
    return elements


_ELEMENTS = _parsed(_TREE)


def children_of(element: str) -> dict[str, Place]:
    """Return what may stand in an element; nothing for one that holds text."""
    return _ELEMENTS.get(element, {})


def attributes_of(element: str) -> frozenset[str]:
    """Return the attributes that an element may have."""
    return _ATTRIBUTES.get(element, frozenset())
