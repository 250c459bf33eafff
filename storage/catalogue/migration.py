"""Bringing the tables of a catalogue up to this program (Alembic, `migrations/`).

Apart from engine.py because importing Alembic takes a second, which only this verb should pay.
There is no way down: a catalogue is an index, and an older program rebuilds or restores its own.
"""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select

from storage.catalogue.engine import Catalogue

# One number for all programs that change a catalogue's tables: "lantai", as six bytes.
_TURN = int.from_bytes(b"lantai")


def upgrade(url: str) -> None:
    """Create or upgrade the tables at `url`, in one transaction. Does nothing when up to date.

    Several processes may call this at once; one works and the others find it done. Raises
    CatalogueUnavailable if the database cannot be reached.
    """
    catalogue = Catalogue.open(url)
    try:
        with as_file(files("storage.catalogue") / "migrations") as scripts:
            config = Config()
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            with catalogue.writing() as connection:
                _wait_for_turn(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    finally:
        catalogue.close()


def _wait_for_turn(connection: Connection) -> None:
    """On SQLite whoever may write is alone already; PostgreSQL lets go of it at the end."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
