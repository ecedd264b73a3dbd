-- Ingestions, their jobs and runs, and the outcome of each account.

CREATE TABLE ingestion (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    trigger TEXT NOT NULL,
    requested_by TEXT,
    request_id TEXT,
    accounts INTEGER DEFAULT 0 NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    cancelled_by TEXT,
    stored INTEGER,
    failed INTEGER,
    CONSTRAINT ingestion_pkey PRIMARY KEY (id)
);
CREATE INDEX ingestion_started_at_idx ON ingestion (started_at DESC);
COMMENT ON TABLE ingestion IS 'Accounts requested to be refreshed at once by the scheduler, a person, the command line or an import';
COMMENT ON COLUMN ingestion.failed IS 'likewise';
COMMENT ON COLUMN ingestion.stored IS 'accounts, once their outcomes were deleted; null: they are in ingest_item';

CREATE TABLE ingestion_job (
    ingestion_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    accounts INTEGER NOT NULL,
    CONSTRAINT ingestion_job_pkey PRIMARY KEY (ingestion_id, job_id),
    CONSTRAINT ingestion_job_ingestion_id_fkey FOREIGN KEY(ingestion_id) REFERENCES ingestion (id) ON DELETE CASCADE
);
CREATE INDEX ingestion_job_job_id_idx ON ingestion_job (job_id);
COMMENT ON TABLE ingestion_job IS 'A queue job that refreshes a batch of an ingestion''s accounts';

CREATE TABLE ingest_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ingestion_id BIGINT NOT NULL,
    trigger TEXT NOT NULL,
    requested_by TEXT,
    request_id TEXT,
    job_id BIGINT,
    state TEXT DEFAULT 'running' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    last_item_at TIMESTAMP WITH TIME ZONE,
    accounts INTEGER DEFAULT 0 NOT NULL,
    stored INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    requests INTEGER DEFAULT 0 NOT NULL,
    points INTEGER DEFAULT 0 NOT NULL,
    not_modified INTEGER DEFAULT 0 NOT NULL,
    rows_written BIGINT DEFAULT 0 NOT NULL,
    details JSONB,
    alerts_pending BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT ingest_run_pkey PRIMARY KEY (id),
    CONSTRAINT ingest_run_state_check CHECK (state IN ('running', 'done', 'partial', 'failed', 'stopped')),
    CONSTRAINT ingest_run_ingestion_id_fkey FOREIGN KEY(ingestion_id) REFERENCES ingestion (id) ON DELETE CASCADE
);
CREATE INDEX ingest_run_alerts_pending_idx ON ingest_run (id) WHERE alerts_pending;
CREATE INDEX ingest_run_ingestion_id_idx ON ingest_run (ingestion_id);
CREATE INDEX ingest_run_running_idx ON ingest_run (id) WHERE state = 'running';
CREATE INDEX ingest_run_started_at_idx ON ingest_run (started_at DESC);
COMMENT ON TABLE ingest_run IS 'One attempt of a worker at one job of an ingestion';
COMMENT ON COLUMN ingest_run.alerts_pending IS 'whether alert rules have yet to evaluate what it stored';
COMMENT ON COLUMN ingest_run.trigger IS 'schedule, person, command line, import';

CREATE TABLE daily_work (
    singleton BOOLEAN DEFAULT true NOT NULL CONSTRAINT daily_work_one_row_check CHECK (singleton),
    done_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT daily_work_pkey PRIMARY KEY (singleton)
);
COMMENT ON TABLE daily_work IS 'A single row: when the scheduler last did the work of a day';

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
    CONSTRAINT ingest_item_state_check CHECK (state IN ('stored', 'unchanged', 'failed', 'deleted')),
    CONSTRAINT ingest_item_run_id_fkey FOREIGN KEY(run_id) REFERENCES ingest_run (id) ON DELETE CASCADE,
    CONSTRAINT ingest_item_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX ingest_item_account_id_idx ON ingest_item (account_id, finished_at DESC);
CREATE INDEX ingest_item_failed_idx ON ingest_item (finished_at DESC) WHERE state = 'failed';
COMMENT ON TABLE ingest_item IS 'Outcome of one account in a run';
