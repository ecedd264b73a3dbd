-- Enrichment: the facts a refresh does not fetch, each kind on its own cadence, and their schedule.

CREATE TABLE enrichment (
    kind TEXT NOT NULL,
    repository_id BIGINT,
    account_id BIGINT,
    captured_at TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    failed_attempts INTEGER DEFAULT 0 NOT NULL,
    reason TEXT,
    first_day DATE,
    CONSTRAINT enrichment_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1),
    CONSTRAINT enrichment_state_check CHECK (state IN ('stored', 'computing', 'unavailable', 'refused', 'failed')),
    CONSTRAINT enrichment_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX enrichment_account_key ON enrichment (account_id, kind) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX enrichment_repository_key ON enrichment (repository_id, kind) WHERE repository_id IS NOT NULL;
COMMENT ON TABLE enrichment IS 'State of one kind of fact of a repository or account: when it was last fetched, why the last attempt failed, when it is due next';
COMMENT ON COLUMN enrichment.failed_attempts IS 'consecutive attempts that failed';
COMMENT ON COLUMN enrichment.first_day IS 'earliest day for which this kind of fact is stored';

CREATE TABLE enrichment_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    token_fingerprint TEXT,
    job_id BIGINT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    subjects INTEGER NOT NULL,
    stored INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    requests INTEGER DEFAULT 0 NOT NULL,
    points INTEGER DEFAULT 0 NOT NULL,
    not_modified INTEGER DEFAULT 0 NOT NULL,
    rows_written BIGINT DEFAULT 0 NOT NULL,
    stop_reason TEXT,
    for_people BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT enrichment_run_pkey PRIMARY KEY (id)
);
CREATE INDEX enrichment_run_started_at_idx ON enrichment_run (started_at DESC);
COMMENT ON TABLE enrichment_run IS 'One job that fetched facts of one kind; stop_reason: why it ended before all subjects were done; for_people: its subjects had been opened by somebody lately';

CREATE TABLE page_open (
    account_id BIGINT,
    repository_id BIGINT,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT page_open_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1),
    CONSTRAINT page_open_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX page_open_account_key ON page_open (account_id) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX page_open_repository_key ON page_open (repository_id) WHERE repository_id IS NOT NULL;
COMMENT ON TABLE page_open IS 'When the page of an account or repository was last opened, by anybody, to the hour: its facts come first';

CREATE TABLE enrichment_backlog (
    kind TEXT NOT NULL,
    subjects BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    measured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT enrichment_backlog_pkey PRIMARY KEY (kind)
);
COMMENT ON TABLE enrichment_backlog IS 'How much of one kind of fact is due, as the leader last counted it';
COMMENT ON COLUMN enrichment_backlog.subjects IS 'tracked repositories or users that this kind applies to';
COMMENT ON COLUMN enrichment_backlog.waiting IS 'those of them that are due';

CREATE TABLE missing_endpoint (
    kind TEXT NOT NULL,
    api_root TEXT NOT NULL,
    detected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retry_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT missing_endpoint_pkey PRIMARY KEY (kind, api_root)
);
COMMENT ON TABLE missing_endpoint IS 'A kind of fact that the GitHub server has no endpoint for; not requested before retry_at';

