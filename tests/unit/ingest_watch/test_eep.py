"""What an EEP is decoded into, what it says of itself, and what its signatures are held against."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from ingest_watch.findings import PackageRejected
from ingest_watch.formats.eep import Eep, OpenedEep
from ingest_watch.formats.package_format import NotApplicable, Opening
from ingest_watch.listing import Listing
from ingest_watch.seals.certificates import Certificate
from ingest_watch.seals.trust import NO_TRUST, Trust
from ingest_watch.staging import inspect_folder, stage_file
from tests.certificates import Sm2Authority, identity, rsa_key
from tests.eep_packages import (
    FILES,
    Element,
    encoding,
    leaf,
    modified,
    original,
    signature,
    signed,
    written,
)


@contextmanager
def opened(
    folder: Path, content: bytes, trust: Trust = NO_TRUST, name: str = "case.eep"
) -> Iterator[OpenedEep]:
    (folder / name).write_bytes(content)
    staged = stage_file(folder / name, folder / "staged", folder / "listing.sqlite")
    with Listing.open(staged.listing) as listing:
        yield Eep().open(Opening(staged.folder, listing, folder, name, lambda: trust))


def decoded_files(package: OpenedEep) -> dict[str, bytes]:
    """What was decoded, by the listing, each file with the digest that the listing gives it."""
    if package.decoded is None:
        return {}
    with Listing.open(package.decoded.listing) as listing:
        files = list(listing.files())
    found = {file.path: (package.decoded.folder / file.path).read_bytes() for file in files}
    for file in files:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(found[file.path])
        assert file.digests["sha256"] == digest.finalize().hex()
        assert file.size_bytes == len(found[file.path])
        assert (file.block_root is None) == (file.size_bytes <= 1024 * 1024)
    return found


def codes(answer: object) -> list[str]:
    if isinstance(answer, NotApplicable):
        return [answer.finding.code]
    assert isinstance(answer, Iterator)
    return [finding.code for finding in answer]


def test_the_files_of_an_embedded_package_are_decoded_beside_what_was_received(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, written(original())) as package:
        assert decoded_files(package) == FILES
        assert (tmp_path / "staged/case.eep").read_bytes() == written(original())


def test_a_file_of_many_blocks_is_decoded_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 12_345
    with opened(tmp_path, written(original({"大.bin": content}))) as package:
        assert decoded_files(package) == {"大.bin": content}


def test_files_of_earlier_layers_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    newest = modified(modified(original(), {"正文.txt": b"second"}), {"正文.txt": b"third"}, 2)
    with opened(tmp_path, written(newest)) as package:
        assert decoded_files(package) == {
            "正文.txt": b"third",
            "原封装包/正文.txt": b"second",
            **{f"原封装包/原封装包/{name}": content for name, content in FILES.items()},
        }


def test_data_that_refers_to_an_earlier_layers_data_is_written_once_more(tmp_path: Path) -> None:
    root = modified(original(), {"正文.pdf": b""})
    data = root.find("修订内容/编码数据")
    data.attributes["引用编码数据ID"] = "修改0-文档1-文档数据1-编码1-编码数据"
    with opened(tmp_path, written(root)) as package:
        assert decoded_files(package)["正文.pdf"] == FILES["正文.pdf"]
        assert codes(package.structure()) == []


def test_data_that_grows_by_references_alone_is_refused(tmp_path: Path) -> None:
    """Each reference costs a line and yields a mebibyte."""
    root = original({"大.bin": b"\x00" * 1024 * 1024})
    for number in range(200):
        again = encoding(f"{number}.bin", b"", f"副本{number}")
        again.find("编码数据").attributes["引用编码数据ID"] = "修改0-文档1-文档数据1-编码1-编码数据"
        root.add("文档数据", again)
    with pytest.raises(PackageRejected) as refused, opened(tmp_path, written(root)):
        pass
    assert refused.value.findings[0].code == "ratio"


def test_the_record_has_the_names_of_its_elements_from_the_record_down(tmp_path: Path) -> None:
    with opened(tmp_path, written(original())) as package:
        records = package.records()
        assert not isinstance(records, NotApplicable)
        (found,) = records
    assert found.values("内容描述/题名") == ("关于示例事项的通知",)
    assert found.values("档号/年度") == ("2021",)
    assert found.values("业务实体/业务行为") == ("起草",)
    assert found.values("封装包创建单位") == ("示例市人民政府办公室",)
    assert package.external_identifiers == ("J001-2021-0001",)


def test_the_newest_layers_record_is_the_one_that_counts(tmp_path: Path) -> None:
    root = modified(original(), FILES)
    root.find("修订内容").set("内容描述/题名", "改后的题名").set("电子文件号", "J001-2021-0002")
    with opened(tmp_path, written(root)) as package:
        records = package.records()
        assert not isinstance(records, NotApplicable)
        (found,) = records
    assert found.values("内容描述/题名") == ("改后的题名",)
    assert package.external_identifiers == ("J001-2021-0002",)


def test_every_file_is_stated_as_it_was_sent(tmp_path: Path) -> None:
    root = original().set("计算机文件大小", "127 KB")
    with opened(tmp_path, written(root)) as package:
        stated = package.stated_files()
        assert not isinstance(stated, NotApplicable)
        first, second = stated
    assert (first.path, first.stated_path, first.size, first.format) == (
        "正文.pdf", "正文.pdf", "127 KB", "PDF",
    )  # fmt: skip
    assert second.size == str(len(FILES["附件.txt"]))


def test_a_file_beside_the_document_is_found_by_its_name_in_gb18030(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "eep.xml").write_bytes(written(original(digest="sm3")))
    for name, content in FILES.items():
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name.encode("gb18030"))).write_bytes(content)
    staged = inspect_folder(folder, tmp_path / "listing.sqlite")
    with Listing.open(staged.listing) as listing:
        package = Eep().open(Opening(folder, listing, tmp_path))
        assert codes(package.contents()) == ["eep-name-matched"] * 2
        assert codes(package.fixity()) == []
        assert codes(package.surplus()) == []


def test_a_document_that_breaks_off_answers_no_question_with_a_pass(tmp_path: Path) -> None:
    with opened(tmp_path, written(original()).replace(b"</", b"<", 40)) as package:
        answers = (
            package.fixity(), package.seals(), package.structure(), package.contents(),
            package.counts(), package.metadata(), package.surplus(), package.descriptions(),
        )  # fmt: skip
        assert [codes(answer) for answer in answers] == [["xml-not-well-formed"]] * 8
        assert isinstance(package.records(), NotApplicable)
        assert isinstance(package.stated_files(), NotApplicable)


def test_the_document_may_hold_nothing_but_what_it_says_in_unknown_elements(tmp_path: Path) -> None:
    root = original().add("内容描述", leaf("ext1", "扩展"))
    with opened(tmp_path, written(root)) as package:
        assert codes(package.structure()) == ["eep-element-unknown"]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (f"<业务实体 甲='{'字' * 1000}'/>" * 9_000, "eep-limit"),
        ("<编码 编码ID='a'/>" * 6_000, "eep-element-unknown"),
        ("<附注>" + "字" * 1_100_000 + "</附注>", "eep-limit"),
        ("<附注>" * 120, "xml-limit"),
    ],
    ids=["attributes", "unknown elements", "one text", "depth"],
)
def test_a_document_made_to_exhaust_memory_is_cut_at_a_limit(
    tmp_path: Path, what: str, code: str
) -> None:
    text = written(original()).decode().replace("<业务实体>", what + "<业务实体>", 1)
    with opened(tmp_path, text.encode()) as package:
        found = codes(package.structure())
    assert code in found
    assert len(found) < 10


# Signatures

KEY = rsa_key()
ROOT = identity("root", rsa_key(), is_authority=True)
SIGNER = identity("signer", KEY, ROOT)
TRUST = Trust((Certificate.read(ROOT.der),))


def rsa_signature(content: bytes) -> Element:
    return signature(KEY.sign(content, padding.PKCS1v15(), hashes.SHA256()), SIGNER.der)


def the_signed_object(root: Element) -> Element:
    return next(each for each in root.children if each.name == "被签名对象")


def texts(element: Element, *, with_attributes: bool) -> str:
    attributes = "".join(element.attributes.values()) if with_attributes else ""
    below = "".join(texts(each, with_attributes=with_attributes) for each in element.children)
    return attributes + (below or element.text.strip())


def canonical(root: Element) -> bytes:
    """The second opinion: lxml's canonical form."""
    document = etree.fromstring(written(root))
    element = next(iter(document.iter("{*}被签名对象")))
    return bytes(etree.tostring(element, method="c14n", exclusive=True))


