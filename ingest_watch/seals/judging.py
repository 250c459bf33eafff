"""Judge one seal: does it hold, over what, made by whom, and may that one be trusted?

DA/T 70-2018 item 1-1; docs/formats/seals.md. A seal that does not hold is an error, one that holds
and cannot be trusted is told apart. The time of judgement plays no part, so that equal packages
have equal reports: certificates are judged at the time of signing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest_watch.algorithms import KNOWN, WEAK
from ingest_watch.findings import Finding, Rule
from ingest_watch.seals import seal_rules as rules
from ingest_watch.seals.certificates import TIMESTAMPING, Certificate, CertificateUnreadable
from ingest_watch.seals.cms import CmsMessage, CmsSigner, CmsUnreadable, is_cms, read_cms
from ingest_watch.seals.public_keys import KeyUnusable, Verified, verified
from ingest_watch.seals.seal import Seal, SignedBytes, signed_bytes
from ingest_watch.seals.signature_algorithms import stated_algorithm
from ingest_watch.seals.trust import Trust, chain_of, revocation_of

CERTIFICATES_MAX = 16
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]+")
# A digest of so many bytes is one of these.
_DIGESTS_BY_SIZE = {16: ("md5",), 20: ("sha1",), 32: ("sha256", "sm3"), 64: ("sha512",)}


@dataclass(frozen=True, slots=True)
class _Made:
    """A seal that holds: how, over what, by whom."""

    verified: Verified
    candidate: SignedBytes
    signer: Certificate


# A rule, and the facts of its text.
_Said = Iterator[tuple[Rule, dict[str, Any]]]


def judge_seal(seal: Seal, trust: Trust) -> Iterator[Finding]:
    """Yield everything there is to say about one seal."""
    for rule, facts in _judged(seal, trust):
        severity = trust.untrusted if rule is rules.NOT_TRUSTED else rule.severity
        if severity is not None:
            yield rule.found(seal.path, severity=severity, place=seal.place, **facts)


def _judged(seal: Seal, trust: Trust) -> _Said:
    if not seal.value:
        yield rules.EMPTY, {}
    elif (digest := _bare_digest(seal)) is not None:
        yield from _digest_only(seal, *digest)
    elif is_cms(seal.value):
        yield from _cms(seal, trust)
    else:
        yield from _plain(seal, trust)


def _bare_digest(seal: Seal) -> tuple[str, bytes] | None:
    """The digest that stands in place of a signature: said to be one, or without certificate."""
    value = bytes.fromhex(seal.value.decode()) if _is_hexadecimal(seal.value) else seal.value
    fitting = [each for each in _DIGESTS_BY_SIZE.get(len(value), ()) if each in KNOWN]
    stated = stated_algorithm(seal.algorithm)
    if stated.key is None and stated.digest in fitting:
        return stated.digest, value
    unsaid = stated.key is None and not seal.certificates and len(value) < 64
    if fitting and (unsaid or _is_hexadecimal(seal.value)):
        return fitting[0], value
    return None


def _is_hexadecimal(value: bytes) -> bool:
    return len(value) % 2 == 0 and _HEXADECIMAL.fullmatch(value) is not None


def _digest_only(seal: Seal, algorithm: str, value: bytes) -> _Said:
    match = "it matches none of what it could have been made of (与任何可能的原文均不符)"
    for candidate in seal.candidates:
        if candidate.digest(algorithm) == value:
            match = f"it is that of {candidate.name}"
            break
    yield rules.DIGEST_ONLY, {"algorithm": algorithm.upper(), "match": match}


def _plain(seal: Seal, trust: Trust) -> _Said:
    """A signature value with the certificates beside it."""
    if not seal.certificates:
        yield rules.CERTIFICATE_MISSING, {}
        return
    try:
        certificates = _certificates(seal)
        made = _made_by(seal, certificates)
    except CertificateUnreadable as error:
        yield rules.CERTIFICATE_UNREADABLE, {"detail": str(error)}
    except KeyUnusable as error:
        yield rules.ALGORITHM_UNKNOWN, {"detail": f"{seal.algorithm} {error}".strip()}
    else:
        if made is None:
            yield rules.INVALID, {"candidates": _names(seal)}
            return
        yield from _holds(made)
        yield from _against_stated(seal, made.verified)
        yield from _trusted(made.signer, certificates, trust, seal.signed_at)


def _certificates(seal: Seal) -> tuple[Certificate, ...]:
    return tuple(Certificate.read(each) for each in seal.certificates[:CERTIFICATES_MAX])


def _made_by(seal: Seal, certificates: tuple[Certificate, ...]) -> _Made | None:
    """The first reading of the signed bytes over which some certificate's key verifies."""
    stated = stated_algorithm(seal.algorithm)
    for candidate in seal.candidates:
        for certificate in certificates:
            how = verified(certificate.key(), seal.value, candidate, stated)
            if how is not None:
                return _Made(how, candidate, certificate)
    return None


