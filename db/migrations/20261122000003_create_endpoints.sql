-- Endpoints: where an application wants its webhooks, and which ones.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE endpoint (
    app_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    uid text COLLATE "C",
    url text NOT NULL,
    description text NOT NULL,
    version integer NOT NULL,
    throttle_rate integer,
    disabled boolean NOT NULL,
    event_types text[],
    channels text[],
    secret bytea NOT NULL,
    headers jsonb NOT NULL,
    metadata jsonb NOT NULL,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT endpoint_pkey PRIMARY KEY (app_id, id),
    CONSTRAINT endpoint_app_id_fkey FOREIGN KEY (app_id) REFERENCES application (id),
    CONSTRAINT endpoint_id_check CHECK (id LIKE 'ep\_%'),
    CONSTRAINT endpoint_uid_check CHECK (uid NOT LIKE 'ep\_%'),
    CONSTRAINT endpoint_throttle_rate_check CHECK (throttle_rate BETWEEN 1 AND 65535)
);

CREATE UNIQUE INDEX endpoint_app_id_uid_key ON endpoint (app_id, uid) WHERE uid IS NOT NULL;

COMMENT ON TABLE endpoint IS 'Where an application wants its webhooks. Read in full for each message of the application: that is the fan-out.';
COMMENT ON COLUMN endpoint.uid IS 'The client''s own name for it. Never begins like an id, so that one lookup serves both.';
COMMENT ON COLUMN endpoint.event_types IS 'The event types it wants; NULL: all.';
COMMENT ON COLUMN endpoint.channels IS 'It wants only messages with one of these channels; NULL: messages with and without channels alike.';
COMMENT ON COLUMN endpoint.secret IS 'The key that signs its webhooks. Never in a log, never in a list.';
COMMENT ON COLUMN endpoint.headers IS 'Its own HTTP headers by name. Values may be credentials: never in a log.';
COMMENT ON COLUMN endpoint.failing_since IS 'The first failed attempt since the last that succeeded; NULL: the last one succeeded.';
COMMENT ON COLUMN endpoint.deleted_at IS 'Set, the row is kept for the attempts that name it, and nobody can reach it.';
COMMENT ON INDEX endpoint_app_id_uid_key IS 'Lookup by uid; a uid is free again once its endpoint is deleted.';

-- migrate:down
DROP TABLE endpoint;