def seal_messages(folder: Path, root: Element, codec: str = "utf-8", trust: Trust = TRUST) -> str:
    with opened(folder, written(root, codec), trust) as package:
        answer = package.seals()
        assert not isinstance(answer, NotApplicable)
        return "\n".join(f"{finding.code}: {finding.message}" for finding in answer)


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16"])
def test_a_signature_over_the_element_as_received_holds_in_any_encoding(
    codec: str, tmp_path: Path
) -> None:
    plain = codec.replace("utf-16", "utf-16-le")
    root = signed(original(), rsa_signature, lambda element: element.written().encode(plain))
    found = seal_messages(tmp_path, root, codec)
    assert "seal-valid" in found
    assert "element as received" in found
    assert "seal-not-trusted" not in found


def test_a_signature_over_the_element_in_utf8_holds_in_a_document_of_another_encoding(
    tmp_path: Path,
) -> None:
    assert "the element in UTF-8" in seal_messages(
        tmp_path, signed(original(), rsa_signature), "gb18030"
    )


def test_a_signature_over_the_canonical_form_holds(tmp_path: Path) -> None:
    root = original().set("题名", '一 & 二 < 三 > 四 "五"')
    value = canonical(root)
    found = seal_messages(tmp_path, signed(root, lambda _: rsa_signature(value)))
    assert "its canonical form" in found


