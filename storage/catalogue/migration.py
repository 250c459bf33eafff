"""Bringing the tables of a catalogue up to this program (Alembic, `migrations/`).

Apart from engine.py because importing Alembic takes a second, which only this verb should pay.
There is no way down: a catalogue is an index, and an older program rebuilds or restores its own.
"""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config

from storage.catalogue.engine import Catalogue


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
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    finally:
        catalogue.close()
