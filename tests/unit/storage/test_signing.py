"""Keys and signatures, checked by openssl as an auditor would."""

import subprocess
from pathlib import Path

import pytest

from storage.signing import SIGNATURE_BYTES, KeyUnusable, SigningKey, VerifyKey

# RFC 8032, section 7.1, test 2.
RFC_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
RFC_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def openssl_verifies(folder: Path, content: bytes, signature: bytes, key: VerifyKey) -> bool:
    key.save(folder / "notary.pub.pem")
    (folder / "answer.json").write_bytes(content)
    (folder / "answer.json.sig").write_bytes(signature)
    command = "openssl pkeyutl -verify -pubin -inkey notary.pub.pem -rawin -in answer.json"
    command += " -sigfile answer.json.sig"
    finished = subprocess.run(command.split(), check=False, cwd=folder, capture_output=True)
    return finished.returncode == 0


def test_openssl_accepts_a_signature_and_refuses_an_altered_text(tmp_path: Path) -> None:
    key = SigningKey.generate()
    signature = key.sign("入库回执".encode())
    assert len(signature) == SIGNATURE_BYTES
    assert openssl_verifies(tmp_path, "入库回执".encode(), signature, key.verify_key)
    assert not openssl_verifies(tmp_path, "入库回执.".encode(), signature, key.verify_key)


def test_openssl_reads_the_private_key(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "key.pem")
    command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout"]
    public = subprocess.run(command, check=True, capture_output=True).stdout
    assert public == key.verify_key.pem()


def test_a_saved_key_signs_as_before(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "key.pem")
    key.verify_key.save(tmp_path / "key.pub.pem")
    again = SigningKey.load(tmp_path / "key.pem")
    assert again.sign(b"x") == key.sign(b"x")
    assert VerifyKey.load(tmp_path / "key.pub.pem") == key.verify_key
    assert VerifyKey.from_hex(key.verify_key.hex()) == key.verify_key


def test_the_rfcs_vector_verifies() -> None:
    key = VerifyKey.from_hex(RFC_PUBLIC)
    assert key.verify(b"\x72", bytes.fromhex(RFC_SIGNATURE))
    assert not key.verify(b"\x73", bytes.fromhex(RFC_SIGNATURE))
    assert not key.verify(b"\x72", b"short")


def test_a_private_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").stat().st_mode & 0o7777 == 0o400
    (tmp_path / "key.pem").chmod(0o440)
    with pytest.raises(KeyUnusable, match="chmod 0400"):
        SigningKey.load(tmp_path / "key.pem")


def test_a_private_key_is_never_replaced(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(FileExistsError):
        SigningKey.generate().save(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


def test_a_private_key_is_not_shown_when_printed() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(public={key.verify_key.hex()})"


@pytest.mark.parametrize("algorithm", ["X25519", "ED448"])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, algorithm: str) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    make = ["openssl", "genpkey", "-algorithm", algorithm, "-out", str(private)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    private.chmod(0o400)
    with pytest.raises(KeyUnusable, match="not Ed25519"):
        SigningKey.load(private)
    with pytest.raises(KeyUnusable, match="not Ed25519"):
        VerifyKey.load(public)


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "empty.pem").chmod(0o400)
    with pytest.raises(KeyUnusable, match=r"empty\.pem"):
        SigningKey.load(tmp_path / "empty.pem")
    with pytest.raises(KeyUnusable, match=r"empty\.pem"):
        VerifyKey.load(tmp_path / "empty.pem")
    with pytest.raises(KeyUnusable):
        VerifyKey.from_hex("abc")
