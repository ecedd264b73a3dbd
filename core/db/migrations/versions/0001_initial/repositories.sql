-- Repositories: profile, latest counts, snapshots and languages.

CREATE TABLE repository (
    id BIGINT NOT NULL,
    github_id BIGINT GENERATED ALWAYS AS (CASE WHEN id > 0 THEN id ELSE NULL::bigint END) STORED,
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
    languages_checked_at TIMESTAMP WITH TIME ZONE,
    languages_due_at TIMESTAMP WITH TIME ZONE,
    languages_pushed_at TIMESTAMP WITH TIME ZONE,
    languages_default_branch TEXT,
    languages_primary_language TEXT,
    languages_size_kb INTEGER,
    gone_at TIMESTAMP WITH TIME ZONE,
    gone_reason TEXT,
    first_captured_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT repository_pkey PRIMARY KEY (id),
    CONSTRAINT repository_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX repository_account_id_idx ON repository (account_id);
CREATE INDEX repository_full_name_idx ON repository (lower(full_name));
CREATE INDEX repository_full_name_search_idx ON repository USING gin (lower(full_name) gin_trgm_ops);
COMMENT ON TABLE repository IS 'A repository. id: GitHub''s, or below zero, made of the name, while only that is known; former names are in repository_version. first_captured_at: our first capture; its attributes before are unknown. languages_checked_at: when its languages were last fetched; languages_due_at: when to fetch them again even if nothing changes; languages_pushed_at, _default_branch, _primary_language, _size_kb: as reported at that fetch';
COMMENT ON COLUMN repository.github_id IS 'null while only its name is known';
COMMENT ON COLUMN repository.license IS 'SPDX identifier';
COMMENT ON COLUMN repository.topics IS 'null until fetched';

CREATE TABLE repository_version (
    repository_id BIGINT NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    account_id BIGINT NOT NULL,
    full_name TEXT NOT NULL,
    description TEXT,
    homepage TEXT,
    license TEXT,
    topics TEXT[],
    primary_language TEXT,
    default_branch TEXT,
    is_fork BOOLEAN,
    is_archived BOOLEAN,
    is_template BOOLEAN,
    is_gone BOOLEAN NOT NULL,
    CONSTRAINT repository_version_pkey PRIMARY KEY (repository_id, until),
    CONSTRAINT repository_version_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
CREATE INDEX repository_version_account_id_idx ON repository_version (account_id);
CREATE INDEX repository_version_full_name_idx ON repository_version (lower(full_name));
CREATE INDEX repository_version_full_name_search_idx ON repository_version USING gin (lower(full_name) gin_trgm_ops);
COMMENT ON TABLE repository_version IS 'A repository''s attributes from since on, until they were found changed; those of now are in repository. A null flag: the imported source does not tell';

CREATE TABLE repository_push (
    repository_id BIGINT NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    pushed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT repository_push_pkey PRIMARY KEY (repository_id, until),
    CONSTRAINT repository_push_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE repository_push IS 'The last push that GitHub reported from since on, until a later one was found; the last one of now is in repository. Apart from repository_version, because it changes far more often';

CREATE TABLE repository_current (
    repository_id BIGINT NOT NULL,
    stars INTEGER,
    forks INTEGER,
    size_kb INTEGER,
    watchers INTEGER,
    open_issues INTEGER,
    open_change_requests INTEGER,
    open_issues_and_change_requests INTEGER,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT repository_current_pkey PRIMARY KEY (repository_id),
    CONSTRAINT repository_current_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON TABLE repository_current IS 'Latest counts of a repository as our own refreshes found them, to compare the next one with. captured_at: when they last changed';

CREATE TABLE repository_summary (
    repository_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    github_id BIGINT,
    full_name TEXT NOT NULL,
    description TEXT,
    license TEXT,
    topics TEXT[],
    language TEXT,
    is_fork BOOLEAN NOT NULL,
    is_archived BOOLEAN NOT NULL,
    is_gone BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE,
    pushed_at TIMESTAMP WITH TIME ZONE,
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
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    own_checked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT repository_summary_pkey PRIMARY KEY (repository_id),
    CONSTRAINT repository_summary_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX repository_summary_account_id_idx ON repository_summary (account_id);
CREATE INDEX repository_summary_own_checked_at_idx ON repository_summary (own_checked_at) WHERE own_checked_at IS NOT NULL;
CREATE INDEX repository_summary_stars_30d_idx ON repository_summary (stars_30d DESC NULLS LAST);
CREATE INDEX repository_summary_stars_idx ON repository_summary (stars DESC NULLS LAST);
COMMENT ON TABLE repository_summary IS 'One row per repository with what pages list of it now: attributes, latest counts (ours, else those of the newest import) and growth. Written with each change of them; the view repository_summary_computed is what it has to hold';
COMMENT ON COLUMN repository_summary.language IS 'the present name of the primary language';
COMMENT ON COLUMN repository_summary.own_checked_at IS 'its last capture, where that is not the last refresh of its account';

CREATE TABLE repository_snapshot_open (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stars INTEGER,
    forks INTEGER,
    size_kb INTEGER,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    CONSTRAINT repository_snapshot_open_pkey PRIMARY KEY (repository_id, captured_at, source_id)
) PARTITION BY RANGE (captured_at);
COMMENT ON TABLE repository_snapshot_open IS 'Snapshots that are not in repository_month yet: the view repository_snapshot has all';

CREATE TABLE repository_snapshot_open_default PARTITION OF repository_snapshot_open DEFAULT;

CREATE TABLE repository_month (
    repository_id BIGINT NOT NULL,
    before_at TIMESTAMP WITH TIME ZONE,
    month DATE NOT NULL,
    stars_before INTEGER,
    forks_before INTEGER,
    size_kb_before INTEGER,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE[],
    counts INTEGER[],
    CONSTRAINT repository_month_pkey PRIMARY KEY (repository_id, source_id, month)
);
CREATE INDEX repository_month_month_idx ON repository_month (month, source_id);
COMMENT ON TABLE repository_month IS 'The snapshots of one repository in one month (UTC), oldest first, null if there is none, and the last one before the month: a row for each month from its first snapshot to source.last_month, of an imported source to that of repository_import.last_at';
COMMENT ON COLUMN repository_month.counts IS 'stars, forks and size_kb of each';

CREATE VIEW repository_snapshot_closed AS
SELECT repository_id, one.captured_at, counts[place][1] AS stars, counts[place][2] AS forks,
       counts[place][3] AS size_kb, source_id, month
  FROM repository_month
 CROSS JOIN LATERAL (
       SELECT at, place::int FROM unnest(repository_month.captured_at) WITH ORDINALITY AS at (at, place)
       ) AS one (captured_at, place);
COMMENT ON VIEW repository_snapshot_closed IS 'The snapshots in repository_month, one row each';

-- A condition on `month` beside that on `captured_at` spares reading the other months.
CREATE VIEW repository_snapshot AS
SELECT repository_id, captured_at, stars, forks, size_kb, source_id,
       date_trunc('month', captured_at AT TIME ZONE 'UTC')::date AS month
  FROM repository_snapshot_open
 UNION ALL
SELECT repository_id, captured_at, stars, forks, size_kb, source_id, month
  FROM repository_snapshot_closed;
COMMENT ON VIEW repository_snapshot IS 'Stars, forks and size at one time, stored only when they differ; imported rows are stored as they are. month: that of captured_at (UTC)';

CREATE TABLE repository_extra_snapshot (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    watchers INTEGER,
    open_issues INTEGER,
    open_change_requests INTEGER,
    open_issues_and_change_requests INTEGER,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    CONSTRAINT repository_extra_snapshot_pkey PRIMARY KEY (repository_id, captured_at, source_id)
) PARTITION BY RANGE (captured_at);
COMMENT ON TABLE repository_extra_snapshot IS 'Counts that cost extra requests, fetched on a cadence of their own; stored only when they differ';

CREATE TABLE repository_extra_snapshot_default PARTITION OF repository_extra_snapshot DEFAULT;

CREATE TABLE repository_language (
    repository_id BIGINT NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    language TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    CONSTRAINT repository_language_pkey PRIMARY KEY (repository_id, captured_at, language),
    CONSTRAINT repository_language_repository_id_fkey FOREIGN KEY(repository_id) REFERENCES repository (id) ON DELETE CASCADE
);
COMMENT ON TABLE repository_language IS 'Bytes of one language of a repository. The whole set is stored whenever any of it differs; a single row with an empty language: it has none';
