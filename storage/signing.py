"""Ed25519 keys and signatures (RFC 8032), kept as PEM files that openssl reads.

docs/formats/answers.md: signatures are 64 raw bytes over the exact bytes that are kept. Private
keys are PKCS 8, public keys SubjectPublicKeyInfo (RFC 8410). Does not decide who may sign what.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from storage.durable import write_whole_file
from storage.errors import Refusal

SIGNATURE_BYTES = 64


class KeyUnusable(Refusal):
    """A key file is not what it should be; the message names the file."""

    code = "key-unusable"


class Verifier(Protocol):
    """Whatever tells genuine signatures from others."""

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` over `data` is genuine."""
        ...


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several keys that count alike: of two keepers, or an old and a new one for a while."""

    keys: tuple["VerifyKey", ...]

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether the owner of one of them made `signature` over `data`."""
        return any(key.verify(data, signature) for key in self.keys)


class VerifyKey:
    """The public half: says whether a signature is by its owner over exactly these bytes."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "VerifyKey":
        """Read a public key. Raises KeyUnusable if the file holds anything else."""
        try:
            key = load_pem_public_key(path.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"{path} holds no public key in PEM form: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnusable(f"{path} holds a public key that is not Ed25519")
        return cls(key)

    @classmethod
    def from_hex(cls, hexadecimal: str) -> "VerifyKey":
        """The key whose 32 bytes are written as 64 digits. Raises KeyUnusable."""
        try:
            return cls(Ed25519PublicKey.from_public_bytes(bytes.fromhex(hexadecimal)))
        except ValueError as error:
            raise KeyUnusable(f"{hexadecimal!r} is not 64 hexadecimal digits") from error

    def hex(self) -> str:
        """The key's 32 bytes as 64 digits, as configuration files name it."""
        return self._key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def pem(self) -> bytes:
        """The key as SubjectPublicKeyInfo in PEM form."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def save(self, path: Path) -> None:
        """Write the key durably, readable for everyone."""
        write_whole_file(path, self.pem(), mode=0o444)

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` was made over `data` by the owner of this key."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and self.hex() == other.hex()

    def __hash__(self) -> int:
        return hash(self.hex())

    def __repr__(self) -> str:
        return f"VerifyKey({self.hex()})"


class SigningKey:
    """The private half. Its bytes leave this object only through `save`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a private key. Raises KeyUnusable if others may read it, or it is no such key."""
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise KeyUnusable(f"{path} may be read by others (mode {mode:04o}): chmod 0400")
            pem = stream.read()
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"{path} holds no private key in PEM form") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable(f"{path} holds a private key that is not Ed25519")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key durably with mode 0400; an existing file is never replaced.

        Raises FileExistsError.
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole_file(path, pem, mode=0o400, replace=False)

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        """The signature over exactly these bytes: 64 bytes."""
        return self._key.sign(data)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.verify_key.hex()})"
