-- Alert rules, alerts, webhooks and deliveries.

CREATE TABLE alert_rule (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    account_id BIGINT,
    enabled BOOLEAN DEFAULT true NOT NULL,
    created_by TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT alert_rule_pkey PRIMARY KEY (id),
    CONSTRAINT alert_rule_kind_settings_account_id_key UNIQUE NULLS NOT DISTINCT (kind, settings, account_id),
    CONSTRAINT alert_rule_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
COMMENT ON TABLE alert_rule IS 'A rule that raises alerts; account_id null: it applies to all tracked accounts';

INSERT INTO alert_rule (kind, settings) VALUES
    ('stars_jumped', '{"gained": 100, "share": 0.05, "days": 1}'),
    ('stars_dropped', '{"lost": 100, "share": 0.1, "days": 1}'),
    ('account_deleted', '{}'),
    ('archived', '{}'),
    ('relicensed', '{}'),
    ('freshness_missed', '{"share": 0.9}'),
    ('budget_short', '{"share": 0.1}'),
    ('token_expiring', '{"days": 14}'),
    ('ingestion_failing', '{"runs": 3}'),
    ('disk_low', '{"megabytes": 1000}'),
    ('job_stuck', '{"hours": 6}');

CREATE TABLE alert (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    rule_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id BIGINT,
    repository_id BIGINT,
    message TEXT NOT NULL,
    details JSONB DEFAULT '{}' NOT NULL,
    run_id BIGINT,
    raised_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT alert_pkey PRIMARY KEY (id),
    CONSTRAINT alert_rule_id_fkey FOREIGN KEY(rule_id) REFERENCES alert_rule (id) ON DELETE CASCADE,
    CONSTRAINT alert_account_id_fkey FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX alert_open_key ON alert (rule_id, subject) WHERE ended_at IS NULL;
CREATE INDEX alert_raised_at_idx ON alert (raised_at DESC);
CREATE INDEX alert_rule_id_repository_id_idx ON alert (rule_id, repository_id);
COMMENT ON TABLE alert IS 'An alert raised by a rule. An event alert ends when it is raised, a state alert when the state ends';

CREATE TABLE webhook (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    format TEXT NOT NULL CONSTRAINT webhook_format_check CHECK (format IN ('json', 'slack')),
    secret TEXT NOT NULL,
    kinds TEXT[],
    enabled BOOLEAN DEFAULT true NOT NULL,
    created_by TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT webhook_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_name_key UNIQUE (name)
);
COMMENT ON TABLE webhook IS 'A URL that alerts are sent to. Both the URL and the signing secret are secrets';

CREATE TABLE webhook_delivery (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    webhook_id BIGINT NOT NULL,
    alert_id BIGINT,
    event TEXT DEFAULT 'raised' NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    http_status INTEGER,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_delivery_event_check CHECK (event IN ('raised', 'ended', 'test')),
    CONSTRAINT webhook_delivery_state_check CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_delivery_webhook_id_fkey FOREIGN KEY(webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
    CONSTRAINT webhook_delivery_alert_id_fkey FOREIGN KEY(alert_id) REFERENCES alert (id) ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_pending_idx ON webhook_delivery (id) WHERE state = 'pending';
CREATE INDEX webhook_delivery_webhook_id_idx ON webhook_delivery (webhook_id, id DESC);
COMMENT ON TABLE webhook_delivery IS 'Delivery of one alert to one webhook; alert_id null: a test delivery';
