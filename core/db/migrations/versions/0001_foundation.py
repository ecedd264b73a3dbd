"""The first tables, their partitions, the view of latest counts and the queue."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE account (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    github_id BIGINT,
    node_id TEXT,
    login TEXT NOT NULL,
    kind TEXT CONSTRAINT account_kind_check CHECK (kind IN ('user', 'organization')),
    name TEXT,
    company TEXT,
    location TEXT,
    website TEXT,
    bio TEXT,
    avatar_url TEXT,
    created_at TIMESTAMP WITH TIME ZONE,
    gone_at TIMESTAMP WITH TIME ZONE,
    gone_reason TEXT,
    token TEXT,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT account_pkey PRIMARY KEY (id),
    CONSTRAINT account_github_id_key UNIQUE (github_id)
);

CREATE INDEX account_login_idx ON account (lower(login));

CREATE UNIQUE INDEX account_login_unseen_key ON account (lower(login)) WHERE github_id IS NULL;

COMMENT ON TABLE account IS 'A user or organization; identity is GitHub''s numeric id, names have a history in change';

COMMENT ON COLUMN account.github_id IS 'null while the account is known by name only';

COMMENT ON COLUMN account.token IS 'fingerprint of the token its ETags belong to';

CREATE TABLE capture (
    account_id BIGINT,
    repository_id BIGINT,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    run_id BIGINT,
    CONSTRAINT capture_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1)
);

CREATE UNIQUE INDEX capture_account_key ON capture (account_id, captured_at, source_id) WHERE account_id IS NOT NULL;

CREATE UNIQUE INDEX capture_repository_key ON capture (repository_id, captured_at, source_id) WHERE repository_id IS NOT NULL;

COMMENT ON TABLE capture IS 'One successful look. Coverage and gaps come from here alone';

CREATE TABLE data_version (
    singleton BOOLEAN DEFAULT true NOT NULL CONSTRAINT data_version_one_row_check CHECK (singleton),
    version BIGINT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    run_id BIGINT,
    CONSTRAINT data_version_pkey PRIMARY KEY (singleton)
);

COMMENT ON TABLE data_version IS 'One row, raised after a run has committed: pages and their cached frames go by it';

CREATE TABLE ingest_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    trigger TEXT NOT NULL,
    requested_by TEXT,
    request_id TEXT,
    job_id BIGINT,
    state TEXT DEFAULT 'running' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    accounts INTEGER DEFAULT 0 NOT NULL,
    stored INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    requests INTEGER DEFAULT 0 NOT NULL,
    points INTEGER DEFAULT 0 NOT NULL,
    not_modified INTEGER DEFAULT 0 NOT NULL,
    rows_written BIGINT DEFAULT 0 NOT NULL,
    details JSONB,
    CONSTRAINT ingest_run_pkey PRIMARY KEY (id),
    CONSTRAINT ingest_run_state_check CHECK (state IN ('running', 'done', 'partial', 'failed', 'stopped'))
);

CREATE INDEX ingest_run_started_at_idx ON ingest_run (started_at DESC);

COMMENT ON COLUMN ingest_run.trigger IS 'schedule, person, command line, import';

CREATE TABLE language_day (
    day DATE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    language TEXT NOT NULL,
    repositories INTEGER NOT NULL,
    stars BIGINT NOT NULL,
    bytes BIGINT,
    CONSTRAINT language_day_pkey PRIMARY KEY (day, source_id, language)
);

COMMENT ON TABLE language_day IS 'Rollup: repositories and stars by primary language, bytes of each language; forks left out';

CREATE TABLE person (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    username TEXT NOT NULL,
    email TEXT,
    display_name TEXT,
    password_hash TEXT,
    role TEXT NOT NULL CONSTRAINT person_role_check CHECK (role IN ('analyst', 'admin')),
    active BOOLEAN DEFAULT true NOT NULL,
    preferences JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT person_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX person_email_key ON person (lower(email));

CREATE UNIQUE INDEX person_username_key ON person (lower(username));

CREATE TABLE repository_extra_snapshot (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    watchers INTEGER,
    open_issues INTEGER,
    open_change_requests INTEGER,
    open_issues_and_change_requests INTEGER,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    CONSTRAINT repository_extra_snapshot_pkey PRIMARY KEY (repository_id, captured_at, source_id)
)
 PARTITION BY RANGE (captured_at);

COMMENT ON TABLE repository_extra_snapshot IS 'A change of the counts that cost more to ask, in a cadence of their own';

CREATE TABLE repository_snapshot (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stars INTEGER,
    forks INTEGER,
    size_kb INTEGER,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    CONSTRAINT repository_snapshot_pkey PRIMARY KEY (repository_id, captured_at, source_id)
)
 PARTITION BY RANGE (captured_at);

COMMENT ON TABLE repository_snapshot IS 'A change of stars, forks or size; rows of other sources are kept as they were given';

CREATE TABLE source (
    id SMALLINT GENERATED ALWAYS AS IDENTITY (START WITH 2),
    name TEXT NOT NULL,
    cadence INTERVAL,
    CONSTRAINT source_pkey PRIMARY KEY (id),
    CONSTRAINT source_name_key UNIQUE (name)
);

COMMENT ON TABLE source IS 'Who looked at GitHub: 1 is this installation, the others kept history that was imported';

COMMENT ON COLUMN source.cadence IS 'usual time between two looks; null until known';

CREATE TABLE account_snapshot (
    account_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    followers INTEGER,
    following INTEGER,
    public_repositories INTEGER,
    public_gists INTEGER,
    stars INTEGER,
    forks INTEGER,
    repositories INTEGER,
    CONSTRAINT account_snapshot_pkey PRIMARY KEY (account_id, captured_at),
    CONSTRAINT account_snapshot_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

COMMENT ON TABLE account_snapshot IS 'A change of an account''s counts; stars, forks, repositories sum over its owned, not-gone repositories';

CREATE TABLE api_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    person_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    hint TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_key_pkey PRIMARY KEY (id),
    CONSTRAINT api_key_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE,
    CONSTRAINT api_key_hash_key UNIQUE (hash)
);

CREATE TABLE audit_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    person_id BIGINT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    address INET,
    request_id TEXT,
    details JSONB,
    CONSTRAINT audit_event_pkey PRIMARY KEY (id),
    CONSTRAINT audit_event_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id)
);

CREATE INDEX audit_event_at_idx ON audit_event (at DESC);

CREATE TABLE collection (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    description TEXT,
    person_id BIGINT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT collection_pkey PRIMARY KEY (id),
    CONSTRAINT collection_name_key UNIQUE (name),
    CONSTRAINT collection_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id)
);

CREATE TABLE ingest_item (
    run_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    account_id BIGINT,
    state TEXT NOT NULL,
    requests INTEGER,
    points INTEGER,
    not_modified INTEGER,
    repositories INTEGER,
    rows_written INTEGER,
    duration_ms INTEGER,
    error_code TEXT,
    error TEXT,
    finished_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ingest_item_pkey PRIMARY KEY (run_id, login),
    CONSTRAINT ingest_item_state_check CHECK (state IN ('stored', 'unchanged', 'failed', 'gone')),
    CONSTRAINT ingest_item_run_id_fkey FOREIGN KEY(run_id) REFERENCES ingest_run (id) ON DELETE CASCADE,
    CONSTRAINT ingest_item_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX ingest_item_account_id_idx ON ingest_item (account_id, finished_at DESC);

CREATE TABLE repository (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    github_id BIGINT,
    node_id TEXT,
    account_id BIGINT NOT NULL,
    full_name TEXT NOT NULL,
    name TEXT GENERATED ALWAYS AS (split_part(full_name, '/', 2)) STORED,
    description TEXT,
    homepage TEXT,
    license TEXT,
    topics TEXT[],
    primary_language TEXT,
    default_branch TEXT,
    is_fork BOOLEAN DEFAULT false NOT NULL,
    is_archived BOOLEAN DEFAULT false NOT NULL,
    is_template BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE,
    pushed_at TIMESTAMP WITH TIME ZONE,
    languages_pushed_at TIMESTAMP WITH TIME ZONE,
    languages_checked_at TIMESTAMP WITH TIME ZONE,
    gone_at TIMESTAMP WITH TIME ZONE,
    gone_reason TEXT,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT repository_pkey PRIMARY KEY (id),
    CONSTRAINT repository_github_id_key UNIQUE (github_id),
    CONSTRAINT repository_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX repository_account_id_idx ON repository (account_id);

CREATE INDEX repository_full_name_idx ON repository (lower(full_name));

CREATE UNIQUE INDEX repository_full_name_unseen_key ON repository (lower(full_name)) WHERE github_id IS NULL;

COMMENT ON TABLE repository IS 'languages_checked_at: last look at its languages; languages_pushed_at: the push that look saw';

COMMENT ON COLUMN repository.github_id IS 'null while the repository is known by name only';

COMMENT ON COLUMN repository.license IS 'SPDX identifier';

COMMENT ON COLUMN repository.topics IS 'null until read';

CREATE TABLE session (
    id UUID NOT NULL,
    person_id BIGINT NOT NULL,
    generation INTEGER DEFAULT 0 NOT NULL,
    generation_used_at TIMESTAMP WITH TIME ZONE,
    address INET,
    user_agent TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT,
    CONSTRAINT session_pkey PRIMARY KEY (id),
    CONSTRAINT session_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE
);

CREATE INDEX session_person_id_idx ON session (person_id);

CREATE TABLE ticket (
    hash BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    person_id BIGINT,
    nonce_hash BYTEA,
    details JSONB,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ticket_pkey PRIMARY KEY (hash),
    CONSTRAINT ticket_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE
);

CREATE TABLE tracked_account (
    account_id BIGINT NOT NULL,
    added_by TEXT,
    added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    every INTERVAL,
    priority SMALLINT DEFAULT 0 NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE,
    job_id BIGINT,
    failures INTEGER DEFAULT 0 NOT NULL,
    note TEXT,
    CONSTRAINT tracked_account_pkey PRIMARY KEY (account_id),
    CONSTRAINT tracked_account_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);

CREATE INDEX tracked_account_due_at_idx ON tracked_account (due_at) WHERE queued_at IS NULL AND NOT paused;

CREATE INDEX tracked_account_job_id_idx ON tracked_account (job_id) WHERE job_id IS NOT NULL;

COMMENT ON TABLE tracked_account IS 'What an admin wants refreshed; failures: in a row';

COMMENT ON COLUMN tracked_account.every IS 'null: the default cadence';

CREATE TABLE change (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id BIGINT NOT NULL,
    repository_id BIGINT,
    detected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind TEXT NOT NULL,
    before TEXT,
    after TEXT,
    run_id BIGINT,
    CONSTRAINT change_pkey PRIMARY KEY (id),
    CONSTRAINT change_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    CONSTRAINT change_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);

CREATE INDEX change_account_id_detected_at_idx ON change (account_id, detected_at DESC);

CREATE INDEX change_detected_at_idx ON change (detected_at DESC);

COMMENT ON TABLE change IS 'The ledger: renamed, transferred, relicensed, archived, restored, gone, back, new, primary_language, default_branch';

CREATE TABLE collection_member (
    collection_id BIGINT NOT NULL,
    account_id BIGINT,
    repository_id BIGINT,
    CONSTRAINT collection_member_collection_id_account_id_repository_id_key UNIQUE NULLS NOT DISTINCT (collection_id, account_id, repository_id),
    CONSTRAINT collection_member_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1),
    CONSTRAINT collection_member_collection_id_fkey FOREIGN KEY(collection_id) REFERENCES collection (id) ON DELETE CASCADE,
    CONSTRAINT collection_member_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE,
    CONSTRAINT collection_member_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);

CREATE TABLE repository_current (
    repository_id BIGINT NOT NULL,
    stars INTEGER,
    forks INTEGER,
    size_kb INTEGER,
    watchers INTEGER,
    open_issues INTEGER,
    open_change_requests INTEGER,
    open_issues_and_change_requests INTEGER,
    stars_1d INTEGER,
    stars_7d INTEGER,
    stars_30d INTEGER,
    stars_90d INTEGER,
    stars_365d INTEGER,
    growth_as_of TIMESTAMP WITH TIME ZONE,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT repository_current_pkey PRIMARY KEY (repository_id),
    CONSTRAINT repository_current_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
)
 WITH (fillfactor = 70);

CREATE INDEX repository_current_stars_30d_idx ON repository_current (stars_30d DESC NULLS LAST);

CREATE INDEX repository_current_stars_idx ON repository_current (stars DESC NULLS LAST);

COMMENT ON TABLE repository_current IS 'A repository''s latest counts and when they last changed; its account''s checked_at is the last look';

CREATE TABLE repository_import (
    repository_id BIGINT NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    captures INTEGER NOT NULL,
    stars INTEGER,
    forks INTEGER,
    open_issues INTEGER,
    open_issues_and_change_requests INTEGER,
    stars_1d INTEGER,
    stars_7d INTEGER,
    stars_30d INTEGER,
    stars_90d INTEGER,
    stars_365d INTEGER,
    CONSTRAINT repository_import_pkey PRIMARY KEY (repository_id, source_id),
    CONSTRAINT repository_import_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);

COMMENT ON TABLE repository_import IS 'What one imported source says last of one repository, and since when; rebuilt by each import';

CREATE TABLE repository_language (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    language TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    CONSTRAINT repository_language_pkey PRIMARY KEY (repository_id, captured_at, language),
    CONSTRAINT repository_language_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);

COMMENT ON TABLE repository_language IS 'The whole set of a repository''s languages whenever any of it differs; '''' alone: no language at all';

CREATE TABLE star_day (
    repository_id BIGINT NOT NULL,
    day DATE NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stars INTEGER NOT NULL,
    CONSTRAINT star_day_pkey PRIMARY KEY (repository_id, day, read_at),
    CONSTRAINT star_day_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);

COMMENT ON TABLE star_day IS 'Stars given on one day and surviving when it was read; only readings that differ';

COMMENT ON COLUMN star_day.day IS 'in America/Los_Angeles, as GitHub counts';
"""

