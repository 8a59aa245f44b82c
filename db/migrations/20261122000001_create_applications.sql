-- Applications: one row for each customer an organisation sends webhooks to. Organisations have no
-- table: they exist in tokens alone, and every row names the one it belongs to.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE application (
    org_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    uid text COLLATE "C",
    name text NOT NULL,
    throttle_rate integer,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT application_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT application_id_key UNIQUE (id),
    CONSTRAINT application_id_check CHECK (id LIKE 'app\_%'),
    CONSTRAINT application_uid_check CHECK (uid NOT LIKE 'app\_%'),
    CONSTRAINT application_throttle_rate_check CHECK (throttle_rate BETWEEN 1 AND 65535)
);

CREATE UNIQUE INDEX application_org_id_uid_key ON application (org_id, uid) WHERE uid IS NOT NULL;

COMMENT ON TABLE application IS 'A customer of an organisation, with endpoints and messages of its own.';
COMMENT ON COLUMN application.uid IS 'The organisation''s own name for it. Never begins like an id, so that one lookup serves both.';
COMMENT ON COLUMN application.throttle_rate IS 'Messages per second over all its endpoints; NULL is unlimited.';
COMMENT ON COLUMN application.deleted_at IS 'Set, the row is kept for the messages that name it, and nobody can reach it.';
COMMENT ON INDEX application_org_id_uid_key IS 'Lookup by uid; a uid is free again once its application is deleted.';
COMMENT ON INDEX application_id_key IS 'Ids are unique everywhere, not only in an organisation: messages name the application alone.';

-- migrate:down
DROP TABLE application;