@pytest.mark.parametrize("with_attributes", [True, False])
def test_a_signature_over_the_texts_holds(tmp_path: Path, *, with_attributes: bool) -> None:
    root = signed(
        original(),
        rsa_signature,
        lambda element: texts(element, with_attributes=with_attributes).encode(),
    )
    found = seal_messages(tmp_path, root)
    assert "seal-valid" in found
    assert "seal-boundaries-open" in found
    assert ("with identifiers" in found) == with_attributes


def test_a_signed_element_cut_into_texts_never_passes_for_a_signature_over_texts(
    tmp_path: Path,
) -> None:
    """All of a genuine element stands, in order, in the texts of a forged one."""
    genuine = signed(original(), rsa_signature)
    whole = the_signed_object(genuine).written()
    kind, before, behind = "原始型", *whole.split("原始型", 1)
    forged = (
        f"<被签名对象 eep版本=''><附注><![CDATA[{before}]]></附注><封装包类型>{kind}</封装包类型>"
    )
    forged += f"<附注><![CDATA[{behind}]]></附注></被签名对象>"
    text = written(genuine).decode().replace(whole, forged)
    assert texts(Element("", before + kind + behind), with_attributes=False) == whole
    with opened(tmp_path, text.encode(), TRUST) as package:
        assert codes(package.seals()) == ["seal-invalid"]


def test_an_sm2_signature_holds(tmp_path: Path) -> None:
    authority = Sm2Authority(tmp_path)
    root = signed(
        original(),
        lambda content: signature(
            authority.sign(content),
            authority.signer,
            algorithm="SM3withSM2",
            time="2027-01-01T00:00:00Z",
        ),
    )
    found = seal_messages(tmp_path, root, trust=Trust((Certificate.read(authority.root),)))
    assert "seal-valid" in found
    assert "SM2 SM3" in found
    assert "seal-not-trusted" not in found


def test_the_signature_of_an_earlier_layer_is_verified_over_that_layer(tmp_path: Path) -> None:
    root = signed(modified(signed(original(), rsa_signature), FILES), rsa_signature)
    assert seal_messages(tmp_path, root).count("seal-valid") == 2


@pytest.mark.parametrize("place", ["comment", "unknown element", "text"])
def test_a_signed_object_that_stands_elsewhere_never_passes_for_the_one_that_counts(
    tmp_path: Path, place: str
) -> None:
    """A genuine signed object is hidden in a forged package, with its genuine signature."""
    genuine = signed(original(), rsa_signature)
    hidden = the_signed_object(genuine).written()
    forged = original().set("内容描述/题名", "伪造")
    forged.children.append(genuine.find("电子签名块"))
    text = written(forged).decode()
    inserted = {
        "comment": f"<!--{hidden}-->",
        "unknown element": f"<其他>{hidden}</其他>",
        "text": f"<其他><![CDATA[{hidden}]]></其他>",
    }[place]
    for before in ("<被签名对象", "<电子签名块"):
        folder = tmp_path / before[1:]
        folder.mkdir()
        content = text.replace(before, inserted + before, 1).encode()
        with opened(folder, content, TRUST) as package:
            assert "seal-invalid" in codes(package.seals())


def test_a_file_that_is_no_package_is_not_recognised(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a.eep", b"anything", True),
        ("a.eep", b"PK\x03\x04", False),
        ("a.xml", b"<a/>", False),
        ("a.xml", written(original(), "utf-16"), True),
        ("a.XML", written(original(), "gb18030"), True),
        ("a.zip", written(original()), False),
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        with path.open("rb") as stream:
            assert Eep().recognises_file(name, stream.fileno()) is expected, name
