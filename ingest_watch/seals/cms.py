"""Read CMS signatures (PKCS #7) and verify each signer of them.

RFC 5652 section 5 (SignedData), RFC 3161 section 2.4.2 (a timestamp token is one). Parsed by
asn1crypto, verified by public_keys.py. Reads no GM/T 0010 messages, which are the same with other
object identifiers: no sender of ours makes them yet, and openssl cannot.
"""

from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms, tsp

from ingest_watch.algorithms import KNOWN
from ingest_watch.seals.certificates import Certificate, CertificateUnreadable
from ingest_watch.seals.public_keys import PARSING_ERRORS, KeyUnusable, Verified, verified
from ingest_watch.seals.seal import SignedBytes, signed_bytes
from ingest_watch.seals.signature_algorithms import StatedAlgorithm, stated_algorithm

# DER of id-signedData and of id-ct-TSTInfo.
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_TIMESTAMP_CONTENT = bytes.fromhex("060b2a864886f70d0109100104")
SIGNERS_MAX = 16


class CmsUnreadable(Exception):
    """This is no CMS signature; the text says why."""


@dataclass(frozen=True, slots=True)
class CmsSigner:
    """One signer of a message, with what it signed."""

    certificate: Certificate | None  # None: it did not come along
    signature: bytes
    stated: StatedAlgorithm
    digest: str  # of the content, normalised
    attributes: bytes | None  # signed in place of the content, DER of a SET
    message_digest: bytes | None  # among the attributes
    signed_at: datetime | None  # among the attributes, so it is signed too

    def verified(self, message: SignedBytes) -> Verified | None:
        """Return how the signature holds over the message; raises KeyUnusable."""
        assert self.certificate is not None, "a signer without a certificate is told apart first"
        if self.attributes is None:
            return verified(self.certificate.key(), self.signature, message, self.stated)
        if self.digest not in KNOWN:
            raise KeyUnusable(self.digest)
        if self.message_digest != message.digest(self.digest):
            return None
        attributes = signed_bytes("", self.attributes)
        return verified(self.certificate.key(), self.signature, attributes, self.stated)


@dataclass(frozen=True, slots=True)
class TimestampContent:
    """What a timestamp token says."""

    moment: datetime
    digest: str  # normalised, "" if it is none we know
    imprint: bytes
    encoded: bytes  # what its signer signed


@dataclass(frozen=True, slots=True)
class CmsMessage:
    """One SignedData."""

    signers: tuple[CmsSigner, ...]
    certificates: tuple[Certificate, ...]
    timestamp: TimestampContent | None


def is_cms(value: bytes) -> bool:
    """Tell whether a signature value is a CMS message, or a timestamp response with one."""
    return value[:1] == b"\x30" and _SIGNED_DATA in value[:64]


def read_cms(value: bytes) -> CmsMessage:
    """Read a CMS message, a timestamp token or a timestamp response; raises CmsUnreadable."""
    try:
        return _read(value)
    except (*PARSING_ERRORS, CertificateUnreadable) as error:
        raise CmsUnreadable(f"{type(error).__name__}: {error}".splitlines()[0]) from None


def _read(value: bytes) -> CmsMessage:
    if value.index(_SIGNED_DATA) > 8:
        token = tsp.TimeStampResp.load(value, strict=True)["time_stamp_token"]
    else:
        token = cms.ContentInfo.load(value, strict=True)
    signed = token["content"]
    certificates = tuple(
        Certificate.read(choice.chosen.dump())
        for choice in signed["certificates"] or ()
        if choice.name == "certificate"
    )
    infos = list(signed["signer_infos"])
    if not 0 < len(infos) <= SIGNERS_MAX:
        raise ValueError(f"{len(infos)} signers")
    signers = tuple(_signer(info, certificates) for info in infos)
    content = signed["encap_content_info"]
    timestamp = None
    if _TIMESTAMP_CONTENT in value:
        if content["content_type"].native != "tst_info":
            raise ValueError("not a timestamp")
        timestamp = _timestamp(content["content"])
    return CmsMessage(signers, certificates, timestamp)


def _signer(info: cms.SignerInfo, certificates: tuple[Certificate, ...]) -> CmsSigner:
    digest = stated_algorithm(info["digest_algorithm"]["algorithm"].dotted).digest or ""
    stated = stated_algorithm(info["signature_algorithm"]["algorithm"].dotted)
    attributes = message_digest = signed_at = None
    if info["signed_attrs"]:
        attributes = info["signed_attrs"].untag().dump(force=True)
        values = {each["type"].native: each["values"] for each in info["signed_attrs"]}
        message_digest = values["message_digest"][0].native
        if "signing_time" in values:
            signed_at = values["signing_time"][0].native
    return CmsSigner(
        certificate=_certificate_of(info["sid"], certificates),
        signature=info["signature"].native,
        stated=StatedAlgorithm(stated.key, stated.digest or digest or None, stated.is_pss),
        digest=digest,
        attributes=attributes,
        message_digest=message_digest,
        signed_at=signed_at,
    )


def _certificate_of(
    identifier: cms.SignerIdentifier, certificates: tuple[Certificate, ...]
) -> Certificate | None:
    if identifier.name != "issuer_and_serial_number":
        return certificates[0] if len(certificates) == 1 else None
    issuer = identifier.chosen["issuer"].dump()
    serial = identifier.chosen["serial_number"].native
    for certificate in certificates:
        if (certificate.issuer_der, certificate.serial) == (issuer, serial):
            return certificate
    return None


def _timestamp(content: cms.ParsableOctetString) -> TimestampContent:
    stated = content.parsed
    imprint = stated["message_imprint"]
    digest = stated_algorithm(imprint["hash_algorithm"]["algorithm"].dotted).digest or ""
    return TimestampContent(
        moment=stated["gen_time"].native,
        digest=digest if digest in KNOWN else "",
        imprint=imprint["hashed_message"].native,
        encoded=bytes(content),
    )
