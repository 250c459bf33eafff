"""The requirements of E-ARK CSIP and SIP that packages are held to, each with its own code.

E-ARK CSIP 2.2.0 and SIP 2.2.0: what is MUST is an error, what is SHOULD a warning. A finding's code
is the requirement's number in small letters; values only.
"""

from ingest_watch.findings import Rule, Severity

CSIP_PROFILE = "https://earkcsip.dilcis.eu/profile/E-ARK-CSIP.xml"
SIP_PROFILE = "https://earksip.dilcis.eu/profile/E-ARK-SIP.xml"

CONTENT_INFORMATION_TYPES = frozenset({
    "ERMS", "SIARD1", "SIARD2", "SIARDDK", "GeoData", "citscarchival_v1_0", "cscarchival_v1_0",
    "citserms_v2_1", "citserms_v3_0", "citspremis_v1_0", "cspremis_v1_0", "citsehpj_v1_0",
    "citsehpj_v2_0", "citsehcr_v1_0", "citssiard_v1_0", "citsgeospatial_v3_0", "cits3dpm_v1_0",
    "MIXED", "OTHER",
})  # fmt: skip
# The vocabulary of DILCIS; the dashes in it differ between its own editions.
CONTENT_CATEGORIES = frozenset(term.replace("–", "-").casefold() for term in (
    "Textual works – Print", "Textual works – Digital", "Textual works – Electronic Serials",
    "Digital Musical Composition (score-based representations)", "Musical Scores - Print",
    "Musical Scores - Digital", "Photographs – Print", "Photographs – Digital",
    "Other Graphic Images – Print", "Other Graphic Images – Digital", "Microforms",
    "Audio – On Tangible Medium (digital or analog)", "Audio – Media-independent (digital)",
    "Motion Pictures – Digital and Physical Media",
    "Video – File-based and Physical Media", "Software", "Software and Video Games", "Email",
    "Datasets", "Geospatial Data", "Geographic Information System (GIS) - Vector Data",
    "GIS Raster and Georeferenced Images", "GIS Vector and Raster Combined",
    "Non-GIS Cartographic", "2D and 3D Computer Aided Design",
    "Design (schematics, architectural drawings) - Print",
    "Scanned 3D Objects (output from photogrammetry scanning)", "Databases", "Websites",
    "Web Archives", "Collection", "Event", "Image", "Interactive resource", "Moving image",
    "Sound", "Still image", "Text", "Physical object", "Service", "Mixed", "Other",
))  # fmt: skip
PACKAGE_TYPES = frozenset({"SIP", "AIP", "DIP", "AIU", "AIC"})


def _must(number: str, english: str, chinese: str) -> Rule:
    return Rule(number.lower(), Severity.ERROR, english, chinese, f"E-ARK CSIP 2.2.0 {number}")


def _should(number: str, english: str, chinese: str) -> Rule:
    return Rule(number.lower(), Severity.WARNING, english, chinese, f"E-ARK CSIP 2.2.0 {number}")


STR4 = _must("CSIPSTR4", "the package has no METS.xml in its top folder",
             "信息包顶层没有 METS.xml")  # fmt: skip
STR5 = _should("CSIPSTR5", "the package has no folder metadata/", "信息包没有 metadata/ 文件夹")
STR9 = _should("CSIPSTR9", "the package has no folder representations/",
               "信息包没有 representations/ 文件夹")  # fmt: skip
NOT_METS = Rule(
    "mets-root", Severity.ERROR, "the document is not METS: its root must be mets of {namespace}",
    "该文件不是 METS：根元素须为 {namespace} 的 mets", "METS 1.12",
)  # fmt: skip
CSIP1 = _must("CSIP1", "mets/@OBJID is missing or empty", "mets/@OBJID 缺失或为空")
CSIP1_NAME = _should("CSIP1", "mets/@OBJID is not the name of the folder ({name})",
                     "mets/@OBJID 与文件夹名称（{name}）不一致")  # fmt: skip
CSIP2 = _must("CSIP2", "mets/@TYPE is missing or not in the vocabulary of content categories",
              "mets/@TYPE 缺失或不在内容类别词表中")  # fmt: skip
CSIP2_OTHER = _must("CSIP2", "mets/@TYPE is Other, and mets/@csip:OTHERTYPE does not say what",
                    "mets/@TYPE 为 Other，但未给出 mets/@csip:OTHERTYPE")  # fmt: skip
CSIP4 = _must("CSIP4", "mets/@csip:CONTENTINFORMATIONTYPE is missing or not in its vocabulary",
              "mets/@csip:CONTENTINFORMATIONTYPE 缺失或不在词表中")  # fmt: skip
