"""Accounts know how fast they change, and the planner writes down how it spread the budget."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE tracked_account
            ADD COLUMN planned_cadence INTERVAL,
            ADD COLUMN change_rate REAL,
            ADD COLUMN change_rate_shape REAL,
            ADD COLUMN change_rate_samples INTEGER DEFAULT 0 NOT NULL,
            ADD COLUMN stars BIGINT,
            ADD COLUMN repositories INTEGER""")
    for column, comment in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN tracked_account.{column} IS '{comment}'")
    op.execute("""
        CREATE TABLE refresh_plan (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            planned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            accounts INTEGER NOT NULL,
            pinned INTEGER NOT NULL,
            unknown INTEGER NOT NULL,
            every INTERVAL NOT NULL,
            unit TEXT NOT NULL,
            budget_per_hour REAL NOT NULL,
            usable_per_hour REAL NOT NULL,
            default_cadence_per_hour REAL NOT NULL,
            planned_per_hour REAL NOT NULL,
            price DOUBLE PRECISION NOT NULL,
            floor INTERVAL NOT NULL,
            ceiling INTERVAL NOT NULL,
            stretch REAL NOT NULL,
            median_cadence INTERVAL,
            told TEXT NOT NULL,
            CONSTRAINT refresh_plan_pkey PRIMARY KEY (id),
            CONSTRAINT refresh_plan_unit_check CHECK (unit IN ('points', 'requests'))
        )""")
    op.execute("CREATE INDEX refresh_plan_planned_at_idx ON refresh_plan (planned_at DESC)")
    op.execute(
        "COMMENT ON TABLE refresh_plan IS 'How the budget was spread over what is tracked: the newest row holds."
        " price: what a look is worth; stretch: how many times longer than REFRESH_EVERY all would wait"
        " because the budget is short'"
    )


def downgrade() -> None:
    op.execute("DROP TABLE refresh_plan")
    op.execute(
        "ALTER TABLE tracked_account DROP COLUMN planned_cadence, DROP COLUMN change_rate, DROP COLUMN change_rate_shape,"
        " DROP COLUMN change_rate_samples, DROP COLUMN stars, DROP COLUMN repositories"
    )


COMMENTS = {
    "every": "pinned by an admin; null: the planned cadence",
    "planned_cadence": "as the planner chose it at the last look; null: the default cadence",
    "change_rate": "changes a day to be expected, learned from look to look",
    "change_rate_shape": "how sure that is: the shape of its Gamma distribution",
    "change_rate_samples": "how many looks it was learned from",
    "stars": "at the last look",
    "repositories": "at the last look",
}
