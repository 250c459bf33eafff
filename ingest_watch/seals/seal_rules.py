"""The rules that signatures and timestamps are judged by, each with its text.

DA/T 70-2018 item 1-1; RFC 5280 (certificates), RFC 5652 (CMS), RFC 3161 (timestamps), GB/T 32918
and GB/T 32905 (SM2, SM3). Texts only; docs/formats/seals.md is the table.
"""

from ingest_watch.findings import Rule, Severity

_CHECK = "DA/T 70 1-1"


def _error(code: str, english: str, chinese: str, source: str = _CHECK) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, source)


def _warning(code: str, english: str, chinese: str, source: str = _CHECK) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, source)


VALID = Rule(
    "seal-valid", Severity.NOTE,
    "{place}: the signature holds over {candidate} ({algorithm}, signed by {signer})",
    "{place}：签名有效，签名对象为“{candidate}”（{algorithm}，签名证书：{signer}）", _CHECK,
)  # fmt: skip
INVALID = _error(
    "seal-invalid", "{place}: the signature does not hold over any of: {candidates}",
    "{place}：签名无效，以下各种签名对象均不匹配：{candidates}",
)  # fmt: skip
EMPTY = _error(
    "seal-empty", "{place}: there is no signature value, or it is not Base64",
    "{place}：签名值为空或不是 Base64",
)  # fmt: skip
DIGEST_ONLY = _warning(
    "seal-digest-only",
    "{place}: what stands here as a signature is a bare {algorithm} digest, which anybody can "
    "make: it has no value as proof of origin ({match})",
    "{place}：此处“签名”仅为 {algorithm} 摘要，任何人均可生成，不具真实性证明效力（{match}）",
)  # fmt: skip
UNREADABLE = _error(
    "seal-unreadable", "{place}: the signature message cannot be read: {detail}",
    "{place}：无法解析签名数据：{detail}", "RFC 5652",
)  # fmt: skip
CERTIFICATE_MISSING = _error(
    "seal-certificate-missing", "{place}: no certificate came with the signature, so nobody can "
    "verify it", "{place}：签名未附证书，无法验证",
)  # fmt: skip
CERTIFICATE_UNREADABLE = _error(
    "seal-certificate-unreadable", "{place}: a certificate cannot be read: {detail}",
    "{place}：无法解析证书：{detail}", "RFC 5280",
)  # fmt: skip
ALGORITHM_UNKNOWN = _error(
    "seal-algorithm-unknown", "{place}: nothing here can verify this kind of signature: {detail}",
    "{place}：本系统无法验证此类签名：{detail}",
)  # fmt: skip
ALGORITHM_DIFFERS = _warning(
    "seal-algorithm-differs", "{place}: {stated} is stated, but the signature is {algorithm}",
    "{place}：声明的签名算法为 {stated}，实际为 {algorithm}",
)  # fmt: skip
ALGORITHM_LOOSE = Rule(
    "seal-algorithm-loose", Severity.NOTE,
    "{place}: only {stated} is stated; the signature itself says {algorithm}",
    "{place}：仅声明 {stated}，签名实际为 {algorithm}", _CHECK,
)  # fmt: skip
DIGEST_WEAK = _warning(
    "seal-digest-weak", "{place}: the signature rests on {digest}, which can be forged",
    "{place}：签名使用 {digest}，已不能防伪造",
)  # fmt: skip
BOUNDARIES_OPEN = _warning(
    "seal-boundaries-open",
    "{place}: the signature covers the texts and not where one ends and the next begins: text "
    "could be moved between elements unnoticed",
    "{place}：签名仅覆盖文本内容，不含元素边界，文本在元素之间的移动无法察觉",
)  # fmt: skip
TIME_NONE = _warning(
    "seal-time-none", "{place}: it is not stated when it was signed, so nobody can say whether the "
    "certificate was valid then",
    "{place}：未给出签名时间，无法判断签名时证书是否有效",
)  # fmt: skip
CERTIFICATE_NOT_VALID = _error(
    "seal-certificate-not-valid",
    "{place}: the certificate was valid from {start} to {end}, and it was signed at {moment}",
    "{place}：证书有效期为 {start} 至 {end}，签名时间为 {moment}", "RFC 5280 §4.1.2.5",
)  # fmt: skip
CERTIFICATE_REVOKED = _error(
    "seal-certificate-revoked", "{place}: the certificate of {subject} was revoked at {moment}",
    "{place}：{subject} 的证书已于 {moment} 吊销", "RFC 5280 §5",
)  # fmt: skip
CERTIFICATE_PURPOSE = _warning(
    "seal-certificate-purpose", "{place}: the certificate was not issued for {purpose}",
    "{place}：该证书的用途不含“{purpose}”", "RFC 5280 §4.2.1.3",
)  # fmt: skip
NOT_TRUSTED = _warning(
    "seal-not-trusted",
    "{place}: the signature holds, but nothing says that the certificate may be trusted: {detail}",
    "{place}：签名在数学上有效，但证书不受信任：{detail}", "RFC 5280 §6",
)  # fmt: skip
REVOCATION_UNKNOWN = Rule(
    "seal-revocation-unknown", Severity.NOTE,
    "{place}: there is no revocation list of {issuer} at hand",
    "{place}：没有 {issuer} 的证书吊销列表", "RFC 5280 §5",
)  # fmt: skip
TIMESTAMP_VALID = Rule(
    "timestamp-valid", Severity.NOTE,
    "{place}: {candidate} existed at {moment}, says {signer}",
    "{place}：{signer} 证明“{candidate}”在 {moment} 已存在", "RFC 3161",
)  # fmt: skip
TIMESTAMP_INVALID = _error(
    "timestamp-invalid", "{place}: the timestamp does not hold: {detail}",
    "{place}：时间戳无效：{detail}", "RFC 3161",
)  # fmt: skip