CSIP4_ROOT = _should("CSIP4", "mets/@csip:CONTENTINFORMATIONTYPE is not given",
                     "未给出 mets/@csip:CONTENTINFORMATIONTYPE")  # fmt: skip
CSIP4_OTHER = _must(
    "CSIP4", "mets/@csip:CONTENTINFORMATIONTYPE is OTHER, and "
    "mets/@csip:OTHERCONTENTINFORMATIONTYPE does not say what",
    "mets/@csip:CONTENTINFORMATIONTYPE 为 OTHER，但未给出 mets/@csip:OTHERCONTENTINFORMATIONTYPE",
)  # fmt: skip
CSIP6 = _must("CSIP6", "mets/@PROFILE is missing", "mets/@PROFILE 缺失")
SIP2 = Rule(
    "sip2", Severity.ERROR, f"mets/@PROFILE of a SIP must be {SIP_PROFILE}",
    f"SIP 的 mets/@PROFILE 须为 {SIP_PROFILE}", "E-ARK SIP 2.2.0 SIP2",
)  # fmt: skip
CSIP117 = _must("CSIP117", "there is no metsHdr", "没有 metsHdr")
CSIP7 = _must("CSIP7", "metsHdr/@CREATEDATE is missing", "metsHdr/@CREATEDATE 缺失")
CSIP9 = _must("CSIP9", "metsHdr/@csip:OAISPACKAGETYPE is missing or none of SIP, AIP, DIP",
              "metsHdr/@csip:OAISPACKAGETYPE 缺失或不是 SIP、AIP、DIP")  # fmt: skip
CSIP10 = _must("CSIP10", "no metsHdr/agent names the software that made the package "
               "(ROLE CREATOR, TYPE OTHER, OTHERTYPE SOFTWARE)",
               "没有 metsHdr/agent 说明制作信息包的软件")  # fmt: skip
CSIP14 = _must("CSIP14", "the agent of the software has no name", "软件责任者没有名称")
CSIP15 = _must("CSIP15", "the agent of the software has no note with its version",
               "软件责任者没有版本说明")  # fmt: skip
CSIP16 = _must("CSIP16", "the note with the software's version has no csip:NOTETYPE "
               "SOFTWARE VERSION", "软件版本说明缺少 csip:NOTETYPE")  # fmt: skip
CSIP17 = _must("CSIP17", "there are files in metadata/descriptive, and no dmdSec speaks of them",
               "metadata/descriptive 中有文件，但没有 dmdSec")  # fmt: skip
CSIP17_SHOULD = _should("CSIP17", "there is no dmdSec: the package is not described",
                        "没有 dmdSec：信息包没有描述元数据")  # fmt: skip
CSIP58 = _should("CSIP58", "METS.xml has no fileSec", "METS.xml 没有 fileSec")
CSIP60 = _must("CSIP60", "there is documentation/, and no fileGrp with USE Documentation",
               "有 documentation/，但没有 USE 为 Documentation 的 fileGrp")  # fmt: skip
CSIP113 = _must("CSIP113", "there is schemas/, and no fileGrp with USE Schemas",
                "有 schemas/，但没有 USE 为 Schemas 的 fileGrp")  # fmt: skip
CSIP114 = _must("CSIP114", "there is representations/, and no fileGrp with USE Representations…",
                "有 representations/，但没有 USE 以 Representations 开头的 fileGrp")  # fmt: skip
CSIP66 = _must(
    "CSIP66", "a fileGrp has no file (line {line})", "fileGrp 中没有 file（第 {line} 行）"
)
CSIP76 = _must("CSIP76", "a file has no FLocat (line {line})", "file 没有 FLocat（第 {line} 行）")
CSIP80 = _must("CSIP80", "there is no structMap with LABEL CSIP", "没有 LABEL 为 CSIP 的 structMap")
CSIP81 = _must("CSIP81", "the structMap CSIP has no TYPE PHYSICAL",
               "structMap CSIP 的 TYPE 不是 PHYSICAL")  # fmt: skip
CSIP84 = _must("CSIP84", "the structMap CSIP has {count} main divisions, not one",
               "structMap CSIP 有 {count} 个主 div，应为一个")  # fmt: skip
CSIP88 = _must("CSIP88", "the structMap CSIP has no division for metadata/",
               "structMap CSIP 没有对应 metadata/ 的 div")  # fmt: skip
CSIP109 = _must("CSIP109", "the METS document of a representation is not pointed to by mptr",
                "表现形式的 METS 文件没有被 mptr 引用")  # fmt: skip