def _cms(seal: Seal, trust: Trust) -> _Said:
    try:
        message = read_cms(seal.value)
        beside = _certificates(seal)
    except CmsUnreadable as error:
        yield rules.UNREADABLE, {"detail": str(error)}
        return
    except CertificateUnreadable as error:
        yield rules.CERTIFICATE_UNREADABLE, {"detail": str(error)}
        return
    for signer in message.signers:
        if signer.certificate is None:
            yield rules.CERTIFICATE_MISSING, {}
        elif message.timestamp is not None:
            yield from _timestamp(seal, message, signer, trust)
        else:
            yield from _cms_signer(seal, signer, (*message.certificates, *beside), trust)


def _cms_signer(
    seal: Seal, signer: CmsSigner, certificates: tuple[Certificate, ...], trust: Trust
) -> _Said:
    assert signer.certificate is not None
    try:
        for candidate in seal.candidates:
            how = signer.verified(candidate)
            if how is not None:
                break
        else:
            yield rules.INVALID, {"candidates": _names(seal)}
            return
    except KeyUnusable as error:
        yield rules.ALGORITHM_UNKNOWN, {"detail": str(error)}
        return
    yield from _holds(_Made(how, candidate, signer.certificate))
    moment = signer.signed_at or seal.signed_at
    yield from _trusted(signer.certificate, certificates, trust, moment)


def _timestamp(seal: Seal, message: CmsMessage, signer: CmsSigner, trust: Trust) -> _Said:
    """RFC 3161: the token is signed, and its imprint is that of a candidate."""
    stamp, certificate = message.timestamp, signer.certificate
    assert stamp is not None
    assert certificate is not None
    try:
        if signer.verified(signed_bytes("", stamp.encoded)) is None:
            yield rules.TIMESTAMP_INVALID, {"detail": "its signature does not hold (签名无效)"}
            return
    except KeyUnusable as error:
        yield rules.ALGORITHM_UNKNOWN, {"detail": str(error)}
        return
    matching = (
        each
        for each in seal.candidates
        if stamp.digest and each.digest(stamp.digest) == stamp.imprint
    )
    candidate = next(matching, None)
    if candidate is None:
        yield rules.TIMESTAMP_INVALID, {"detail": f"it is of none of (均不匹配): {_names(seal)}"}
        return
    facts = {"candidate": candidate.name, "moment": stamp.moment.isoformat()}
    yield rules.TIMESTAMP_VALID, {**facts, "signer": certificate.subject}
    if certificate.purposes is None or TIMESTAMPING not in certificate.purposes:
        yield rules.CERTIFICATE_PURPOSE, {"purpose": "timestamps (时间戳)"}
    yield from _trusted(certificate, message.certificates, trust, stamp.moment)


def _holds(made: _Made) -> _Said:
    facts = {"candidate": made.candidate.name, "algorithm": made.verified.algorithm}
    yield rules.VALID, {**facts, "signer": made.signer.subject}
    if not made.candidate.has_boundaries:
        yield rules.BOUNDARIES_OPEN, {}
    if made.verified.digest in WEAK:
        yield rules.DIGEST_WEAK, {"digest": str(made.verified.digest).upper()}
    if not made.signer.may("sign"):
        yield rules.CERTIFICATE_PURPOSE, {"purpose": "signatures (数字签名)"}


def _against_stated(seal: Seal, how: Verified) -> _Said:
    stated = stated_algorithm(seal.algorithm)
    facts = {"stated": seal.algorithm or "-", "algorithm": how.algorithm}
    key = how.key.lower().partition("-")[0]
    if stated.key not in (None, key) or stated.digest not in (None, how.digest):
        yield rules.ALGORITHM_DIFFERS, facts
    elif stated.key is None or (stated.digest is None and how.digest is not None):
        yield rules.ALGORITHM_LOOSE, facts


def _trusted(
    signer: Certificate,
    others: tuple[Certificate, ...],
    trust: Trust,
    moment: datetime | None,
) -> _Said:
    if moment is None:
        yield rules.TIME_NONE, {}
    elif not signer.is_valid_at(moment):
        yield (
            rules.CERTIFICATE_NOT_VALID,
            {
                "start": signer.valid_from.isoformat(),
                "end": signer.valid_until.isoformat(),
                "moment": moment.isoformat(),
            },
        )
    chain = chain_of(signer, others, trust, moment)
    if chain.broken is not None:
        yield rules.NOT_TRUSTED, {"detail": chain.broken}
        return
    for certificate, issuer in zip(chain.certificates, chain.certificates[1:], strict=False):
        found = revocation_of(certificate, issuer, trust)
        if found.revoked_at is not None and (moment is None or found.revoked_at <= moment):
            facts = {"subject": certificate.subject, "moment": found.revoked_at.isoformat()}
            yield rules.CERTIFICATE_REVOKED, facts
        elif not found.is_known:
            yield rules.REVOCATION_UNKNOWN, {"issuer": issuer.subject}


def _names(seal: Seal) -> str:
    return ", ".join(candidate.name for candidate in seal.candidates)
