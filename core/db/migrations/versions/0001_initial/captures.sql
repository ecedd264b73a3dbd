-- Sources, captures, imported history, changes, rollups and the data version.

CREATE TABLE source (
    id SMALLINT GENERATED ALWAYS AS IDENTITY (START WITH 2),
    name TEXT NOT NULL,
    cadence INTERVAL,
    closed_until TIMESTAMP WITH TIME ZONE,
    closing_until TIMESTAMP WITH TIME ZONE,
    last_month DATE,
    CONSTRAINT source_pkey PRIMARY KEY (id),
    CONSTRAINT source_name_key UNIQUE (name)
);
COMMENT ON TABLE source IS 'Origin of captures: 1 is this installation, each other one an import of somebody else''s history. closed_until: repository_snapshot_open has nothing before it, nor has capture_open of ours; whoever writes older rows lowers it. closing_until: the same, while that is being written. last_month: the last one of repository_month';
COMMENT ON COLUMN source.cadence IS 'usual interval between two captures; null until estimated';

INSERT INTO source (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'github');

CREATE TABLE capture_open (
    account_id BIGINT,
    repository_id BIGINT,
    captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    run_id INTEGER,
    cadence INTERVAL,
    CONSTRAINT capture_open_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1),
    CONSTRAINT capture_open_own_account_check CHECK (account_id IS NULL OR source_id = 1)
);
CREATE UNIQUE INDEX capture_open_account_key ON capture_open (account_id, captured_at) WHERE source_id = 1;
CREATE UNIQUE INDEX capture_open_repository_key ON capture_open (repository_id, captured_at, source_id) WHERE repository_id IS NOT NULL;
CREATE INDEX capture_open_run_id_idx ON capture_open (run_id) WHERE account_id IS NOT NULL;
COMMENT ON TABLE capture_open IS 'Captures that are not in capture_month: ours of late, and all imported ones. The view capture has all';
COMMENT ON COLUMN capture_open.cadence IS 'time until the next one is expected, as planned then; null: at most a day';

CREATE TABLE capture_month (
    account_id BIGINT NOT NULL,
    month DATE NOT NULL,
    captured_at TIMESTAMP WITH TIME ZONE[] NOT NULL,
    run_ids INTEGER[],
    cadences INTERVAL[],
    CONSTRAINT capture_month_pkey PRIMARY KEY (account_id, month)
);
CREATE INDEX capture_month_month_idx ON capture_month (month);
COMMENT ON TABLE capture_month IS 'Our captures of one account in one month (UTC), oldest first: the same row for row takes ten times the space';
COMMENT ON COLUMN capture_month.run_ids IS 'the run of each; null: of none';
COMMENT ON COLUMN capture_month.cadences IS 'the cadence of each as capture_open has it; null: of none';

CREATE VIEW capture AS
SELECT account_id, repository_id, captured_at, source_id, run_id, cadence
  FROM capture_open
 UNION ALL
SELECT account_id, NULL::bigint, one.captured_at, 1::smallint, one.run_id, one.cadence
  FROM capture_month
 CROSS JOIN LATERAL unnest(capture_month.captured_at, run_ids, cadences) AS one (captured_at, run_id, cadence);
COMMENT ON VIEW capture IS 'One successful refresh of an account (or of a repository, if imported), whether or not anything changed. Coverage, freshness and gaps are computed from captures only';

CREATE TABLE capture_day (
    day DATE NOT NULL,
    accounts INTEGER NOT NULL,
    CONSTRAINT capture_day_pkey PRIMARY KEY (day)
);
COMMENT ON TABLE capture_day IS 'How many accounts we refreshed on a day (UTC), tracked now or not; complete before source.closed_until of source 1';

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
CREATE INDEX repository_import_last_at_idx ON repository_import (last_at);
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
    CONSTRAINT change_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX change_account_id_detected_at_idx ON change (account_id, detected_at DESC);
CREATE INDEX change_detected_at_idx ON change (detected_at DESC);
CREATE INDEX change_presence_idx ON change (repository_id, detected_at) WHERE kind IN ('gone', 'back', 'transferred');
CREATE INDEX change_run_id_idx ON change (run_id);
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

