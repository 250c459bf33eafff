"""The one error hierarchy of the product.

    LantaiError                 root; every subclass has a stable `code`
      Refusal                   we will not do what was asked, and say why
        PackageRejected         … because of what is in a package (ingest_watch)
        VolumeRefusal           … because of the state of a node's disk (storage.volume)
        WireRefusal             … because of what a peer said (replication)
        ConfigurationError      … because of what an operator wrote (daemon)
      VerificationFailed        bytes do not have the digest that was signed

Damage that a sweep finds is not an error but a verdict, and is returned. Exit codes and HTTP
statuses belong to `daemon` alone.
"""

from typing import ClassVar


class LantaiError(Exception):
    """Root of all errors this product raises on purpose.

    `code` is public: it appears in answers, logs and `--json` output, and is never reused.
    """

    code: ClassVar[str] = "error"


class Refusal(LantaiError):
    """What was asked will not be done; the message says why and what to do."""

    code: ClassVar[str] = "refused"


class VerificationFailed(LantaiError):
    """Bytes were read that do not have the digest signed at ingest. They are never passed on."""

    code: ClassVar[str] = "verification-failed"