CREATE TABLE star_day (
    repository_id BIGINT NOT NULL,
    day DATE NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stars INTEGER NOT NULL,
    CONSTRAINT star_day_pkey PRIMARY KEY (repository_id, day, captured_at),
    CONSTRAINT star_day_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE star_day IS 'Stars given on one day and not withdrawn at captured_at. Stored only when the count differs; no row for a day that never had a star. star_backfill.first_day says how far back days are stored';
COMMENT ON COLUMN star_day.day IS 'in America/Los_Angeles, as GitHub counts';

CREATE TABLE star_backfill (
    repository_id BIGINT NOT NULL,
    first_day DATE NOT NULL,
    next_page INTEGER,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT star_backfill_pkey PRIMARY KEY (repository_id),
    CONSTRAINT star_backfill_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
CREATE INDEX star_backfill_next_page_idx ON star_backfill (repository_id) WHERE next_page IS NOT NULL;
COMMENT ON TABLE star_backfill IS 'How far back star_day is filled: from first_day on, a day without a row had no star. next_page null: filled back to the first star';

CREATE TABLE commit_day (
    repository_id BIGINT NOT NULL,
    day DATE NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    commits INTEGER NOT NULL,
    CONSTRAINT commit_day_pkey PRIMARY KEY (repository_id, day, captured_at),
    CONSTRAINT commit_day_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE commit_day IS 'Commits to the default branch on one day (UTC), merges excluded; stored only when the count differs, no row for zero';

CREATE TABLE traffic_day (
    repository_id BIGINT NOT NULL,
    day DATE NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    views INTEGER,
    unique_views INTEGER,
    clones INTEGER,
    unique_clones INTEGER,
    CONSTRAINT traffic_day_pkey PRIMARY KEY (repository_id, day, captured_at),
    CONSTRAINT traffic_day_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE traffic_day IS 'Views and clones on one day (UTC), for repositories whose traffic the token may read; stored only when they differ. Unique counts of days cannot be summed';

CREATE TABLE contribution_day (
    account_id BIGINT NOT NULL,
    day DATE NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    contributions INTEGER NOT NULL,
    CONSTRAINT contribution_day_pkey PRIMARY KEY (account_id, day, captured_at),
    CONSTRAINT contribution_day_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
COMMENT ON TABLE contribution_day IS 'Public contributions of a user on one day, as in the contribution calendar; stored only when the count differs, no row for zero';

CREATE TABLE contributor_snapshot (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    contributors INTEGER NOT NULL,
    bots INTEGER NOT NULL,
    commits INTEGER NOT NULL,
    absence_factor INTEGER NOT NULL,
    is_complete BOOLEAN NOT NULL,
    CONSTRAINT contributor_snapshot_pkey PRIMARY KEY (repository_id, captured_at),
    CONSTRAINT contributor_snapshot_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE contributor_snapshot IS 'Contributors of a repository with a GitHub account, bots counted separately; stored only when they differ. is_complete: GitHub listed all of them';
COMMENT ON COLUMN contributor_snapshot.absence_factor IS 'CHAOSS Contributor Absence Factor: fewest people who made half of the commits; bots excluded';

CREATE TABLE repository_contributor (
    repository_id BIGINT NOT NULL,
    github_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    is_bot BOOLEAN NOT NULL,
    commits INTEGER NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    active_at TIMESTAMP WITH TIME ZONE,
    returned_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT repository_contributor_pkey PRIMARY KEY (repository_id, github_id),
    CONSTRAINT repository_contributor_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE repository_contributor IS 'One of the hundred contributors with most commits, as last fetched; active_at: last response with more commits than the one before, returned_at: the last of these after 90 days without';

CREATE TABLE release (
    repository_id BIGINT NOT NULL,
    github_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    name TEXT,
    is_prerelease BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE,
    downloads BIGINT NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT release_pkey PRIMARY KEY (repository_id, github_id),
    CONSTRAINT release_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
CREATE INDEX release_published_at_idx ON release (repository_id, published_at DESC);
COMMENT ON TABLE release IS 'A release as last fetched, drafts excluded; downloads: total of its files';

CREATE TABLE release_snapshot (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    releases INTEGER NOT NULL,
    is_complete BOOLEAN NOT NULL,
    downloads BIGINT NOT NULL,
    latest_tag TEXT,
    latest_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT release_snapshot_pkey PRIMARY KEY (repository_id, captured_at),
    CONSTRAINT release_snapshot_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE release_snapshot IS 'Summary of the newest hundred releases, stored only when it differs: count, downloads, latest that is no prerelease. is_complete: there are no older ones';