-- Our own counts where there are any, else those of the newest import. Growth of our own counts is computed as it is
-- written, so that it is null here.
CREATE VIEW repository_summary_computed AS
SELECT repository.id AS repository_id,
       repository.account_id,
       CASE WHEN own.repository_id IS NULL THEN imported.source_id ELSE 1::smallint END AS source_id,
       repository.github_id,
       repository.full_name,
       repository.description,
       repository.license,
       repository.topics,
       present_language(repository.primary_language) AS language,
       repository.is_fork,
       repository.is_archived,
       repository.gone_at IS NOT NULL AS is_gone,
       repository.created_at,
       repository.pushed_at,
       CASE WHEN own.repository_id IS NULL THEN imported.stars ELSE own.stars END AS stars,
       CASE WHEN own.repository_id IS NULL THEN imported.forks ELSE own.forks END AS forks,
       own.size_kb,
       own.watchers,
       CASE WHEN own.repository_id IS NULL THEN imported.open_issues ELSE own.open_issues END AS open_issues,
       own.open_change_requests,
       CASE WHEN own.repository_id IS NULL THEN imported.open_issues_and_change_requests
            ELSE own.open_issues_and_change_requests END AS open_issues_and_change_requests,
       imported.stars_1d,
       imported.stars_7d,
       imported.stars_30d,
       imported.stars_90d,
       imported.stars_365d,
       coalesce(own.captured_at, imported.last_at) AS captured_at,
       nullif(CASE WHEN own.repository_id IS NULL THEN imported.last_at
            WHEN repository.gone_at IS NULL AND NOT EXISTS (
                 SELECT FROM change WHERE change.repository_id = repository.id
                    AND change.kind IN ('gone', 'back', 'transferred'))
            THEN greatest(own.captured_at, account.checked_at)
            ELSE greatest(own.captured_at, (
                 SELECT max(greatest(open.captured_at, closed.captured_at))
                   FROM repository_presence AS presence
                   LEFT JOIN LATERAL (
                        SELECT captured_at FROM capture_open
                         WHERE capture_open.account_id = presence.account_id AND source_id = 1
                           AND captured_at < presence.to_at
                         ORDER BY captured_at DESC LIMIT 1) AS open ON true
                   LEFT JOIN LATERAL (
                        SELECT month.captured_at[width_bucket(presence.to_at - interval '1 microsecond',
                                                              month.captured_at)] AS captured_at
                          FROM capture_month AS month
                         WHERE month.account_id = presence.account_id AND month.captured_at[1] < presence.to_at
                         ORDER BY month.month DESC LIMIT 1) AS closed ON true
                  WHERE presence.repository_id = repository.id
                    AND greatest(open.captured_at, closed.captured_at) >= presence.from_at)) END,
              account.checked_at) AS own_checked_at
  FROM repository
  JOIN account ON account.id = repository.account_id
  LEFT JOIN repository_current AS own ON own.repository_id = repository.id
  LEFT JOIN LATERAL (
       SELECT * FROM repository_import
        WHERE repository_import.repository_id = repository.id AND own.repository_id IS NULL
        ORDER BY last_at DESC, source_id DESC LIMIT 1) AS imported ON true
 WHERE own.repository_id IS NOT NULL OR imported.repository_id IS NOT NULL;
COMMENT ON VIEW repository_summary_computed IS 'What repository_summary has to hold, except for the growth of our own counts, which is null here';

CREATE VIEW repository_latest AS
SELECT summary.*, split_part(full_name, '/', 1) AS owner, coalesce(own_checked_at, account.checked_at) AS checked_at
  FROM repository_summary AS summary
  LEFT JOIN account ON account.id = summary.account_id;
COMMENT ON VIEW repository_latest IS 'What pages list of each repository now. checked_at: its last capture';

CREATE TABLE account_summary (
    account_id BIGINT NOT NULL,
    repositories INTEGER NOT NULL,
    stars BIGINT,
    forks BIGINT,
    languages TEXT[] NOT NULL,
    compared INTEGER NOT NULL,
    known_1d INTEGER NOT NULL,
    known_7d INTEGER NOT NULL,
    known_30d INTEGER NOT NULL,
    known_90d INTEGER NOT NULL,
    known_365d INTEGER NOT NULL,
    CONSTRAINT account_summary_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_summary_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
COMMENT ON TABLE account_summary IS 'Totals of repository_summary by account. compared: available repositories that the last refresh of the account captured; known_…: those of them whose growth is known';

CREATE VIEW account_summary_computed AS
SELECT account_id, count(*)::int AS repositories, sum(stars)::bigint AS stars, sum(forks)::bigint AS forks,
       coalesce(array_agg(DISTINCT language ORDER BY language) FILTER (WHERE language IS NOT NULL), '{}') AS languages,
       count(*) FILTER (WHERE counts)::int AS compared,
       count(stars_1d) FILTER (WHERE counts)::int AS known_1d,
       count(stars_7d) FILTER (WHERE counts)::int AS known_7d,
       count(stars_30d) FILTER (WHERE counts)::int AS known_30d,
       count(stars_90d) FILTER (WHERE counts)::int AS known_90d,
       count(stars_365d) FILTER (WHERE counts)::int AS known_365d
  FROM (SELECT *, NOT is_gone AND own_checked_at IS NULL AS counts FROM repository_summary) AS summary
 GROUP BY account_id;
COMMENT ON VIEW account_summary_computed IS 'What account_summary has to hold';

CREATE TABLE language_day (
    day DATE NOT NULL,
    source_id SMALLINT DEFAULT 1 NOT NULL,
    language TEXT NOT NULL,
    repositories INTEGER NOT NULL,
    stars BIGINT NOT NULL,
    forks BIGINT,
    bytes BIGINT,
    CONSTRAINT language_day_pkey PRIMARY KEY (source_id, day, language)
);
COMMENT ON TABLE language_day IS 'Daily totals: repositories, their stars and forks by primary language, bytes by language; forks excluded';

CREATE TABLE data_version (
    singleton BOOLEAN DEFAULT true NOT NULL CONSTRAINT data_version_one_row_check CHECK (singleton),
    version BIGINT NOT NULL,
    past_version BIGINT DEFAULT 1 NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    run_id BIGINT,
    CONSTRAINT data_version_pkey PRIMARY KEY (singleton)
);
COMMENT ON TABLE data_version IS 'A single row whose version increases after each run that changed data; cached frames depend on it. past_version: since that version nothing has changed that is read as of a time more than a day ago';
