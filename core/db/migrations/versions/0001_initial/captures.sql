-- Sources, captures, imported history, changes, rollups and the data version.

CREATE TABLE source (
    id SMALLINT GENERATED ALWAYS AS IDENTITY (START WITH 2),
    name TEXT NOT NULL,
    cadence INTERVAL,
    CONSTRAINT source_pkey PRIMARY KEY (id),
    CONSTRAINT source_name_key UNIQUE (name)
);
COMMENT ON TABLE source IS 'Origin of captures: 1 is this installation, each other one an import of somebody else''s history';
COMMENT ON COLUMN source.cadence IS 'usual interval between two captures; null until estimated';

INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'github');

CREATE TABLE capture (
    account_id BIGINT,
    repository_id BIGINT,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    run_id BIGINT,
    cadence INTERVAL,
    CONSTRAINT capture_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1)
);
CREATE UNIQUE INDEX capture_account_key ON capture (account_id, captured_at, source_id) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX capture_repository_key ON capture (repository_id, captured_at, source_id) WHERE repository_id IS NOT NULL;
COMMENT ON TABLE capture IS 'One successful refresh of an account (or of a repository, if imported), whether or not anything changed. Coverage, freshness and gaps are computed from this table only';
COMMENT ON COLUMN capture.cadence IS 'time until the next one is expected, as planned then; null: at most a day';

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
COMMENT ON TABLE repository_import IS 'Latest counts and time span of one repository in one imported source; rebuilt by each import';

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
CREATE INDEX change_presence_idx ON change (repository_id, detected_at) WHERE kind IN ('gone', 'back', 'transferred');
COMMENT ON TABLE change IS 'One change of an account or repository: renamed, transferred, relicensed, archived, restored, gone, back, new, primary_language, default_branch';

CREATE VIEW repository_presence AS
SELECT repository_id, from_at, until AS to_at, account_id
  FROM (SELECT *, coalesce(lag(until) OVER (PARTITION BY repository_id ORDER BY until), '-infinity') AS from_at
          FROM repository_version) AS version
 WHERE NOT is_gone
 UNION ALL
SELECT id, coalesce((SELECT max(until) FROM repository_version WHERE repository_id = repository.id), '-infinity'),
       coalesce(gone_at, 'infinity'), account_id
  FROM repository;
COMMENT ON VIEW repository_presence IS 'Times in which our captures of an account are captures of a repository: it owned it, and it was not unavailable';

-- What a page shows as current: our own counts where there are any, else those of the newest import.
CREATE VIEW repository_latest AS
SELECT repository.id AS repository_id,
       repository.account_id,
       CASE WHEN own.repository_id IS NULL THEN imported.stars ELSE own.stars END AS stars,
       CASE WHEN own.repository_id IS NULL THEN imported.forks ELSE own.forks END AS forks,
       own.size_kb,
       own.watchers,
       CASE WHEN own.repository_id IS NULL THEN imported.open_issues ELSE own.open_issues END AS open_issues,
       own.open_change_requests,
       CASE WHEN own.repository_id IS NULL THEN imported.open_issues_and_change_requests
            ELSE own.open_issues_and_change_requests END AS open_issues_and_change_requests,
       CASE WHEN own.repository_id IS NULL THEN imported.stars_1d ELSE own.stars_1d END AS stars_1d,
       CASE WHEN own.repository_id IS NULL THEN imported.stars_7d ELSE own.stars_7d END AS stars_7d,
       CASE WHEN own.repository_id IS NULL THEN imported.stars_30d ELSE own.stars_30d END AS stars_30d,
       CASE WHEN own.repository_id IS NULL THEN imported.stars_90d ELSE own.stars_90d END AS stars_90d,
       CASE WHEN own.repository_id IS NULL THEN imported.stars_365d ELSE own.stars_365d END AS stars_365d,
       coalesce(own.captured_at, imported.last_at) AS captured_at,
       CASE WHEN own.repository_id IS NULL THEN imported.last_at
            WHEN repository.gone_at IS NULL AND NOT EXISTS (
                 SELECT FROM change WHERE change.repository_id = repository.id
                    AND change.kind IN ('gone', 'back', 'transferred'))
            THEN greatest(own.captured_at, account.checked_at)
            ELSE greatest(own.captured_at, (
                 SELECT max(capture.captured_at)
                   FROM repository_presence AS presence
                   JOIN capture ON capture.account_id = presence.account_id AND capture.source_id = 1
                    AND capture.captured_at >= presence.from_at AND capture.captured_at < presence.to_at
                  WHERE presence.repository_id = repository.id)) END AS checked_at,
       CASE WHEN own.repository_id IS NULL THEN imported.source_id ELSE 1 END AS source_id
  FROM repository
  JOIN account ON account.id = repository.account_id
  LEFT JOIN repository_current AS own ON own.repository_id = repository.id
  LEFT JOIN LATERAL (
       SELECT * FROM repository_import
        WHERE repository_import.repository_id = repository.id AND own.repository_id IS NULL
        ORDER BY last_at DESC, source_id DESC LIMIT 1) AS imported ON true
 WHERE own.repository_id IS NOT NULL OR imported.repository_id IS NOT NULL;
COMMENT ON VIEW repository_latest IS 'Latest counts: ours, else those of the newest import';

CREATE TABLE language_day (
    day DATE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    language TEXT NOT NULL,
    repositories INTEGER NOT NULL,
    stars BIGINT NOT NULL,
    bytes BIGINT,
    CONSTRAINT language_day_pkey PRIMARY KEY (day, source_id, language)
);
COMMENT ON TABLE language_day IS 'Daily totals: repositories and stars by primary language, bytes by language; forks excluded';

CREATE TABLE data_version (
    singleton BOOLEAN DEFAULT true NOT NULL CONSTRAINT data_version_one_row_check CHECK (singleton),
    version BIGINT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    run_id BIGINT,
    CONSTRAINT data_version_pkey PRIMARY KEY (singleton)
);
COMMENT ON TABLE data_version IS 'A single row whose version increases after each run that changed data; cached frames depend on it';