MISSING = Rule(
    "csip-file-missing", Severity.ERROR, "METS names this file, and it is not there (line {line})",
    "METS 列出的文件不存在（第 {line} 行）", "E-ARK CSIP 2.2.0 CSIP58",
)  # fmt: skip
CHECKSUM = Rule(
    "csip-checksum", Severity.ERROR, "the {algorithm} of the file is not what METS gives",
    "文件的 {algorithm} 摘要与 METS 记载不符", "E-ARK CSIP 2.2.0 CSIP29, CSIP71",
)  # fmt: skip
ALGORITHM = Rule(
    "csip-checksum-type", Severity.ERROR, "{algorithm} is no digest that is known here",
    "无法识别的摘要算法 {algorithm}", "E-ARK CSIP 2.2.0 CSIP30, CSIP72",
)  # fmt: skip
WEAK = Rule(
    "csip-checksum-weak", Severity.WARNING,
    "METS protects files by {algorithm} only: use SHA-256 or better",
    "METS 仅使用 {algorithm} 摘要，建议使用 SHA-256 或更强算法", "DA/T 97-2023",
)  # fmt: skip
UNREFERENCED = Rule(
    "csip-unreferenced", Severity.ERROR, "no METS document speaks of this content file",
    "没有 METS 文件提及此内容文件", "E-ARK CSIP 2.2.0 CSIP58",
)  # fmt: skip
UNREFERENCED_BESIDE = Rule(
    "csip-unreferenced", Severity.WARNING, "no METS document speaks of this file",
    "没有 METS 文件提及此文件", "E-ARK CSIP 2.2.0 CSIP58",
)  # fmt: skip
OUTSIDE = Rule(
    "path-traversal", Severity.ERROR, "METS refers to a file outside the package (line {line})",
    "METS 引用了信息包之外的文件（第 {line} 行）", "attack catalogue A1",
)  # fmt: skip
REMOTE = Rule(
    "csip-remote", Severity.ERROR,
    "METS refers to another machine (line {line}): nothing is ever fetched",
    "METS 引用了其他主机上的资源（第 {line} 行）：系统从不外部获取", "attack catalogue A48",
)  # fmt: skip

# Attribute of mdRef, or of its section → requirement, by the kind of section.
_ATTRIBUTES = ("LOCTYPE", "type", "href", "MDTYPE", "MIMETYPE", "SIZE", "CREATED", "CHECKSUM",
               "CHECKSUMTYPE")  # fmt: skip


def _attribute_rule(number: int, element: str, attribute: str) -> Rule:
    return _must(
        f"CSIP{number}", f"{element}/@{attribute} is missing or not as asked (line {{line}})",
        f"{element}/@{attribute} 缺失或不符合要求（第 {{line}} 行）",
    )  # fmt: skip


REFERENCE_RULES = {
    kind: {
        attribute: _attribute_rule(first + offset, f"{kind}/mdRef", attribute)
        for offset, attribute in enumerate(_ATTRIBUTES)
    }
    for kind, first in (("dmdSec", 22), ("digiprovMD", 36), ("rightsMD", 49))
}
SECTION_IDS = {
    "dmdSec": _attribute_rule(18, "dmdSec", "ID"),
    "digiprovMD": _attribute_rule(33, "digiprovMD", "ID"),
    "rightsMD": _attribute_rule(46, "rightsMD", "ID"),
}
CSIP19 = _attribute_rule(19, "dmdSec", "CREATED")
CSIP59 = _attribute_rule(59, "fileSec", "ID")
CSIP64 = _attribute_rule(64, "fileGrp", "USE")
CSIP65 = _attribute_rule(65, "fileGrp", "ID")
FILE_RULES = {
    "ID": _attribute_rule(67, "file", "ID"),
    "MIMETYPE": _attribute_rule(68, "file", "MIMETYPE"),
    "SIZE": _attribute_rule(69, "file", "SIZE"),
    "CREATED": _attribute_rule(70, "file", "CREATED"),
    "CHECKSUM": _attribute_rule(71, "file", "CHECKSUM"),
    "CHECKSUMTYPE": _attribute_rule(72, "file", "CHECKSUMTYPE"),
}
LOCATION_RULES = {
    "LOCTYPE": _attribute_rule(77, "FLocat", "LOCTYPE"),
    "type": _attribute_rule(78, "FLocat", "xlink:type"),
    "href": _attribute_rule(79, "FLocat", "xlink:href"),
}
CSIP83 = _attribute_rule(83, "structMap", "ID")
CSIP85 = _attribute_rule(85, "structMap/div", "ID")
