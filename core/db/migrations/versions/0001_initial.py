"""Create the whole schema: one SQL file per subject beside this module, then the job queue's own schema."""

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL_DIR = Path(__file__).with_suffix("")
# A subject comes after those its foreign keys and views refer to.
SUBJECTS = ("languages", "people", "accounts", "repositories", "captures", "enrichment", "tracking", "runs", "alerts")


def upgrade() -> None:
    for subject in SUBJECTS:
        run_script((SQL_DIR / f"{subject}.sql").read_text("utf-8"))
    # As procrastinate ships it; schema changes of its later versions become revisions here.
    run_script(SchemaManager.get_schema())


def run_script(script: str) -> None:
    """Execute *script*, many statements at once, without interpreting `:` or `%` in it."""
    op.get_bind().connection.driver_connection.execute(script.encode(), prepare=False)


def downgrade() -> None:
    raise NotImplementedError("Almanac only migrates forward; restore a backup to go back")
