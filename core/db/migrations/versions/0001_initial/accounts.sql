-- GitHub accounts and the history of their counts.

-- For the search by parts of names; belongs to Postgres (contrib), any owner of a database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

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
    token_fingerprint TEXT,
    first_captured_at TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT account_pkey PRIMARY KEY (id),
    CONSTRAINT account_github_id_key UNIQUE (github_id)
);
CREATE INDEX account_checked_at_idx ON account (checked_at);
CREATE INDEX account_login_idx ON account (lower(login));
CREATE INDEX account_login_search_idx ON account USING gin (lower(login) gin_trgm_ops);
CREATE INDEX account_name_search_idx ON account USING gin (lower(name) gin_trgm_ops);
CREATE UNIQUE INDEX account_login_unseen_key ON account (lower(login)) WHERE github_id IS NULL;
COMMENT ON TABLE account IS 'A user or organization. Identity is GitHub''s numeric id; former logins are in account_version. first_captured_at: our first refresh; its profile before is unknown';
COMMENT ON COLUMN account.github_id IS 'null while only its login is known';
COMMENT ON COLUMN account.token_fingerprint IS 'of the token its refreshes use; cached ETags are valid for that token only';

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
COMMENT ON TABLE account_snapshot IS 'Counts of an account at one time, stored only when they differ. stars, forks and repositories: totals of the repositories it owns that are neither deleted nor private';

CREATE TABLE account_version (
    account_id BIGINT NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    login TEXT NOT NULL,
    kind TEXT,
    name TEXT,
    company TEXT,
    location TEXT,
    website TEXT,
    bio TEXT,
    gone_at TIMESTAMP WITH TIME ZONE,
    gone_reason TEXT,
    CONSTRAINT account_version_pkey PRIMARY KEY (account_id, until),
    CONSTRAINT account_version_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX account_version_login_idx ON account_version (lower(login));
CREATE INDEX account_version_login_search_idx ON account_version USING gin (lower(login) gin_trgm_ops);
COMMENT ON TABLE account_version IS 'An account''s profile from since on, until it was found changed; the present one is in account';
