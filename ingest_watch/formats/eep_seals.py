"""The electronic signatures of an EEP, put as seals to be judged.

DA/T 48-2009 电子签名块 (over 被签名对象 of the same layer) and 锁定签名 (over one 电子签名). What a
signature is worth is judged in ingest_watch/seals/.
"""

import binascii
import re
from collections.abc import Iterator

from ingest_watch.formats.eep_document import Document, Layer, Signature, Span
from ingest_watch.formats.eep_keywords import moment
from ingest_watch.formats.eep_signed_bytes import Source, readings
from ingest_watch.seals.seal import Seal, SignedBytes, signed_bytes

# MD5, SHA-1, SHA-256 or SM3, SHA-512, as senders write them in place of a signature.
_HEXADECIMAL_DIGEST = re.compile(r"(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|"
                                 r"[0-9A-Fa-f]{128})")  # fmt: skip


def seals_of(document: Document, source: Source) -> Iterator[Seal]:
    """Yield every signature of every layer, the newest layer's first."""
    for depth, layer in enumerate(document.layers):
        object_readings: tuple[SignedBytes, ...] = ()
        if layer.span is not None and layer.signatures:
            object_readings = readings(source, document.path, layer.span)
        for signature in layer.signatures:
            candidates = (
                object_readings
                if signature.locks is None
                else _lock_readings(document, layer, signature, source)
            )
            if not candidates:
                continue  # a lock on nothing, which is said of the structure
            yield Seal(
                place=_place(signature, depth),
                path=document.path,
                value=_value(signature.value),
                certificates=tuple(_certificate(each) for each in signature.certificates),
                algorithm=signature.algorithm[:200],
                signed_at=moment(signature.time or layer.created).at,
                candidates=candidates,
            )


def _place(signature: Signature, depth: int) -> str:
    name = signature.identifier or signature.place
    return name if depth == 0 else f"{name} (原封装包 {depth})"


def _lock_readings(
    document: Document, layer: Layer, lock: Signature, source: Source
) -> tuple[SignedBytes, ...]:
    """A signature over a signature: over its element, or over its value alone."""
    for signature in layer.signatures:
        if signature.identifier and signature.identifier == lock.locks:
            value = _value(signature.value)
            return (
                *readings(source, document.path, signature.span or Span(0, 0)),
                signed_bytes("签名结果 as text (文本)", signature.value.encode()),
                signed_bytes("签名结果 as bytes (字节)", value),
            )
    return ()


def _value(text: str) -> bytes:
    """The bytes of 签名结果; nothing if it is neither Base64 nor a digest in hexadecimal."""
    plain = "".join(text.split())
    if _HEXADECIMAL_DIGEST.fullmatch(plain):
        return plain.encode()
    try:
        return binascii.a2b_base64(plain.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


def _certificate(text: str) -> bytes:
    if "-----BEGIN" in text:
        return text.encode()
    try:
        return binascii.a2b_base64("".join(text.split()).encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return text.encode()
