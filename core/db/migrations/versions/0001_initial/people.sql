-- People, their sessions, tickets and API keys, and the audit trail.

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
    page_opened_at TIMESTAMP WITH TIME ZONE,
    visit_ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT person_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX person_email_key ON person (lower(email));
CREATE UNIQUE INDEX person_username_key ON person (lower(username COLLATE "C"));
COMMENT ON TABLE person IS 'Somebody who can sign in. page_opened_at: their last page; visit_ended_at: the last page of the visit before';

CREATE TABLE session (
    id UUID NOT NULL,
    person_id BIGINT NOT NULL,
    generation INTEGER DEFAULT 0 NOT NULL,
    generation_used_at TIMESTAMP WITH TIME ZONE,
    access_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ip_address INET,
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
COMMENT ON TABLE session IS 'A signed-in browser or API client. generation: number of its newest refresh token';

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
COMMENT ON TABLE ticket IS 'A single-use secret, stored as a hash: sign-in ticket, password reset link or invitation';

CREATE TABLE api_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    person_id BIGINT NOT NULL,
    kind TEXT DEFAULT 'api' NOT NULL CONSTRAINT api_key_kind_check CHECK (kind IN ('api', 'feed')),
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
COMMENT ON TABLE api_key IS 'An API key, or a token that reads feeds alone, stored as a hash; hint: its last characters';

CREATE TABLE report (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    person_id BIGINT NOT NULL,
    url TEXT NOT NULL,
    question TEXT NOT NULL,
    note TEXT NOT NULL,
    query TEXT,
    bound JSONB,
    rows JSONB NOT NULL,
    row_count INTEGER NOT NULL,
    data_version BIGINT NOT NULL,
    comment TEXT NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    CONSTRAINT report_pkey PRIMARY KEY (id),
    CONSTRAINT report_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id) ON DELETE CASCADE
);
CREATE INDEX report_reported_at_idx ON report (reported_at DESC);
COMMENT ON TABLE report IS 'A number that somebody doubts: the cell with its query, values and rows, open until closed_at';
COMMENT ON COLUMN report.url IS 'path, query and anchor of the cell, as the person saw it';
COMMENT ON COLUMN report.bound IS 'the values bound to the query, as text';
COMMENT ON COLUMN report.rows IS 'the first rows that were shown';

CREATE TABLE audit_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    person_id BIGINT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    ip_address INET,
    request_id TEXT,
    details JSONB,
    CONSTRAINT audit_event_pkey PRIMARY KEY (id),
    CONSTRAINT audit_event_person_id_fkey FOREIGN KEY(person_id) REFERENCES person (id)
);
CREATE INDEX audit_event_at_idx ON audit_event (at DESC);
COMMENT ON TABLE audit_event IS 'One entry of the audit trail';
