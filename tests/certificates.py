"""Keys and certificates for tests, by `cryptography`, or by openssl where that knows no SM2."""

import datetime as dt
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
SIGNED_AT = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Identity:
    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def ecdsa_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def identity(
    name: str,
    key: PrivateKey,
    issuer: Identity | None = None,
    *,
    is_authority: bool = False,
    period: tuple[dt.datetime, dt.datetime] = (START, END),
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Identity:
    """A certificate for `key`, self-signed or by `issuer`."""
    subject = _name(name)
    issued_by = issuer.certificate.subject if issuer else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signer = issuer.key if issuer else key
    return Identity(key, builder.sign(signer, _hash_of(signer)))


def timestamping() -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True


def revocation_list(
    issuer: Identity,
    revoked: Identity | None,
    moment: dt.datetime,
    signer: Identity | None = None,
) -> bytes:
    """The issuer's list, in DER; signed by `signer` where somebody forges it."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment)
        .next_update(END)
    )
    if revoked is not None:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(revoked.certificate.serial_number)
            .revocation_date(moment)
            .build()
        )
    key = (signer or issuer).key
    return builder.sign(key, _hash_of(key)).public_bytes(Encoding.DER)


def openssl(*arguments: str | Path, content: bytes | None = None) -> bytes:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=content, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Sm2Authority:
    """An SM2 root, a signer under it, and their signatures, all made by openssl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = self._make("root", "CA:TRUE", None)
        self.signer = self._make("signer", "CA:FALSE", "root")

    def _make(self, name: str, constraints: str, issuer: str | None) -> bytes:
        key, request, out = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        openssl("ecparam", "-genkey", "-name", "SM2", "-noout", "-out", key)
        openssl("req", "-new", "-key", key, "-sm3", "-sigopt", "distid:1234567812345678",
                "-subj", f"/CN=SM2 {name}", "-out", request)  # fmt: skip
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=critical,{constraints}\n")
        signing: list[str | Path] = (
            ["-signkey", key]
            if issuer is None
            else ["-CA", self._folder / f"{issuer}.pem", "-CAkey", self._folder / f"{issuer}.key",
                  "-CAcreateserial"]
        )  # fmt: skip
        openssl("x509", "-req", "-in", request, "-days", "3650", "-sm3", "-extfile", extensions,
                "-vfyopt", "distid:1234567812345678", "-sigopt", "distid:1234567812345678",
                *signing, "-out", out)  # fmt: skip
        return openssl("x509", "-in", out, "-outform", "DER")

    def sign(self, content: bytes) -> bytes:
        message = self._folder / "message"
        message.write_bytes(content)
        return openssl("dgst", "-sm3", "-sign", self._folder / "signer.key",
                       "-sigopt", "distid:1234567812345678", message)  # fmt: skip


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _hash_of(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
