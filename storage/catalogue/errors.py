"""Why the catalogue refused, or could not be asked.

CatalogueUnavailable        the database did not answer; try again
  TransactionUndone         another process's transaction was in the way
CatalogueRefusal            what was asked contradicts what the catalogue knows
  SchemaOutdated            the tables are not those of this program
  CatalogueDamaged          the database's file is rotten or cut off
  NoSuchTransfer            unknown number
  IllegalTransition         the state machine has no such step
  ClaimLost                 another process took the transfer over (its epoch is higher)
  PackageExists             this object version is already there, under another transfer
  CopiesMissing             a stored receipt was asked for with fewer than N proven copies
  AnswerConflict            this transfer was already answered, in other words
"""

from typing import ClassVar

from storage.errors import LantaiError, Refusal


class CatalogueUnavailable(LantaiError):
    """The database could not be reached or written. The transaction left no trace.

    Unless the message says that the server went away: then it was done whole or not at all.
    """

    code: ClassVar[str] = "catalogue-unavailable"


class TransactionUndone(CatalogueUnavailable):
    """Another process's transaction was in the way (a deadlock): the same may be asked again."""

    code: ClassVar[str] = "transaction-undone"


class CatalogueRefusal(Refusal):
    """What was asked contradicts what the catalogue knows. Nothing was changed."""

    code: ClassVar[str] = "catalogue-refused"


class SchemaOutdated(CatalogueRefusal):
    """The tables in the database are not those this program was written for."""

    code: ClassVar[str] = "catalogue-schema"


class CatalogueDamaged(CatalogueRefusal):
    """The database's file is not what was written to it. The nodes give it back."""

    code: ClassVar[str] = "catalogue-damaged"


class NoSuchTransfer(CatalogueRefusal):
    """No transfer, package or order has this number."""

    code: ClassVar[str] = "no-such-transfer"


class IllegalTransition(CatalogueRefusal):
    """The life of a transfer has no such step (storage/catalogue/transitions.py)."""

    code: ClassVar[str] = "illegal-transition"


class ClaimLost(CatalogueRefusal):
    """Somebody took this transfer over while we worked. Stop; touch nothing more of it."""

    code: ClassVar[str] = "claim-lost"


class PackageExists(CatalogueRefusal):
    """This version of this object is already written, or being written, for another transfer."""

    code: ClassVar[str] = "package-exists"


class CopiesMissing(CatalogueRefusal):
    """Fewer proven copies, or fewer failure domains, than the package's target."""

    code: ClassVar[str] = "copies-missing"


class AnswerConflict(CatalogueRefusal):
    """This transfer has an answer of this kind with other bytes. Answers never change."""

    code: ClassVar[str] = "answer-conflict"
