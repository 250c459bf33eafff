"""Certificates as they come in packages and trust folders: read, and verified by one another.

RFC 5280; GM/T 0015 (SM2 certificates have the same shape). Reading is `cryptography`'s, which knows
no SM2 keys; those are read from the bytes. Finds no chain: that is trust.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ingest_watch.seals.public_keys import (
    PARSING_ERRORS,
    KeyUnusable,
    PublicKey,
    public_key,
    verified,
)
from ingest_watch.seals.seal import signed_bytes
from ingest_watch.seals.signature_algorithms import stated_algorithm

# Extensions that path building honours; any other that is critical makes a certificate unusable.
_HONOURED = frozenset(
    {"2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32", "2.5.29.35", "2.5.29.37"}
)
TIMESTAMPING = "1.3.6.1.5.5.7.3.8"
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
_ERRORS = (
    *PARSING_ERRORS,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class CertificateUnreadable(Exception):
    """These bytes are no certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, read whole; equal when the bytes are."""

    der: bytes
    subject: str
    issuer: str
    subject_der: bytes
    issuer_der: bytes
    serial: int
    valid_from: datetime
    valid_until: datetime
    is_authority: bool
    path_length_max: int | None
    usages: frozenset[str] | None  # None: not restricted
    purposes: frozenset[str] | None  # extended key usages, dotted
    has_unknown_critical: bool

    @classmethod
    def read(cls, encoded: bytes) -> Self:
        """Read PEM or DER; raises CertificateUnreadable."""
        try:
            return cls._of(_load(encoded))
        except _ERRORS as error:
            raise CertificateUnreadable(str(error)) from None

    @classmethod
    def _of(cls, found: x509.Certificate) -> Self:
        constraints = _extension(found, x509.BasicConstraints)
        usages = _extension(found, x509.KeyUsage)
        purposes = _extension(found, x509.ExtendedKeyUsage)
        return cls(
            der=found.public_bytes(Encoding.DER),
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            subject_der=found.subject.public_bytes(),
            issuer_der=found.issuer.public_bytes(),
            serial=found.serial_number,
            valid_from=found.not_valid_before_utc,
            valid_until=found.not_valid_after_utc,
            is_authority=constraints is not None and constraints.ca,
            path_length_max=None if constraints is None else constraints.path_length,
            usages=None if usages is None else _usages(usages),
            purposes=None
            if purposes is None
            else frozenset(each.dotted_string for each in purposes),
            has_unknown_critical=any(
                each.critical and each.oid.dotted_string not in _HONOURED
                for each in found.extensions
            ),
        )

    def key(self) -> PublicKey:
        """Return the public key; raises KeyUnusable."""
        try:
            found = asn1_x509.Certificate.load(self.der, strict=True)
            information = found["tbs_certificate"]["subject_public_key_info"].dump()
        except PARSING_ERRORS as error:
            raise KeyUnusable(f"{type(error).__name__}: {error}") from None
        return public_key(information)

    def is_valid_at(self, moment: datetime) -> bool:
        """Tell whether `moment` is within the certificate's time."""
        return self.valid_from <= moment <= self.valid_until

    def may(self, usage: str) -> bool:
        """Tell whether the key usage allows it: `sign`, `certificates` or `lists`."""
        return self.usages is None or usage in self.usages

    def was_signed_by(self, issuer: "Certificate") -> bool:
        """Tell whether the issuer's key made the signature on this certificate."""
        if not self._names_one_algorithm():
            return False
        found = x509.load_der_x509_certificate(self.der)
        stated = stated_algorithm(found.signature_algorithm_oid.dotted_string)
        body = signed_bytes("", found.tbs_certificate_bytes)
        try:
            return verified(issuer.key(), found.signature, body, stated) is not None
        except KeyUnusable:
            return False

    def _names_one_algorithm(self) -> bool:
        """RFC 5280 section 4.1.1.2: outside of what is signed stands the same as within."""
        found = asn1_x509.Certificate.load(self.der)
        outside, inside = found["signature_algorithm"], found["tbs_certificate"]["signature"]
        return bool(outside.dump() == inside.dump())


def _load(encoded: bytes) -> x509.Certificate:
    if b"-----BEGIN" in encoded[:256]:
        return x509.load_pem_x509_certificate(encoded)
    return x509.load_der_x509_certificate(encoded)


def _extension(found: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _usages(usage: x509.KeyUsage) -> frozenset[str]:
    allowed = set()
    if usage.digital_signature or usage.content_commitment:
        allowed.add("sign")
    if usage.key_cert_sign:
        allowed.add("certificates")
    if usage.crl_sign:
        allowed.add("lists")
    return frozenset(allowed)
