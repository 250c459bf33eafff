"""A role's keys on disk: one CURVE pair for the wire, one Ed25519 pair for what it signs.

CURVE keys are X25519 (RFC 7748) in Z85 text (ZeroMQ RFC 32), as ZeroMQ wants them; signing keys
are PEM (storage/signing.py). In the keys folder: `<name>.curve`, `<name>.curve.pub`,
`<name>.signing.pem`, `<name>.signing.pub.pem`; the secret ones 0400. Nothing here ever overwrites
or deletes a key, and no secret is ever printed.
"""

import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from replication.endpoints import CurveKeys
from storage.durable import write_whole_file
from storage.errors import Refusal
from storage.signing import KeyUnusable, SigningKey, VerifyKey

SUFFIXES = (".curve", ".curve.pub", ".signing.pem", ".signing.pub.pem")
Z85_ALPHABET = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
)
KEY_CHARACTERS = 40  # 32 bytes in Z85


class KeysExist(Refusal):
    """A key of that name is there; replacing it would cut its owner off."""

    code = "keys-exist"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What the others must know of one name, as configuration files write it."""

    name: str
    curve_public_key: str
    verify_key: str


class KeyFolder:
    """The folder that `keys_folder` names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, name: str) -> PublicKeys:
        """Make both pairs of `name`. Raises KeysExist, and then makes none."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for suffix in SUFFIXES:
            if self._path(name, suffix).exists():
                raise KeysExist(
                    f"{self._path(name, suffix)} exists; a key is never overwritten. Move it away"
                    " first, if it is really to be replaced. 密钥已存在,不会覆盖。"
                )
        curve, signing = make_curve_keys(), SigningKey.generate()
        self._write(name, ".curve", curve.secret, 0o400)
        signing.save(self._path(name, ".signing.pem"))
        self._write(name, ".curve.pub", curve.public, 0o444)
        signing.verify_key.save(self._path(name, ".signing.pub.pem"))
        return self.public(name)

    def names(self) -> list[str]:
        """Every name that has a public CURVE key here."""
        return sorted(
            path.name.removesuffix(".curve.pub") for path in self._folder.glob("*.curve.pub")
        )

    def public(self, name: str) -> PublicKeys:
        """The public halves of `name`. Raises KeyUnusable."""
        verify_key = VerifyKey.load(self._existing(name, ".signing.pub.pem"))
        return PublicKeys(name, self._read(name, ".curve.pub"), verify_key.hex())

    def curve_keys(self, name: str) -> CurveKeys:
        """The pair of `name` for the wire. Raises KeyUnusable, also if others may read it."""
        path = self._existing(name, ".curve")
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyUnusable(f"{path} may be read by others (mode {mode:04o}): chmod 0400")
        secret = self._read(name, ".curve")
        return CurveKeys(_public_of(z85_decode(secret)), secret)

    def signing_key(self, name: str) -> SigningKey:
        """The signing key of `name`. Raises KeyUnusable."""
        return SigningKey.load(self._existing(name, ".signing.pem"))

    def verify_key(self, name: str) -> VerifyKey:
        """The public half of the signing key of `name`. Raises KeyUnusable."""
        return VerifyKey.load(self._existing(name, ".signing.pub.pem"))

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}{suffix}"

    def _existing(self, name: str, suffix: str) -> Path:
        path = self._path(name, suffix)
        if not path.is_file():
            raise KeyUnusable(
                f"{path} is missing: make it here with `lantai keys make {name} --into"
                f" {self._folder}`. 缺少密钥文件。"
            )
        return path

    def _read(self, name: str, suffix: str) -> str:
        path = self._existing(name, suffix)
        text = path.read_text("ascii", "replace").strip()
        if len(text) != KEY_CHARACTERS or not set(text) <= set(Z85_ALPHABET):
            raise KeyUnusable(f"{path} does not hold a CURVE key of {KEY_CHARACTERS} characters")
        return text

    def _write(self, name: str, suffix: str, text: str, mode: int) -> None:
        path = self._path(name, suffix)
        write_whole_file(path, f"{text}\n".encode("ascii"), mode=mode, replace=False)


def make_curve_keys() -> CurveKeys:
    """A new pair from the system's randomness."""
    secret = X25519PrivateKey.generate().private_bytes(
        Encoding.Raw, PrivateFormat.Raw, NoEncryption()
    )
    return CurveKeys(_public_of(secret), z85_encode(secret))


def z85_encode(data: bytes) -> str:
    """Z85 (ZeroMQ RFC 32): each four bytes, big-endian, as five digits of base 85."""
    assert len(data) % 4 == 0, "Z85 takes multiples of four bytes"
    digits = []
    for (word,) in struct.iter_unpack(">I", data):
        digits += [Z85_ALPHABET[word // 85**power % 85] for power in (4, 3, 2, 1, 0)]
    return "".join(digits)


def z85_decode(text: str) -> bytes:
    """The bytes of Z85 text that was checked before."""
    assert len(text) % 5 == 0, "Z85 text comes in groups of five"
    words = []
    for start in range(0, len(text), 5):
        word = 0
        for digit in text[start : start + 5]:
            word = word * 85 + Z85_ALPHABET.index(digit)
        words.append(word)
    return struct.pack(f">{len(words)}I", *words)


def _public_of(secret: bytes) -> str:
    public = X25519PrivateKey.from_private_bytes(secret).public_key()
    return z85_encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
