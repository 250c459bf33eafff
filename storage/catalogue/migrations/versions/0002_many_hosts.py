"""Many hosts: who belongs to the archive, what moves between nodes, what was told to them.

What the tables mean stands in storage/catalogue/schema.py.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
