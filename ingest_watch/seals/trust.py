"""Does a chain of certificates lead from a signer to an anchor that the archive trusts?

RFC 5280 section 6, as far as archives need it: names, signatures, validity at the time of signing,
the right to issue, path length, revocation by lists at hand (section 5). No policies, no name
constraints (a certificate that has them as critical is not trusted). Fetches nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ingest_watch.findings import Severity
from ingest_watch.seals.certificates import Certificate, CertificateUnreadable
from ingest_watch.seals.public_keys import KeyUnusable, verified
from ingest_watch.seals.seal import signed_bytes
from ingest_watch.seals.signature_algorithms import stated_algorithm

CHAIN_LENGTH_MAX = 8
# A hostile package can send many certificates of one name; each try costs a signature.
_TRIES_MAX = 64


@dataclass(frozen=True, slots=True)
class Trust:
    """What the archive trusts: anchors, and the revocation lists it has."""

    anchors: tuple[Certificate, ...] = ()
    revocation_lists: tuple[bytes, ...] = ()  # DER
    # What a seal means that holds and that no anchor vouches for; None: nothing is said.
    untrusted: Severity | None = Severity.WARNING


NO_TRUST = Trust()


def no_trust() -> Trust:
    """Trust nobody."""
    return NO_TRUST


@dataclass(frozen=True, slots=True)
class Chain:
    """From the signer to the anchor; `broken` says why there is none."""

    certificates: tuple[Certificate, ...]
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """What the lists at hand say of one certificate."""

    is_known: bool  # there is a list of its issuer
    revoked_at: datetime | None = None


def trust_from_folder(folder: Path) -> Trust:
    """Read anchors (.pem, .crt, .cer) and revocation lists (.crl), PEM or DER.

    Raises OSError, and ValueError for a file that is neither: an archive must not trust by mistake.
    """
    anchors: list[Certificate] = []
    lists: list[bytes] = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        try:
            if path.suffix.lower() == ".crl":
                lists.append(_list_der(content))
            elif path.suffix.lower() in {".pem", ".crt", ".cer"}:
                anchors.extend(Certificate.read(each) for each in _split_pem(content))
        except (ValueError, CertificateUnreadable) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
    return Trust(tuple(anchors), tuple(lists))


def chain_of(
    signer: Certificate, others: tuple[Certificate, ...], trust: Trust, moment: datetime | None
) -> Chain:
    """Find a chain to an anchor, every link of it valid at `moment` (None: at any)."""
    if not trust.anchors:
        return Chain((signer,), "no trust anchors are configured (未配置信任锚)")
    if signer.has_unknown_critical:
        return Chain((signer,), "it has a critical extension not known here (含未知关键扩展)")
    search = _Search(others, trust.anchors, moment)
    found = search.from_(signer, (signer,))
    if found is not None:
        return Chain(found)
    return Chain((signer,), search.reason)


def revocation_of(certificate: Certificate, issuer: Certificate, trust: Trust) -> Revocation:
    """Look the certificate up in the lists that its issuer has signed."""
    known = False
    for encoded in trust.revocation_lists:
        found = x509.load_der_x509_crl(encoded)
        if found.issuer.public_bytes() != issuer.subject_der or not _is_list_of(found, issuer):
            continue
        known = True
        entry = found.get_revoked_certificate_by_serial_number(certificate.serial)
        if entry is not None:
            return Revocation(is_known=True, revoked_at=entry.revocation_date_utc)
    return Revocation(known)


class _Search:
    """Depth first, over certificates that came along and anchors."""

    def __init__(
        self,
        others: tuple[Certificate, ...],
        anchors: tuple[Certificate, ...],
        moment: datetime | None,
    ) -> None:
        self._others = others
        self._anchors = anchors
        self._moment = moment
        self._tries = 0
        self.reason = "no chain leads to a trust anchor (无法追溯至信任锚)"

    def from_(
        self, certificate: Certificate, path: tuple[Certificate, ...]
    ) -> tuple[Certificate, ...] | None:
        if certificate in self._anchors:
            return path
        if len(path) >= CHAIN_LENGTH_MAX:
            return None
        for issuer in self._issuers(certificate, len(path) - 1):
            if issuer in self._anchors:
                return (*path, issuer)
            if issuer not in path:
                found = self.from_(issuer, (*path, issuer))
                if found is not None:
                    return found
        return None

    def _issuers(self, certificate: Certificate, authorities_below: int) -> Iterator[Certificate]:
        for issuer in (*self._anchors, *self._others):
            if issuer.subject_der != certificate.issuer_der or self._tries >= _TRIES_MAX:
                continue
            flaw = self._flaw(issuer, authorities_below)
            if flaw is not None:
                self.reason = f"{flaw}: {issuer.subject}"
                continue
            self._tries += 1
            if certificate.was_signed_by(issuer):
                yield issuer

    def _flaw(self, issuer: Certificate, authorities_below: int) -> str | None:
        """Why this certificate may not vouch for another one."""
        if not issuer.is_authority or not issuer.may("certificates"):
            return "it may not issue certificates (无权签发证书)"
        if issuer.path_length_max is not None and authorities_below > issuer.path_length_max:
            return "the chain is longer than it allows (证书链超出其允许长度)"
        if issuer.has_unknown_critical:
            return "it has a critical extension that is not known here (含未知关键扩展)"
        if self._moment is not None and not issuer.is_valid_at(self._moment):
            return "it was not valid at the time of signing (签名时已失效或未生效)"
        return None


def _is_list_of(found: x509.CertificateRevocationList, issuer: Certificate) -> bool:
    stated = stated_algorithm(found.signature_algorithm_oid.dotted_string)
    body = signed_bytes("", found.tbs_certlist_bytes)
    try:
        return issuer.may("lists") and (
            verified(issuer.key(), found.signature, body, stated) is not None
        )
    except KeyUnusable:
        return False


def _list_der(content: bytes) -> bytes:
    """Read a list to be sure that it is one; return it as DER."""
    is_pem = b"-----BEGIN" in content[:256]
    found = x509.load_pem_x509_crl(content) if is_pem else x509.load_der_x509_crl(content)
    return found.public_bytes(Encoding.DER)


def _split_pem(content: bytes) -> list[bytes]:
    end = b"-----END CERTIFICATE-----"
    if b"-----BEGIN" not in content:
        return [content]
    blocks = content.split(end)[:-1]
    if not blocks:
        raise ValueError("there is no certificate in it")
    return [block[block.index(b"-----BEGIN") :] + end + b"\n" for block in blocks]
