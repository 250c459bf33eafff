"""Keys on disk: that ZeroMQ and openssl take them, and that none is lost or seen."""

import subprocess
from pathlib import Path

import pytest

from daemon.keys import KeyFolder, KeysExist, _public_of, make_curve_keys, z85_decode, z85_encode
from replication import transport
from storage.signing import KeyUnusable

# ZeroMQ RFC 32, test case.
RFC_BYTES = bytes([0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B])
RFC_TEXT = "HelloWorld"


def test_z85_agrees_with_its_specification() -> None:
    assert z85_encode(RFC_BYTES) == RFC_TEXT
    assert z85_decode(RFC_TEXT) == RFC_BYTES


def test_a_public_curve_key_is_what_zeromq_derives_from_the_secret() -> None:
    theirs = transport.generate_keys()
    assert _public_of(z85_decode(theirs.secret)) == theirs.public
    ours = make_curve_keys()
    assert _public_of(z85_decode(ours.secret)) == ours.public
    assert ours.secret not in repr(ours)


def test_made_keys_are_read_again_and_secrets_are_closed(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    public = folder.make("node-1")
    assert folder.names() == ["node-1"]
    assert folder.public("node-1") == public
    assert folder.curve_keys("node-1").public == public.curve_public_key
    assert folder.signing_key("node-1").verify_key.hex() == public.verify_key
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert modes == {
        "node-1.curve": 0o400,
        "node-1.curve.pub": 0o444,
        "node-1.signing.pem": 0o400,
        "node-1.signing.pub.pem": 0o444,
    }


def test_openssl_verifies_what_a_made_key_signed(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.make("notary")
    (tmp_path / "receipt").write_bytes(b"{}")
    (tmp_path / "receipt.sig").write_bytes(folder.signing_key("notary").sign(b"{}"))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "notary.signing.pub.pem"]
    command += ["-rawin", "-in", "receipt", "-sigfile", "receipt.sig"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("existing", ["node-1.curve", "node-1.signing.pub.pem"])
def test_a_key_is_never_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(KeysExist, match=existing):
        KeyFolder(tmp_path).make("node-1")
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"


def test_a_secret_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.make("node-1")
    (tmp_path / "node-1.curve").chmod(0o440)
    with pytest.raises(KeyUnusable, match="chmod 0400"):
        folder.curve_keys("node-1")


def test_a_missing_key_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="lantai keys make node-1"):
        KeyFolder(tmp_path).curve_keys("node-1")


@pytest.mark.parametrize("text", ["", "short", "x" * 41, "é" * 40, '"' * 40])
def test_a_file_that_holds_no_curve_key_is_refused(tmp_path: Path, text: str) -> None:
    folder = KeyFolder(tmp_path)
    folder.make("node-1")
    (tmp_path / "node-1.curve.pub").unlink()
    (tmp_path / "node-1.curve.pub").write_text(text)
    with pytest.raises(KeyUnusable, match="40 characters"):
        folder.public("node-1")
