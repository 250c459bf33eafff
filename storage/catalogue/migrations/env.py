"""Alembic's entry: runs the revisions on the connection that migration.py hands over.

Opens no database itself and reads no ini file.
"""

from alembic import context

from storage.catalogue.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most things in place; Alembic copies the table instead.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