DEFAULT_PARTITIONS = """
CREATE TABLE repository_snapshot_default PARTITION OF repository_snapshot DEFAULT;
CREATE TABLE repository_extra_snapshot_default PARTITION OF repository_extra_snapshot DEFAULT;
"""

# What a page shows as "now": our own latest look, else the last one that somebody else kept.
REPOSITORY_LATEST_VIEW = """
CREATE VIEW repository_latest AS
SELECT repository.id AS repository_id,
       repository.account_id,
       CASE WHEN own.repository_id IS NULL THEN kept.stars ELSE own.stars END AS stars,
       CASE WHEN own.repository_id IS NULL THEN kept.forks ELSE own.forks END AS forks,
       own.size_kb,
       own.watchers,
       CASE WHEN own.repository_id IS NULL THEN kept.open_issues ELSE own.open_issues END AS open_issues,
       own.open_change_requests,
       CASE WHEN own.repository_id IS NULL THEN kept.open_issues_and_change_requests
            ELSE own.open_issues_and_change_requests END AS open_issues_and_change_requests,
       CASE WHEN own.repository_id IS NULL THEN kept.stars_1d ELSE own.stars_1d END AS stars_1d,
       CASE WHEN own.repository_id IS NULL THEN kept.stars_7d ELSE own.stars_7d END AS stars_7d,
       CASE WHEN own.repository_id IS NULL THEN kept.stars_30d ELSE own.stars_30d END AS stars_30d,
       CASE WHEN own.repository_id IS NULL THEN kept.stars_90d ELSE own.stars_90d END AS stars_90d,
       CASE WHEN own.repository_id IS NULL THEN kept.stars_365d ELSE own.stars_365d END AS stars_365d,
       coalesce(own.growth_as_of, kept.last_at) AS growth_as_of,
       coalesce(own.captured_at, kept.last_at) AS captured_at,
       CASE WHEN own.repository_id IS NULL THEN kept.last_at
            WHEN repository.gone_at IS NOT NULL THEN own.captured_at
            ELSE greatest(own.captured_at, account.checked_at) END AS checked_at,
       CASE WHEN own.repository_id IS NULL THEN kept.source_id ELSE 1 END AS source_id
  FROM repository
  JOIN account ON account.id = repository.account_id
  LEFT JOIN repository_current AS own ON own.repository_id = repository.id
  LEFT JOIN LATERAL (
       SELECT * FROM repository_import
        WHERE repository_import.repository_id = repository.id AND own.repository_id IS NULL
        ORDER BY last_at DESC LIMIT 1) AS kept ON true
 WHERE own.repository_id IS NOT NULL OR kept.repository_id IS NOT NULL;
COMMENT ON VIEW repository_latest IS 'Latest known counts: our own, else the last that an imported source kept';
"""


def upgrade() -> None:
    for script in (TABLES, DEFAULT_PARTITIONS, REPOSITORY_LATEST_VIEW):
        run_script(script)
    run_script("INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'github')")
    # The queue's own schema, as its library ships it; its later migrations become revisions here.
    run_script(SchemaManager.get_schema())


def run_script(script: str) -> None:
    """Send a whole script as it is: neither `:` nor `%` in it means anything."""
    op.get_bind().connection.driver_connection.execute(script.encode(), prepare=False)


def downgrade() -> None:
    raise NotImplementedError("Almanac only moves forward; restore a backup to go back")
