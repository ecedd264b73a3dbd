-- Tracked accounts, tracking requests, refresh plans and collections.

CREATE TABLE tracked_account (
    account_id BIGINT NOT NULL,
    added_by TEXT,
    added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    cadence INTERVAL,
    planned_cadence INTERVAL,
    priority SMALLINT DEFAULT 0 NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE,
    job_id BIGINT,
    failures INTEGER DEFAULT 0 NOT NULL,
    note TEXT,
    only_repositories TEXT[],
    widened_at TIMESTAMP WITH TIME ZONE,
    change_rate REAL,
    change_rate_shape REAL,
    change_rate_samples INTEGER DEFAULT 0 NOT NULL,
    stars BIGINT,
    repositories INTEGER,
    CONSTRAINT tracked_account_pkey PRIMARY KEY (account_id),
    CONSTRAINT tracked_account_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX tracked_account_due_at_idx ON tracked_account (due_at) WHERE queued_at IS NULL AND NOT paused;
CREATE INDEX tracked_account_job_id_idx ON tracked_account (job_id) WHERE job_id IS NOT NULL;
COMMENT ON TABLE tracked_account IS 'An account refreshed on a schedule; failures: consecutive failed refreshes; widened_at: when more of its repositories were asked for';
COMMENT ON COLUMN tracked_account.cadence IS 'set by an admin; null: planned_cadence applies';
COMMENT ON COLUMN tracked_account.planned_cadence IS 'planned at the last refresh; null: the default cadence applies';
COMMENT ON COLUMN tracked_account.only_repositories IS 'short names in lower case: of those that are not stored yet only these are stored; null: all';
COMMENT ON COLUMN tracked_account.change_rate IS 'expected changes per day, estimated from the refreshes';
COMMENT ON COLUMN tracked_account.change_rate_shape IS 'shape of the estimate''s Gamma distribution; grows with certainty';
COMMENT ON COLUMN tracked_account.change_rate_samples IS 'number of refreshes it was estimated from';
COMMENT ON COLUMN tracked_account.stars IS 'at the last refresh';
COMMENT ON COLUMN tracked_account.repositories IS 'at the last refresh';

CREATE TABLE tracking_request (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    login TEXT NOT NULL,
    person_id BIGINT,
    note TEXT,
    repository TEXT,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    approved BOOLEAN,
    CONSTRAINT tracking_request_pkey PRIMARY KEY (id),
    CONSTRAINT tracking_request_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX tracking_request_pending_key ON tracking_request (lower(login), lower(coalesce(repository, '')))
 WHERE decided_at IS NULL;
COMMENT ON COLUMN tracking_request.repository IS 'short name, where it is asked for alone';
COMMENT ON TABLE tracking_request IS 'An analyst''s request to track an account, pending until decided_at';

CREATE TABLE refresh_plan (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    planned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    accounts INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    without_estimate INTEGER NOT NULL,
    default_cadence INTERVAL NOT NULL,
    unit TEXT NOT NULL CONSTRAINT refresh_plan_unit_check CHECK (unit IN ('points', 'requests')),
    budget_per_hour REAL NOT NULL,
    usable_per_hour REAL NOT NULL,
    default_cadence_per_hour REAL NOT NULL,
    planned_per_hour REAL NOT NULL,
    shadow_price DOUBLE PRECISION NOT NULL,
    shortest_cadence INTERVAL NOT NULL,
    longest_cadence INTERVAL NOT NULL,
    slowdown REAL NOT NULL,
    median_cadence INTERVAL,
    summary TEXT NOT NULL,
    CONSTRAINT refresh_plan_pkey PRIMARY KEY (id)
);
CREATE INDEX refresh_plan_planned_at_idx ON refresh_plan (planned_at DESC);
COMMENT ON TABLE refresh_plan IS 'How the rate budget was spread over the tracked accounts; the newest row applies. shadow_price: value of one refresh; slowdown: factor by which intervals exceed REFRESH_EVERY because the budget is short';

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
COMMENT ON TABLE collection IS 'A named group of accounts or repositories';

CREATE TABLE collection_member (
    collection_id BIGINT NOT NULL,
    account_id BIGINT,
    repository_id BIGINT,
    CONSTRAINT collection_member_collection_id_account_id_repository_id_key UNIQUE NULLS NOT DISTINCT (collection_id, account_id, repository_id),
    CONSTRAINT collection_member_one_subject_check CHECK (num_nonnulls(account_id, repository_id) = 1),
    CONSTRAINT collection_member_collection_id_fkey FOREIGN KEY(collection_id) REFERENCES collection (id) ON DELETE CASCADE,
    CONSTRAINT collection_member_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
COMMENT ON TABLE collection_member IS 'An account or repository in a collection';
